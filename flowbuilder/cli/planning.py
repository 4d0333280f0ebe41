"""Planning: every selected workflow is planned before the first one starts."""

from __future__ import annotations

from collections.abc import Sequence

import pluggy

from flowbuilder.cli.values import Values
from flowbuilder.declare.definitions import WorkflowDefinition
from flowbuilder.declared import Registry
from flowbuilder.errors import UnknownNameError
from flowbuilder.host import modules_of
from flowbuilder.plan.build import PlanOptions
from flowbuilder.plan.plan import Plan
from flowbuilder.runner import factories

INTERNAL_EXECUTOR = "loop"  # async functions run there, and nothing else can


class Planner:
    """Plans workflows for a command; ``executor`` is where plain steps run, None for threads.

    Raises:
        UnknownNameError: for an executor that nobody offers.
    """

    def __init__(
        self, registry: Registry, host: pluggy.PluginManager, executor: str | None, *, lenient: bool = False
    ) -> None:
        executors = frozenset(factories(host))
        if executor is not None and executor not in executors - {INTERNAL_EXECUTOR}:
            raise UnknownNameError("executor", executor, sorted(executors - {INTERNAL_EXECUTOR}))
        self._registry = registry
        self._host = host
        self._options = PlanOptions(
            lenient=lenient,
            allow_unknown=True,
            default_executor=executor or "thread",
            executors=executors,
            plugins=modules_of(host),
        )

    def plan(self, workflows: Sequence[WorkflowDefinition], values: Values) -> list[Plan]:
        """Return the plan of each workflow, after the plugins have looked at it.

        Raises:
            FlowBuilderError: for everything that can be known to be wrong before running.
        """
        plans = [self.look_at(workflow, values) for workflow in workflows]
        values.refuse_unused(plans)
        for plan in plans:
            self._host.hook.flowbuilder_plan(plan=plan)
        return plans

    def look_at(self, workflow: WorkflowDefinition, values: Values) -> Plan:
        """Return the plan of one workflow; values that it has no input for are left to others."""
        return self._registry.plan(workflow, values.all, None, self._options)
