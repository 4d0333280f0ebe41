"""Needs: the resources that a plan asks for, checked against what there is."""

from __future__ import annotations

from collections.abc import Mapping

from flowbuilder.errors import PlanError, UnknownNameError, Where, listed, shown, shown_value
from flowbuilder.plan.plan import Plan


def check_resources(plan: Plan, capacities: Mapping[str, int]) -> None:
    """Refuse a plan that could never get what it needs.

    Inside a workflow that holds resources, its steps have what it holds, and no more.

    Raises:
        UnknownNameError: for a resource that there is not.
        PlanError: for an amount above what there is.
    """
    if not plan.resources:
        return
    workflow = plan.workflow
    _check(workflow.name, workflow.where, workflow.resources, capacities, "there is")
    held = workflow.resources
    for step in plan.steps:
        if step.is_body:
            continue
        needs: Mapping[str, int] = getattr(step.definition, "resources", {})
        if held:
            _refuse_beside(step.name, step.definition.where, needs, held)
            _check(step.name, step.definition.where, needs, held, "the workflow holds")
        else:
            _check(step.name, step.definition.where, needs, capacities, "there is")


def _refuse_beside(name: str, where: Where, needs: Mapping[str, int], held: Mapping[str, int]) -> None:
    for resource in needs:
        if resource not in held:
            raise PlanError(
                f"{shown_value(name)} needs {shown_value(resource)}, which the workflow does not hold",
                where=where,
                allowed=listed(held),
                hint="inside a workflow that holds resources, its steps have those and no others",
            )


def _check(name: str, where: Where, needs: Mapping[str, int], capacities: Mapping[str, int], there_is: str) -> None:
    for resource, amount in needs.items():
        if resource not in capacities:
            error = UnknownNameError("resource", resource, capacities, where)
            said = (
                f"--resource {shown(resource)}={amount}, or resources={{{shown_value(resource)}: {amount}}} from code"
            )
            error.hint = error.hint or f"say how much there is: {said}"
            raise error
        if amount > capacities[resource]:
            raise PlanError(
                f"{shown_value(name)} needs more of {shown_value(resource)} than {there_is}",
                where=where,
                got=str(amount),
                allowed=f"1 to {capacities[resource]}",
            )
