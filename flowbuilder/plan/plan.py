"""Plan: what a run will do, as frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import compress
from operator import eq
from typing import TYPE_CHECKING, Any

from flowbuilder.declare.definitions import StepDefinition, WorkflowDefinition
from flowbuilder.plan.pieces import Binding, Kind, PlannedInput, PlannedProvider, PlannedStep
from flowbuilder.plan.shape import Shape, shape_of

if TYPE_CHECKING:
    import networkx

    from flowbuilder.plan.inner import InnerSteps
    from flowbuilder.plan.nested import NestedPlans
    from flowbuilder.plan.scope import Scope

__all__ = ["Binding", "Kind", "Plan", "PlannedInput", "PlannedProvider", "PlannedStep"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """What a run will do: steps in an order in which each comes after its upstream.

    The body of the workflow, where there is one, is the last step. ``providers`` are in an order
    in which each comes after those it requests. ``inner`` plans the functions that bodies run by ``ctx.run`` and
    ``ctx.map``, ``nested`` the workflows. ``scope`` knows where
    its names were looked up. The graph is built when it is first looked at.
    """

    workflow: WorkflowDefinition
    steps: tuple[PlannedStep, ...]
    inputs: Mapping[str, PlannedInput] = field(default_factory=dict)
    providers: Mapping[str, PlannedProvider] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    inner: InnerSteps | None = field(default=None, repr=False)
    nested: NestedPlans[Plan] | None = field(default=None, repr=False)
    scope: Scope | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The workflow's name."""
        return self.workflow.name

    @property
    def body(self) -> str | None:
        """The name of the step whose value is the run's: the workflow's body, or None."""
        return self.steps[-1].name if self.has_body else self.workflow.value_of

    @property
    def has_body(self) -> bool:
        """Whether the last step is the body of the workflow."""
        return bool(self.steps) and self.steps[-1].definition is self.workflow

    @cached_property
    def sub_workflows(self) -> tuple[str, ...]:
        """The names of the workflows that are requested in this one, or further in."""
        return tuple(step.name for step in self.steps if step.is_body and step.definition is not self.workflow)

    @property
    def params(self) -> dict[str, Any]:
        """The value of each input that has one."""
        return {name: one.value for name, one in self.inputs.items() if one.origin != "missing"}

    @cached_property
    def shape(self) -> Shape:
        """What the steps ask of one another, by their places in the plan."""
        return shape_of(self.steps)

    @cached_property
    def resources(self) -> Mapping[str, int]:
        """The largest amount of each resource that the workflow, or one of its steps, holds at once."""
        found: dict[str, int] = {}
        for one in (self.workflow, *(step.definition for step in self.steps if step.definition.resources)):
            for name, amount in one.resources.items():
                found[name] = max(found.get(name, 0), amount)
        return found

    @cached_property
    def by_name(self) -> Mapping[str, PlannedStep]:
        """The steps by name."""
        return {step.name: step for step in self.steps}

    @cached_property
    def sinks(self) -> tuple[str, ...]:
        """The steps nothing comes after."""
        starts = self.shape.edges.starts
        return tuple(step.name for step in compress(self.steps, map(eq, starts, starts[1:])))

    @cached_property
    def graph(self) -> networkx.DiGraph[str]:
        """The steps as a ``networkx.DiGraph``; each one's PlannedStep is its attribute ``step``."""
        from flowbuilder.plan.graph import build_graph

        return build_graph(self.steps)

    @cached_property
    def batches(self) -> tuple[tuple[str, ...], ...]:
        """Groups of steps independent of one another: topological generations, in definition order."""
        from flowbuilder.plan.graph import generations

        return generations(self.graph, self._written.__getitem__)

    @cached_property
    def _written(self) -> Mapping[str, tuple[int, int, int]]:
        """When each step was defined: added to a builder, or its module met and its line there."""
        added = {id(one): number for number, one in enumerate(self.workflow.own.values())}
        modules: dict[str, int] = {}
        return {
            step.name: (0, added[id(step.definition)], 0)
            if id(step.definition) in added
            else (1, modules.setdefault(step.definition.module, len(modules)), step.definition.where.line)
            for step in self.steps
        }

    @cached_property
    def critical_path(self) -> tuple[str, ...]:
        """The longest chain of steps, each counted as one."""
        from flowbuilder.plan.graph import longest_path

        return longest_path(self.graph)

    def is_current(self) -> bool:
        """Return whether the names in it still stand for the same definitions, so that planning again gives the same.

        What is written in a function is taken to stay as it is: its parameters, their defaults and annotations.
        """
        return self.scope is None or self.scope.is_current()

    def may_skip(self, name: str) -> bool:
        """Return whether a step may be skipped by a ``when``, its own or one upstream."""
        return name in self._skipped_by

    def skipped_by(self, name: str) -> str:
        """Return the name of a step whose ``when`` may skip a step, the step itself first; empty where none may."""
        return self._skipped_by.get(name, "")

    @cached_property
    def _skipped_by(self) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for step in self.steps:
            passes = {b.source for b in step.bindings if b.has_default or b.wants_result} | set(step.after)
            # The ``when`` of a mapped step skips items, and leaves them out of its list.
            own = isinstance(step.definition, StepDefinition) and step.definition.when is not None and not step.mapped
            by = (
                step.name
                if own
                else next((found[one] for one in step.upstream if one in found and one not in passes), "")
            )
            if by:
                found[step.name] = by
        return found

    def to_mermaid(self) -> str:
        """Return the plan as a Mermaid flow chart."""
        from flowbuilder.plan.pictures import mermaid

        return mermaid(self)

    def to_dot(self) -> str:
        """Return the plan in Graphviz's DOT language."""
        from flowbuilder.plan.pictures import dot

        return dot(self)

    def explain(self) -> str:
        """Return the plan in words: batches, inputs, and where each parameter's value comes from."""
        from flowbuilder.plan.pictures import explanation

        return explanation(self)
