"""Outside: what a body cannot run, or not from where it is, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowbuilder.declare.definitions import StepDefinition, WorkflowDefinition
from flowbuilder.engine.attempt import Attempt
from flowbuilder.engine.limits import NO_NEEDS, Limit, Needs, needs_of
from flowbuilder.errors import InnerStepError, listed, shown, shown_value
from flowbuilder.plan.needs import check_resources
from flowbuilder.plan.pieces import PlannedStep
from flowbuilder.plan.plan import Plan

HELD = "what runs inside a step that holds resources has those and no others"
WITHIN = "inside a holder there is what that holds"


def refuse_outside(attempt: Attempt) -> None:
    """Refuse to run something inside a body that cannot wait for it.

    Raises:
        InnerStepError: saying why.
    """
    executor = attempt.step.executor
    if executor in ("loop", "thread"):
        return
    why = {
        "inline": "it runs on the loop's own thread, where waiting would stop everything",
        "process": "it runs in a worker process, which has of ctx only its data, log and progress",
    }
    reason = why.get(executor, "its executor is not part of the run")
    raise InnerStepError(
        f"{shown_value(attempt.info.name)} cannot run others: {reason}",
        where=attempt.step.definition.where,
        got=f"executor={executor!r}",
        allowed='async def, or a plain def with executor="thread"',
    )


def refused(thing: Any) -> InnerStepError:
    """Return the error of a body that asks for what is nothing to run."""
    return InnerStepError(
        "ctx runs functions and workflows",
        got=shown_value(thing),
        allowed="a step, or any function; for ctx.run a workflow, too",
        hint="add .build()" if hasattr(thing, "build") else "",
    )


def refuse_way(attempt: Attempt, *, is_async: bool) -> None:
    """Refuse to let a body wait in a way that it cannot.

    Raises:
        InnerStepError: naming the other way.
    """
    if (attempt.step.executor == "loop") is not is_async:
        raise InnerStepError(
            f"{shown_value(attempt.info.name)} is {'a plain def' if is_async else 'an async def'}",
            where=attempt.step.definition.where,
            hint="use: ctx.run_sync(…), ctx.map_sync(…)" if is_async else "use: await ctx.run(…), await ctx.map(…)",
        )


def needs_inside(step: PlannedStep, resources: Mapping[str, Limit], *, holds: bool) -> Needs:
    """Return what a step needs inside a body that has ``resources``; ``holds`` says that they are its own.

    Raises:
        InnerStepError: where it could never get that.
    """
    definition = step.definition
    _refuse_beyond(definition, resources, holds=holds)
    return needs_of(definition.resources, resources) if definition.resources else NO_NEEDS


def refuse_needs(plan: Plan, resources: Mapping[str, Limit], *, holds: bool) -> None:
    """Refuse a workflow that could never get what it needs inside a body, as ``needs_inside`` does of a step.

    Raises:
        InnerStepError: where it, or one of its steps, needs more than the body has.
        PlanError: where a step needs more than the workflow itself holds.
    """
    if not plan.resources:
        return
    workflow = plan.workflow
    if workflow.resources:
        _refuse_beyond(workflow, resources, holds=holds)
    else:
        for step in plan.steps:
            if not step.is_body:
                _refuse_beyond(step.definition, resources, holds=holds)
    check_resources(plan, {name: limit.capacity for name, limit in resources.items()})


def _refuse_beyond(
    definition: StepDefinition | WorkflowDefinition, resources: Mapping[str, Limit], *, holds: bool
) -> None:
    for name, amount in definition.resources.items():
        limit = resources.get(name)
        if limit is None or amount > limit.capacity:
            raise InnerStepError(
                f"{shown_value(definition.name)} needs more of {shown_value(name)} than"
                f" {'the body that runs it holds' if holds else 'there is for it'}",
                where=definition.where,
                got=str(amount),
                allowed=listed(f"{one.name}={one.capacity}" for one in resources.values()) or "nothing",
                hint=HELD if holds else f"say how much there is: --resource {shown(name)}={amount}; {WITHIN}",
            )
