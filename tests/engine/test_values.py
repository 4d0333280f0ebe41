"""Where the values of parameters come from, what orders steps, and what the value of a run is."""

from __future__ import annotations

import functools

import pytest

from flowbuilder import Context, FlowBuilder, Registry, Status, run
from flowbuilder.errors import NotRunError
from flowbuilder.runner import Backend
from flowbuilder.testing import Recorder


def test_values_flow_by_parameter_name_between_all_kinds_of_steps(backend: Backend) -> None:
    flows = Registry()

    @flows.step
    def rows() -> list[int]:
        return [1, 2, 3]

    @flows.step
    async def total(rows: list[int]) -> int:
        return sum(rows)

    @flows.step(executor="inline")
    def doubled(total: int, *, factor: int = 2) -> int:
        return total * factor

    @flows.workflow
    async def report(doubled: int, total: int) -> str:
        return f"{total} doubled is {doubled}"

    assert run(report, registry=flows, backend=backend).value == "6 doubled is 12"


def test_needs_wires_a_parameter_to_a_function_or_a_name(backend: Backend) -> None:
    flows = Registry()

    @flows.step
    def orders() -> str:
        return "orders"

    @flows.step(name="数据处理")
    def stock() -> str:
        return "stock"

    @flows.step(needs={"left": orders, "right": "数据处理"})
    def joined(left: str, right: str) -> str:
        return f"{left}+{right}"

    assert run(joined, registry=flows, backend=backend).value == "orders+stock"


def test_a_name_replaces_the_functions_own_as_the_injected_name(backend: Backend) -> None:
    flows = Registry()

    @flows.step(name="liste_été")
    def listing() -> int:
        return 7

    @flows.step
    def seen(liste_été: int, listing: str = "not the step") -> tuple[int, str]:
        return liste_été, listing

    assert run(seen, registry=flows, backend=backend).value == (7, "not the step")


def test_needs_goes_before_a_step_a_step_before_ctx_and_ctx_before_an_input() -> None:
    flows = Registry()

    @flows.step
    def source() -> str:
        return "needed"

    @flows.step
    def wired() -> str:
        return "by name"

    @flows.step(needs={"wired": source})
    def seen(wired: str, ctx: Context) -> tuple[str, str]:
        return wired, ctx.step

    assert run(seen, registry=flows).value == ("needed", "seen")


def test_a_step_called_ctx_goes_before_the_context() -> None:
    flow = FlowBuilder("own").step(lambda: "a step", name="ctx").step(lambda ctx: ctx, name="seen").build()

    assert run(flow).value == {"seen": "a step"}


def test_an_input_takes_the_value_given_or_else_the_parameters_default() -> None:
    flows = Registry()

    @flows.step
    def greeting(name: str, mark: str = "!") -> str:
        return f"hello {name}{mark}"

    assert run(greeting, registry=flows, params={"name": "Ada"}).value == "hello Ada!"
    assert run(greeting, registry=flows, params={"name": "Ada", "mark": "?"}).value == "hello Ada?"


def test_a_value_of_none_is_passed_on_like_any_other(backend: Backend) -> None:
    flows = Registry()

    @flows.step
    def nothing() -> None:
        return None

    @flows.step
    def seen(nothing: object = "the default") -> object:
        return nothing

    result = run(seen, registry=flows, backend=backend)
    assert result.steps["nothing"].value is None
    assert result.value is None


def test_a_step_that_several_request_runs_once(backend: Backend) -> None:
    flows = Registry()
    calls: list[int] = []

    @flows.step
    def shared() -> int:
        calls.append(1)
        return len(calls)

    @flows.step
    def left(shared: int) -> int:
        return shared

    @flows.step
    async def right(shared: int) -> int:
        return shared

    @flows.workflow
    def both(left: int, right: int, shared: int) -> tuple[int, int, int]:
        return left, right, shared

    assert run(both, registry=flows, backend=backend).value == (1, 1, 1)


