"""Compiled: the plans that a scheduler has made, for workflows that are submitted to it again."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import pluggy

from flowbuilder.declare.definitions import WorkflowDefinition
from flowbuilder.declared import Registry
from flowbuilder.plan.plan import Plan
from flowbuilder.runner import make_run_plan, registry_of

MOST = 16  # the plans of large workflows are large


class CompiledPlans:
    """Plans workflows, and gives the plan of one that was planned before, as long as it is what would be made now.

    Those that are given values or overrides are planned each time. Safe from any thread.

    Args:
        host: the plugins, which hear of a plan each time that it is asked for.
    """

    def __init__(self, host: pluggy.PluginManager) -> None:
        self._host = host
        self._lock = threading.Lock()
        self._plans: dict[tuple[Registry, WorkflowDefinition], Plan] = {}

    def plan(
        self,
        workflow: Any,
        params: Mapping[str, Any] | None,
        overrides: Mapping[Any, Any] | None,
        registry: Registry | None,
    ) -> Plan:
        """Return the plan of a run.

        Raises:
            FlowBuilderError: when the plan is wrong.
        """
        if params or overrides:
            return make_run_plan(workflow, params, overrides, registry, self._host)
        known = registry_of(registry)
        definition = known.workflow_of(workflow)
        plan = self._taken(known, definition)
        if plan is not None and plan.is_current():
            self._host.hook.flowbuilder_plan(plan=plan)
        else:
            plan = make_run_plan(definition, params, overrides, known, self._host)
        self._keep(known, definition, plan)
        return plan

    def _taken(self, registry: Registry, definition: WorkflowDefinition) -> Plan | None:
        with self._lock:
            return self._plans.pop((registry, definition), None)

    def _keep(self, registry: Registry, definition: WorkflowDefinition, plan: Plan) -> None:
        """Keep a plan as the one that was asked for last; of too many the one goes that nobody asked for longest."""
        with self._lock:
            self._plans[registry, definition] = plan
            if len(self._plans) > MOST:
                del self._plans[next(iter(self._plans))]
