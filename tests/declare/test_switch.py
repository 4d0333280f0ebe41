"""FlowBuilder.switch and step_if give steps the conditions they say, and refuse what can have none."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest

from flowbuilder import FlowBuilder, Registry
from flowbuilder.declare.definitions import StepDefinition
from flowbuilder.errors import DefinitionError, DuplicateNameError, FlowBuilderError, UnknownNameError
from flowbuilder.plan.plan import Plan


def mode(kind: str) -> str:
    return kind


def load_all() -> list[int]:
    return [1, 2]


def load_new() -> list[int]:
    return [2]


def plan_of(builder: FlowBuilder) -> Plan:
    return Registry().plan(builder.build(), {"kind": "x"})


def upstream(builder: FlowBuilder) -> Mapping[str, tuple[str, ...]]:
    return {step.name: step.upstream for step in plan_of(builder).steps}


def refused(builder: FlowBuilder, selector: Any, cases: Any, default: Any = None, **words: Any) -> FlowBuilderError:
    with pytest.raises(FlowBuilderError) as caught:
        builder.switch(selector, cases, default, **words)
    return caught.value


def test_a_function_becomes_the_step_that_chooses() -> None:
    builder = FlowBuilder("etl")
    assert builder.switch(mode, {"all": load_all, "new": load_new}) is builder
    assert upstream(builder) == {"mode": (), "load_all": ("mode",), "load_new": ("mode",)}


def test_a_step_chooses_through_one_that_checks_its_value() -> None:
    wanted = {"mode": (), "switch_mode": ("mode",), "load_all": ("switch_mode",)}
    for selector in ("mode", mode):
        assert upstream(FlowBuilder("etl").step(mode).switch(selector, {"all": load_all})) == wanted
    decorated = Registry().step(name="mode")(partial(mode))
    assert upstream(FlowBuilder("etl").switch(decorated, {"all": load_all})) == wanted


def test_the_value_of_a_workflow_chooses_too() -> None:
    inner = FlowBuilder("inner").step(mode).build()
    assert upstream(FlowBuilder("etl").switch(inner, {"all": load_all}))["switch_inner"] == ("inner",)


def test_a_selector_may_be_used_again() -> None:
    builder = FlowBuilder("etl").switch(mode, {"all": load_all}).switch(mode, {"new": load_new})
    assert upstream(builder)["load_new"] == ("switch_mode",)
    assert list(upstream(builder)) == ["mode", "load_all", "switch_mode", "load_new"]


def test_a_lambda_is_called_switch() -> None:
    builder = FlowBuilder("etl").switch(lambda kind: kind, {"all": load_all}).switch(lambda: 1, {1: load_new})
    assert list(upstream(builder)) == ["switch", "load_all", "switch_2", "load_new"]


def test_a_name_adds_a_step_with_the_value_of_the_one_that_ran() -> None:
    builder = FlowBuilder("etl").switch(mode, {"all": load_all, "new": load_new}, name="rows")
    builder.step(lambda rows: rows, name="n")
    assert upstream(builder)["rows"] == ("load_all", "load_new")
    assert upstream(builder)["n"] == ("rows",)


def test_a_step_added_before_may_be_a_case() -> None:
    builder = FlowBuilder("etl").step(load_all, retries=2).step(load_new)
    flow = builder.switch(mode, {"all": "load_all", "new": load_new}).build()
    made = flow.own["load_all"]
    assert isinstance(made, StepDefinition)
    assert (made.retries.n, list(made.needs)) == (2, ["mode"])
    assert list(flow.own) == ["load_all", "load_new", "mode"]


def test_what_waits_for_a_step_waits_for_it_when_it_has_become_a_case() -> None:
    builder = FlowBuilder("etl").step(load_all).step(lambda rows: rows, name="n", needs={"rows": load_all})
    builder.switch(mode, {"all": load_all}).then(lambda: 1, name="last")
    found = upstream(builder)
    assert (found["n"], found["load_all"]) == (("load_all",), ("mode",))
    assert set(found["last"]) == {"load_all", "n", "mode"}


def test_one_step_may_have_several_cases() -> None:
    builder = FlowBuilder("etl").switch(mode, {"a": load_all, "b": load_all}, load_all)
    assert list(upstream(builder)) == ["mode", "load_all"]


def test_a_parameter_of_the_step_keeps_its_meaning() -> None:
    def load(mode: int) -> int:
        return mode

    builder = FlowBuilder("etl").step(lambda: 1, name="one")
    builder.step(load, needs={"mode": "one"}).switch(mode, {"all": load})
    step = plan_of(builder).by_name["load"]
    assert [(one.parameter, one.source) for one in (*step.bindings, *step.when)] == [("mode", "one"), ("mode_", "mode")]


def test_a_step_without_a_parameters_name_may_choose() -> None:
    builder = FlowBuilder("etl").step(mode, name="which mode").switch("which mode", {"all": load_all})
    assert upstream(builder)["load_all"] == ("switch_which mode",)


def test_its_own_steps_are_written_where_it_is_called() -> None:
    flow = FlowBuilder("etl").step(mode).switch("mode", {"all": load_all}, name="rows").build()
    for name in ("switch_mode", "rows"):
        assert flow.own[name].where.file == __file__


def test_what_can_have_no_condition_is_refused() -> None:
    inner = FlowBuilder("inner").step(load_all).build()
    made = refused(FlowBuilder("etl"), mode, {1: inner})
    assert (made.what, made.hint) == (
        "'inner' is a workflow, and only a step can have a condition",
        "give its steps a when=",
    )
    builder = FlowBuilder("etl").step(load_all, when=lambda: True).step(lambda n: n, name="each", each={"n": [1]})
    assert refused(builder, mode, {1: load_all}).what == "'load_all' has a condition already"
    assert refused(builder, mode, {1: "each"}).what.startswith("'each' is mapped: it would be asked of each item")
    with pytest.raises(DefinitionError, match="'inner' is a workflow"):
        FlowBuilder("etl").step_if(mode, inner)  # type: ignore[arg-type]  # that is the point
    with pytest.raises(DefinitionError, match="'load_new' has a condition already"):
        FlowBuilder("etl").step_if(mode, load_new, when=lambda: True)


@pytest.mark.parametrize("cases", [{}, None, [load_all]])
def test_there_must_be_cases(cases: Any) -> None:
    made = refused(FlowBuilder("etl"), mode, cases)
    assert (made.what, made.allowed) == ("switch() takes a step for each case", "{value: step}")


def test_a_case_that_is_no_step_is_refused() -> None:
    assert isinstance(refused(FlowBuilder("etl").step(load_all), mode, {1: "laod_all"}), UnknownNameError)
    assert refused(FlowBuilder("etl"), mode, {1: 5}).what == "only a function can be a step"
    assert refused(FlowBuilder("etl"), 5, {1: load_all}).what == "switch() takes a function"
    provider = Registry().provider(name="api")(partial(load_all))
    assert refused(FlowBuilder("etl"), mode, {1: provider}).what == "only steps and workflows can be added"
    assert refused(FlowBuilder("etl"), provider, {1: load_all}).what.startswith("needs= wires 'value' to something")


def test_two_steps_of_one_name_are_refused() -> None:
    other = Registry().step(name="load_all")(partial(load_new))
    assert isinstance(refused(FlowBuilder("etl"), mode, {1: load_all, 2: other}), DuplicateNameError)


def test_a_condition_is_a_function_or_a_step() -> None:
    builder = FlowBuilder("etl").step(mode)
    builder.step_if(lambda kind: kind, load_all, retries=1).step_if(mode, load_new)
    builder.step_if("mode", lambda: 1, name="one")
    assert upstream(builder) == {"mode": (), "load_all": (), "load_new": ("mode",), "one": ("mode",)}
    with pytest.raises(DefinitionError, match=r"step_if\(\) takes a function"):
        builder.step_if(True, lambda: 1, name="two")  # type: ignore[arg-type]  # that is the point