@pytest.mark.parametrize("by_name", [False, True])
def test_after_orders_without_passing_a_value(backend: Backend, by_name: bool) -> None:
    flows, order = Registry(), list[str]()

    @flows.step
    def first() -> None:
        order.append("first")

    @flows.step(after=("first" if by_name else first,))
    async def second() -> None:
        order.append("second")

    run(second, registry=flows, backend=backend).raise_for_errors()
    assert order == ["first", "second"]


def test_after_passes_over_a_skipped_step_and_stops_on_a_failed_one(backend: Backend) -> None:
    flows = Registry()

    @flows.step(when=lambda: False)
    def skipped() -> None: ...

    @flows.step
    def failed() -> None:
        raise ValueError("no")

    @flows.step(after=(skipped,))
    def behind_skipped() -> str:
        return "ran"

    @flows.step(after=(failed,))
    def behind_failed() -> str:
        return "ran"

    flow = FlowBuilder("both").step(behind_skipped).step(behind_failed).build()
    result = run(flow, registry=flows, backend=backend)
    assert result.steps["behind_skipped"].value == "ran"
    assert result.steps["behind_failed"].status is Status.SKIPPED
    assert result.steps["behind_failed"].reason == "failed failed"


def test_partials_make_several_steps_of_one_function(backend: Backend) -> None:
    def load(table: str, limit: int) -> str:
        return f"{limit} of {table}"

    flow = FlowBuilder("tables")
    for table in ("orders", "stock"):
        flow.step(functools.partial(load, table=table), name=f"load_{table}")

    result = run(flow.build(), params={"limit": 5}, backend=backend)
    assert result.value == {"load_orders": "5 of orders", "load_stock": "5 of stock"}


def test_a_partial_of_a_partial_keeps_the_outer_value(backend: Backend) -> None:
    def load(table: str, limit: int) -> str:
        return f"{limit} of {table}"

    inner = functools.partial(load, table="orders", limit=1)
    flow = FlowBuilder("one").step(functools.partial(inner, limit=2), name="load").build()

    assert run(flow, backend=backend).value == {"load": "2 of orders"}


def test_then_orders_after_all_steps_so_far_and_chaining_does_not(recorder: Recorder) -> None:
    order: list[str] = []

    def first() -> None:
        order.append("first")

    async def second() -> None:
        order.append("second")

    def last() -> None:
        order.append("last")

    flow = FlowBuilder("ordered").parallel(first, second).then(last).build()
    run(flow, plugins=[recorder])

    assert order[-1] == "last"
    assert sorted(order) == ["first", "last", "second"]


def test_a_decorated_function_is_called_as_if_nothing_had_happened() -> None:
    flows = Registry()

    def plain(n: int) -> int:
        return n + 1

    assert flows.step(plain) is plain
    assert plain(1) == 2


# The workflow's body, and the value of a run.


def test_a_body_is_the_last_step_and_counts_like_any_other(recorder: Recorder) -> None:
    flows = Registry()

    @flows.step
    def extra() -> None: ...

    @flows.step
    def number() -> int:
        return 1

    @flows.workflow(steps=[extra])
    def whole(number: int) -> int:
        return number

    result = run(whole, registry=flows, plugins=[recorder])
    assert list(result.steps)[-1] == "whole"
    assert result.success_count == 3
    assert recorder.told[-2:] == ["finish whole", "run_finish whole success"]
    assert recorder.told.index("finish extra") < recorder.told.index("start whole 1")


def test_a_body_runs_although_a_step_of_steps_was_skipped_by_when(backend: Backend) -> None:
    flows = Registry()

    @flows.step(when=lambda: False)
    def extra() -> None: ...

    @flows.workflow(steps=[extra])
    def whole() -> str:
        return "ran"

    result = run(whole, registry=flows, backend=backend)
    assert result.value == "ran"
    assert result.status is Status.SUCCESS
    assert result.skipped_count == 1


def test_a_body_does_not_run_when_a_step_of_steps_failed(backend: Backend) -> None:
    flows = Registry()

    @flows.step
    def extra() -> None:
        raise ValueError("no")

    @flows.workflow(steps=[extra])
    def whole() -> str:
        return "ran"

    result = run(whole, registry=flows, backend=backend)
    assert result.steps["whole"].status is Status.SKIPPED
    with pytest.raises(ExceptionGroup, match="whole: 1 failed"):
        _ = result.value


