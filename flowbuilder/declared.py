"""Registry: what decorators collect into, with collecting and planning; and the default one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from flowbuilder.declare.collection import Collection
from flowbuilder.declare.definitions import StepDefinition, WorkflowDefinition, definition_of
from flowbuilder.discovery import FlowFile, find_flow_files, find_root, import_flow_file, keep_module
from flowbuilder.errors import DefinitionError, shown_value
from flowbuilder.plan.build import PlanOptions, make_plan
from flowbuilder.plan.plan import Plan


class Registry(Collection):
    """Steps, workflows and providers by name.

    ``registry.steps``, ``registry.workflows``, ``registry.providers`` map names to definitions,
    ``registry["nightly"]`` is one of them; ``@registry.step`` and its like collect into it.
    """

    def collect(self, what: str | Path | ModuleType, root: str | Path | None = None) -> list[FlowFile]:
        """Collect a flow file, every flow file below a folder, or a module that is imported.

        Args:
            what: the path of a file or folder, or a module.
            root: the folder that modules are named below; the one of ``pyproject.toml`` if left out.

        Raises:
            CollectError: when a path does not exist or a file cannot be imported.
        """
        if isinstance(what, ModuleType):
            return [keep_module(what, self, registry)]
        start = Path(what)
        top = Path(root) if root is not None else find_root(start.resolve())
        return [import_flow_file(file, top, self, registry) for file in find_flow_files([start])]

    def plan(
        self,
        workflow: Any,
        params: Mapping[str, Any] | None = None,
        overrides: Mapping[Any, Any] | None = None,
        options: PlanOptions | None = None,
    ) -> Plan:
        """Return the plan of a workflow, given by name, as its function, or as ``FlowBuilder`` built it.

        A step is planned with all its upstream.

        Raises:
            PlanError, InputError, CycleError, UnknownNameError: for everything wrong with it.
        """
        return make_plan(self.workflow_of(workflow), self, params, overrides, options)

    def workflow_of(self, thing: Any) -> WorkflowDefinition:
        """Return the workflow that a name, function or definition stands for."""
        definition = self[thing] if isinstance(thing, str) else definition_of(thing)
        if isinstance(definition, WorkflowDefinition):
            return definition
        if isinstance(definition, StepDefinition):
            return workflow_of_step(definition)
        raise DefinitionError(
            "this is no workflow",
            got=shown_value(thing),
            allowed="a @workflow, a @step, what .build() gave, or a name",
            hint="add .build()" if hasattr(thing, "build") else "",
        )


def workflow_of_step(step: StepDefinition) -> WorkflowDefinition:
    """Return the workflow of one step with its upstream; the step's value is the run's."""
    return WorkflowDefinition(
        fn=None,
        name=step.name,
        where=step.where,
        module=step.module,
        scope=step.scope,
        steps=(step,),
        value_of=step.name,
    )


registry = Registry(lexical=True)
