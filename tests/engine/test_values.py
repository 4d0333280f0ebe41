"""Where the values of parameters come from, and what orders steps."""

from __future__ import annotations

import functools

import pytest

from flowbuilder import Context, FlowBuilder, Registry, Status, run
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