def test_the_value_of_a_run_whose_body_was_skipped_says_why(backend: Backend) -> None:
    flows = Registry()

    @flows.step(when=lambda: False)
    def wanted() -> int:
        return 1

    @flows.workflow
    def whole(wanted: int) -> int:
        return wanted

    result = run(whole, registry=flows, backend=backend)
    assert result.status is Status.SKIPPED
    with pytest.raises(NotRunError, match=r"^whole was skipped: wanted was skipped: its when was false$"):
        _ = result.value


def test_the_value_of_a_workflow_without_a_body_has_every_sink(backend: Backend) -> None:
    flows = Registry()

    @flows.step
    def source() -> int:
        return 1

    @flows.step
    def left(source: int) -> int:
        return source + 1

    @flows.step
    def right(source: int) -> int:
        return source + 2

    @flows.step(when=lambda: False)
    def skipped(source: int) -> int:
        return source + 3

    flow = FlowBuilder("sinks").step(left).step(right).step(skipped).build()
    assert run(flow, registry=flows, backend=backend).value == {"left": 2, "right": 3}


def test_the_value_of_a_step_run_by_itself_is_its_own(backend: Backend) -> None:
    flows = Registry()

    @flows.step
    def source() -> int:
        return 1

    @flows.step
    def wanted(source: int) -> int:
        return source + 1

    @flows.step
    def not_wanted(wanted: int) -> int:
        return wanted

    result = run("wanted", registry=flows, backend=backend)
    assert result.value == 2
    assert list(result.steps) == ["source", "wanted"]


# Overrides.


@pytest.mark.parametrize("by_name", [False, True])
def test_an_override_takes_a_steps_place_and_drops_its_upstream(backend: Backend, by_name: bool) -> None:
    flows = Registry()

    @flows.step
    def costly() -> int:
        raise AssertionError("nobody needs this")

    @flows.step
    def rows(costly: int) -> int:
        return costly

    @flows.step
    def total(rows: int) -> int:
        return rows + 1

    result = run(total, registry=flows, overrides={"rows" if by_name else rows: 41}, backend=backend)
    assert result.value == 42
    assert list(result.steps) == ["total"]


def test_an_overrides_upstream_stays_where_somebody_else_needs_it() -> None:
    flows = Registry()

    @flows.step
    def source() -> int:
        return 1

    @flows.step
    def rows(source: int) -> int:
        return source

    @flows.step
    def total(rows: int, source: int) -> tuple[int, int]:
        return rows, source

    assert run(total, registry=flows, overrides={rows: 9}).value == (9, 1)


def test_an_override_takes_a_providers_place_without_setting_it_up(backend: Backend) -> None:
    flows = Registry()

    @flows.provider
    def api() -> str:
        raise AssertionError("nobody needs this")

    @flows.step
    def fetched(api: str) -> str:
        return f"from {api}"

    assert run(fetched, registry=flows, overrides={api: "a fake"}, backend=backend).value == "from a fake"


def test_an_override_of_a_mapped_step_or_of_its_source_is_a_list(backend: Backend) -> None:
    flows = Registry()

    @flows.step
    def numbers() -> list[int]:
        return [1]

    @flows.step(each={"n": "numbers"})
    def square(n: int) -> int:
        return n * n

    @flows.step
    def total(square: list[int]) -> int:
        return sum(square)

    assert run(total, registry=flows, overrides={numbers: [2, 3]}, backend=backend).value == 13
    assert run(total, registry=flows, overrides={square: [5, 6]}, backend=backend).value == 11


def test_an_override_of_a_step_that_only_orders_is_dropped() -> None:
    flows = Registry()

    @flows.step
    def migrated() -> None:
        raise AssertionError("nobody needs this")

    @flows.step(after=(migrated,))
    def loaded() -> str:
        return "loaded"

    assert run(loaded, registry=flows, overrides={migrated: None}).value == "loaded"
