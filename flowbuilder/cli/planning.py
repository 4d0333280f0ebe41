"""Planning: every selected workflow is planned before the first one starts."""

from __future__ import annotations

from collections.abc import Sequence

import pluggy

from flowbuilder.cli.values import Values
from flowbuilder.declare.definitions import WorkflowDefinition
from flowbuilder.declared import Registry
from flowbuilder.errors import UnknownNameError
from flowbuilder.plan.build import PlanOptions
from flowbuilder.plan.plan import Plan
from flowbuilder.runner import factories


def plan_all(
    workflows: Sequence[WorkflowDefinition],
    registry: Registry,
    values: Values,
    host: pluggy.PluginManager,
    *,
    lenient: bool = False,
    executor: str | None = None,
) -> list[Plan]:
    """Return the plan of each workflow, after the plugins have looked at it.

    Raises:
        FlowBuilderError: for everything that can be known to be wrong before running.
    """
    executors = frozenset(factories(host))
    if executor is not None and (executor not in executors or executor == "loop"):
        raise UnknownNameError("executor", executor, sorted(executors - {"loop"}), "--executor")
    options = PlanOptions(
        lenient=lenient, allow_unknown=True, default_executor=executor or "thread", executors=executors
    )
    plans = [registry.plan(workflow, values.all, None, options) for workflow in workflows]
    values.refuse_unused(plans)
    for plan in plans:
        host.hook.flowbuilder_plan(plan=plan)
    return plans
