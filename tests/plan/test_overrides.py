"""An override takes a step's or provider's place, and drops the upstream nobody else needs."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from flowbuilder import FlowBuilder, Registry, Status, StepResult
from flowbuilder.declare.definitions import WorkflowDefinition
from flowbuilder.errors import FlowBuilderError
from flowbuilder.plan.pieces import Kind
from flowbuilder.plan.plan import Plan


def load() -> list[int]:
    return [1]


def clean(load: list[int]) -> list[int]:
    return load


def save(clean: list[int]) -> None: ...


def etl() -> WorkflowDefinition:
    return FlowBuilder("etl").parallel(load, clean, save).build()


def steps(plan: Plan) -> list[str]:
    return [step.name for step in plan.steps]


def refused(flow: Any, overrides: dict[Any, Any], **words: Any) -> str:
    with pytest.raises(FlowBuilderError) as caught:
        Registry().plan(flow, overrides=overrides, **words)
    return str(caught.value)


def test_a_value_takes_the_place_of_a_step_by_name_or_definition() -> None:
    flow = etl()
    for key in ("clean", flow.own["clean"]):
        plan = Registry().plan(flow, overrides={key: [7]})
        assert steps(plan) == ["load", "save"]
        (binding,) = plan.by_name["save"].bindings
        assert (binding.kind, binding.source, binding.value) == (Kind.VALUE, "clean", [7])


def test_upstream_nobody_else_needs_is_dropped() -> None:
    flows = Registry()
    for name, fn in (("load", load), ("clean", clean), ("save", save)):
        flows.step(name=name)(functools.partial(fn))
    assert steps(flows.plan("save")) == ["load", "clean", "save"]
    assert steps(flows.plan("save", overrides={"clean": [7]})) == ["save"]


def test_a_function_means_that_step_alone() -> None:
    flows, other = Registry(lexical=True), Registry(lexical=True)
    source = "@r.step\ndef rows(): ...\n@r.step\ndef {name}(rows): ...\n"
    one: dict[str, Any] = {"r": flows, "__name__": "one"}
    two: dict[str, Any] = {"r": other, "__name__": "two"}
    exec(compile(source.format(name="first"), "one.py", "exec"), one)
    exec(compile(source.format(name="second"), "two.py", "exec"), two)
    both = flows.workflow(name="both", steps=[one["first"], two["second"]])(lambda: None)
    assert steps(flows.plan(both, overrides={two["rows"]: 1})) == ["rows", "first", "second", "both"]
    assert steps(flows.plan(both, overrides={"rows": 1})) == ["first", "second", "both"]


def test_a_provider_is_overridden_with_all_it_requests() -> None:
    flows = Registry()

    @flows.provider
    def api(url: str) -> str:
        return url

    @flows.step
    def fetch(api: str) -> None: ...

    plan = flows.plan(fetch, overrides={api: "fake"})
    assert (dict(plan.providers), dict(plan.inputs)) == ({}, {})


def test_an_overridden_step_orders_nothing() -> None:
    flow = FlowBuilder("flow").step(load).then(lambda: 1, name="next").build()
    plan = Registry().plan(flow, overrides={"load": []})
    assert (steps(plan), plan.by_name["next"].after) == (["next"], ())


def test_a_step_of_steps_may_be_overridden() -> None:
    flows = Registry()
    first = flows.step(name="first")(lambda: 1)
    whole = flows.workflow(name="whole", steps=[first])(lambda: 2)
    assert steps(flows.plan(whole, overrides={first: 1})) == ["whole"]


def test_who_asks_for_a_result_gets_one() -> None:
    def told(load: StepResult[list[int]]) -> None: ...

    plan = Registry().plan(FlowBuilder("flow").step(load).step(told).build(), overrides={"load": [7]})
    (binding,) = plan.by_name["told"].bindings
    assert isinstance(binding.value, StepResult)
    assert (binding.value.name, binding.value.status, binding.value.value) == ("load", Status.SUCCESS, [7])


def test_an_override_may_be_none() -> None:
    (binding,) = Registry().plan(etl(), overrides={"clean": None}).by_name["save"].bindings
    assert (binding.kind, binding.value) == (Kind.VALUE, None)


def test_an_override_that_nothing_needs_is_refused_with_the_nearest() -> None:
    assert refused(etl(), {"claen": 1}) == (
        "there is no step or provider to override named 'claen'\n  allowed: load, clean, save"
        "\n  hint: did you mean 'clean'?"
    )
    stranger = Registry().step(name="stranger")(lambda: 1)
    assert refused(etl(), {stranger: 1}).startswith("there is no step or provider to override named 'stranger'")


def test_an_override_of_an_input_hints_at_params() -> None:
    flow = FlowBuilder("flow").step(lambda root: root, name="one").build()
    assert refused(flow, {"root": 1}) == "'root' is an input: it has nothing to override\n  hint: give it by params="


@pytest.mark.parametrize("key", [5, None, load])
def test_what_is_no_step_cannot_be_overridden(key: object) -> None:
    assert refused(etl(), {key: 1}).startswith("overrides= takes steps, workflows, providers or their names\n  got: ")


def test_something_must_be_left_to_run() -> None:
    flow = FlowBuilder("flow").step(load).build()
    assert refused(flow, {"load": 1}) == (
        f"nothing of 'flow' is left to run ({flow.where})\n  hint: overrides= takes the place of all its steps"
    )
