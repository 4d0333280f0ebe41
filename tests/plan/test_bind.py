"""Each parameter is resolved by name: needs=, a step, a provider, ctx, an input."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from flowbuilder import Context, FlowBuilder, Registry, StepResult, Until
from flowbuilder.errors import CycleError, PlanError
from flowbuilder.plan.pieces import Binding, Kind
from flowbuilder.plan.plan import Plan

FILE = __file__


def bindings(plan: Plan, step: str) -> dict[str, tuple[Kind, str]]:
    return {one.parameter: (one.kind, one.source) for one in plan.by_name[step].bindings}


def binding(plan: Plan, step: str, parameter: str) -> Binding:
    return next(one for one in plan.by_name[step].bindings if one.parameter == parameter)


def place(fn: Any) -> str:
    return f"{FILE}:{fn.__code__.co_firstlineno}"


def test_a_parameter_is_a_step_a_provider_ctx_or_an_input() -> None:
    flows = Registry()

    @flows.step
    def rows() -> list[int]:
        return []

    @flows.provider
    def api() -> Iterator[str]:
        yield "api"

    @flows.step
    def save(rows: list[int], api: str, ctx: Context, root: str = ".") -> None: ...

    plan = flows.plan(save)
    assert bindings(plan, "save") == {
        "rows": (Kind.STEP, "rows"),
        "api": (Kind.PROVIDER, "api"),
        "ctx": (Kind.CONTEXT, ""),
        "root": (Kind.INPUT, "root"),
    }
    assert plan.by_name["save"].upstream == ("rows",)
    assert plan.by_name["save"].providers == ("api",)


def test_needs_wires_a_parameter_before_its_name_does() -> None:
    flows = Registry()

    @flows.step
    def rows() -> None: ...

    @flows.step
    def other() -> None: ...

    @flows.step(needs={"rows": other, "more": "rows"})
    def save(rows: None, more: None) -> None: ...

    assert bindings(flows.plan(save), "save") == {"rows": (Kind.STEP, "other"), "more": (Kind.STEP, "rows")}


def test_a_step_called_ctx_comes_before_the_context() -> None:
    flow = FlowBuilder("flow").step(lambda: 1, name="ctx").step(lambda ctx: ctx, name="save").build()
    assert bindings(Registry().plan(flow), "save") == {"ctx": (Kind.STEP, "ctx")}


def test_defaults_are_noted_and_results_are_asked_for() -> None:
    flows = Registry()

    @flows.step
    def rows() -> list[int]:
        return []

    @flows.step
    def notify(rows: StepResult[list[int]], again: int = 1) -> None: ...

    plan = flows.plan(notify)
    assert binding(plan, "notify", "rows") == Binding("rows", Kind.STEP, "rows", False, True)
    assert binding(plan, "notify", "again").has_default


def test_a_provider_that_requests_a_step_is_refused() -> None:
    flows = Registry()

    @flows.step
    def rows() -> None: ...

    @flows.provider
    def api(rows: None) -> None: ...

    @flows.step
    def save(api: None) -> None: ...

    with pytest.raises(PlanError) as caught:
        flows.plan(save)
    assert str(caught.value) == (
        f"the provider 'api' requests the step 'rows' ({place(api)})"
        "\n  allowed: a provider may request providers and inputs"
    )


def test_a_provider_orders_nothing() -> None:
    flows = Registry()

    @flows.provider
    def api() -> None: ...

    @flows.step(after=["api"])
    def save() -> None: ...

    with pytest.raises(PlanError) as caught:
        flows.plan(save)
    assert str(caught.value) == (
        f"'save' is ordered after the provider 'api' ({place(save)})\n  allowed: steps"
        "\n  hint: a provider is there before whoever requests it"
    )


# each=


def test_items_come_from_a_step_an_input_or_a_list() -> None:
    def save(a: int, b: int, c: int, d: int = 1) -> None: ...

    flow = FlowBuilder("flow").step(lambda: [1], name="numbers")
    plan = Registry().plan(flow.step(save, each={"a": "numbers", "b": "given", "c": [7]}).build(), {"given": [1]})
    step = plan.by_name["save"]
    assert step.mapped
    assert [(one.parameter, one.kind, one.source, one.value) for one in step.each] == [
        ("a", Kind.STEP, "numbers", None),
        ("b", Kind.INPUT, "given", None),
        ("c", Kind.VALUE, "", (7,)),
    ]
    assert [one.kind for one in step.bindings] == [Kind.ITEM, Kind.ITEM, Kind.ITEM, Kind.INPUT]
    assert step.upstream == ("numbers",)


def test_a_string_is_always_a_name() -> None:
    with pytest.raises(Exception, match="'save' needs 'abc'"):
        Registry().plan(FlowBuilder("flow").step(lambda a: a, name="save", each={"a": "abc"}).build())


def test_items_never_come_from_a_provider() -> None:
    flows = Registry()

    @flows.provider
    def api() -> list[int]:
        return []

    @flows.step(each={"one": "api"})
    def save(one: int) -> None: ...

    with pytest.raises(PlanError) as caught:
        flows.plan(save)
    assert str(caught.value) == (
        f"each= of 'save' names the provider 'api' ({place(save)})\n  allowed: a step, an input, or a list"
    )


def test_a_step_mapped_over_itself_is_a_circle() -> None:
    with pytest.raises(CycleError):
        Registry().plan(FlowBuilder("flow").step(lambda a: a, name="save", each={"a": "save"}).build())


# when= and on_error=


def test_a_predicate_takes_the_steps_own_parameters_and_what_else_it_names() -> None:
    flows = Registry()

    @flows.step
    def rows() -> list[int]:
        return []

    @flows.step(needs={"data": "rows"}, when=lambda data, day, ctx, limit=5: bool(data))
    def save(data: list[int]) -> None: ...

    step = flows.plan(save, {"day": 1}).by_name["save"]
    assert [(one.parameter, one.kind, one.source) for one in step.when] == [
        ("data", Kind.STEP, "rows"),
        ("day", Kind.INPUT, "day"),
        ("ctx", Kind.CONTEXT, ""),
        ("limit", Kind.INPUT, "limit"),
    ]


def test_a_predicate_brings_its_own_upstream() -> None:
    flows = Registry()

    @flows.step
    def ready() -> bool:
        return True

    @flows.step(when=lambda ready: ready)
    def save() -> None: ...

    assert flows.plan(save).by_name["save"].upstream == ("ready",)


def test_a_predicate_of_a_mapped_step_takes_the_item() -> None:
    flow = FlowBuilder("flow").step(lambda n: n, name="save", each={"n": [1]}, when=lambda n: n > 0).build()
    assert [one.kind for one in Registry().plan(flow).by_name["save"].when] == [Kind.ITEM]


def test_a_rescue_takes_the_error() -> None:
    def rescue(error: BaseException, day: int) -> None: ...

    flow = FlowBuilder("flow").step(lambda day: day, name="save", on_error=rescue).build()
    step = Registry().plan(flow, {"day": 1}).by_name["save"]
    assert [(one.parameter, one.kind) for one in step.on_error] == [("error", Kind.ERROR), ("day", Kind.INPUT)]


def test_the_predicate_of_until_takes_result_and_previous_before_all_else() -> None:
    flows = Registry()

    @flows.step
    def result() -> int:
        return 1

    @flows.step(until=Until(lambda poll, result, previous, day: result))
    def poll(day: int) -> int:
        return day

    planned = flows.plan(poll, {"day": 1}).by_name["poll"]
    kinds = {one.parameter: one.kind for one in planned.until}
    assert kinds == {"poll": Kind.RESULT, "result": Kind.RESULT, "previous": Kind.PREVIOUS, "day": Kind.INPUT}
    assert planned.upstream == ()


def test_the_predicate_of_until_brings_its_own_upstream() -> None:
    flow = FlowBuilder("flow").step(lambda: 3, name="goal")
    flow.step(lambda: 1, name="poll", until=Until(lambda result, goal: result >= goal))
    assert Registry().plan(flow.build()).by_name["poll"].upstream == ("goal",)


def test_an_undo_takes_the_result_the_steps_own_parameters_and_what_else_it_names() -> None:
    flows = Registry()

    @flows.provider
    def api() -> str:
        return ""

    @flows.step
    def prices() -> int:
        return 1

    @flows.step(undo=lambda book, result, day, prices, api, ctx: None)
    def book(day: int) -> int:
        return day

    planned = flows.plan(book, {"day": 1}).by_name["book"]
    kinds = {one.parameter: one.kind for one in planned.undo}
    assert kinds == {
        "book": Kind.RESULT, "result": Kind.RESULT, "day": Kind.INPUT, "prices": Kind.STEP, "api": Kind.PROVIDER,
        "ctx": Kind.CONTEXT,
    }  # fmt: skip
    assert (planned.upstream, planned.providers) == (("prices",), ("api",))


def test_previous_is_an_input_where_nothing_is_repeated() -> None:
    with pytest.raises(Exception, match="'poll' needs 'previous'"):
        Registry().plan(FlowBuilder("flow").step(lambda previous: previous, name="poll").build())


def test_a_predicate_has_no_error_to_take() -> None:
    with pytest.raises(Exception, match="'save' needs 'error'"):
        Registry().plan(FlowBuilder("flow").step(lambda: 1, name="save", when=lambda error: error).build())


def test_a_predicate_that_names_its_own_step_is_a_circle() -> None:
    with pytest.raises(CycleError):
        Registry().plan(FlowBuilder("flow").step(lambda: 1, name="save", when=lambda save: save).build())


def test_what_one_may_request_another_is_still_refused() -> None:
    flows = Registry()

    @flows.provider(scope="step")
    def folder() -> str:
        return "folder"

    @flows.provider(scope="step")
    def file(folder: str) -> str:
        return folder

    @flows.provider
    def api(folder: str) -> str:
        return folder

    @flows.step
    def save(file: str, folder: str, api: str) -> None: ...

    with pytest.raises(PlanError, match="the provider 'api' has scope=\"run\" and requests 'folder'"):
        flows.plan(save)


def test_a_step_that_another_step_has_is_refused_to_a_provider() -> None:
    flows = Registry()

    @flows.step
    def rows() -> list[int]:
        return []

    @flows.provider
    def api(rows: list[int]) -> list[int]:
        return rows

    @flows.step
    def save(rows: list[int], api: list[int]) -> None: ...

    with pytest.raises(PlanError, match="the provider 'api' requests the step 'rows'"):
        flows.plan(save)
