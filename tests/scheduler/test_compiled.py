"""What is submitted again is not planned again, unless it would be another plan by now."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from flowbuilder import FlowBuilder, Plan, Registry, WorkflowScheduler, hookimpl
from flowbuilder.compiled import MOST, CompiledPlans
from flowbuilder.errors import PlanError
from flowbuilder.host import make_host


class Plans:
    """Keeps the plans that it is told of."""

    def __init__(self) -> None:
        self.told: list[Plan] = []

    @hookimpl
    def flowbuilder_plan(self, plan: Plan) -> None:
        self.told.append(plan)


@pytest.fixture
def told() -> Plans:
    return Plans()


@pytest.fixture
def compiled(told: Plans) -> CompiledPlans:
    return CompiledPlans(make_host(plugins=[told], entry_points=False))


def define(flows: Registry, name: str, value: int) -> None:
    """Define a step, or define it anew, as a cell of a notebook does that is executed again."""
    flows.step(name=name)(lambda: value)


def report(flows: Registry) -> Callable[[int], int]:
    """Return a workflow whose step is looked up by its name."""
    define(flows, "rows", 1)

    @flows.workflow
    def report(rows: int, size: int = 5) -> int:
        return rows * size

    return report


def test_a_workflow_that_is_submitted_again_is_planned_once_and_plugins_hear_of_it_each_time(told: Plans) -> None:
    flows = Registry()
    workflow = report(flows)
    with WorkflowScheduler(plugins=[told]) as scheduler:
        handles = [scheduler.submit(one, registry=flows) for one in (workflow, "report", workflow)]
        assert [one.wait_sync().value for one in handles] == [5, 5, 5]
    first, *others = told.told
    assert [one is first for one in others] == [True, True]


def test_a_step_that_was_defined_anew_is_the_one_that_runs() -> None:
    flows = Registry()
    workflow = report(flows)
    with WorkflowScheduler() as scheduler:
        before = scheduler.submit(workflow, registry=flows).wait_sync().value
        define(flows, "rows", 2)
        after = scheduler.submit(workflow, registry=flows).wait_sync().value
    assert (before, after) == (5, 10)


def test_an_input_that_has_become_a_step_is_taken_for_one(compiled: CompiledPlans) -> None:
    flows = Registry()
    workflow = report(flows)
    before = compiled.plan(workflow, None, None, flows)
    define(flows, "size", 7)
    after = compiled.plan(workflow, None, None, flows)
    assert ([*before.inputs], [*after.inputs]) == (["size"], [])
    assert compiled.plan(workflow, None, None, flows) is after


def test_what_is_given_values_or_overrides_is_planned_each_time(compiled: CompiledPlans) -> None:
    flows = Registry()
    workflow = report(flows)
    plain = compiled.plan(workflow, None, None, flows)
    given = [compiled.plan(workflow, {"size": size}, None, flows).params["size"] for size in (1, 2)]
    assert given == [1, 2]
    assert "rows" not in compiled.plan(workflow, None, {"rows": 3}, flows).by_name
    assert compiled.plan(workflow, {}, {}, flows) is plain


def test_the_same_workflow_means_something_else_in_another_registry(compiled: CompiledPlans) -> None:
    flow = FlowBuilder("flow").step(lambda size=1: size, name="one").build()
    with_step = Registry()
    with_step.add(with_step.step(name="size")(lambda: 2))
    plans = [compiled.plan(flow, None, None, one) for one in (Registry(), with_step)]
    assert [[*plan.by_name] for plan in plans] == [["one"], ["size", "one"]]


def test_of_many_plans_those_are_kept_that_were_asked_for_last(compiled: CompiledPlans) -> None:
    flows = [FlowBuilder(f"flow{n}").step(lambda: 1, name="one").build() for n in range(MOST + 1)]
    plans = [compiled.plan(flow, None, None, None) for flow in flows]
    assert compiled.plan(flows[-1], None, None, None) is plans[-1]
    assert compiled.plan(flows[1], None, None, None) is plans[1]
    assert compiled.plan(flows[0], None, None, None) is not plans[0]


def test_a_mistake_made_meanwhile_is_found(compiled: CompiledPlans, monkeypatch: pytest.MonkeyPatch) -> None:
    flows = Registry()
    workflow = report(flows)
    plan = compiled.plan(workflow, None, None, flows)

    def clashes(*_: object) -> None:
        raise PlanError("stands for two")

    monkeypatch.setattr("flowbuilder.plan.scope.Scope._found", clashes)
    assert not plan.is_current()
    with pytest.raises(PlanError, match="stands for two"):
        compiled.plan(workflow, None, None, flows)
