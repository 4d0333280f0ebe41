"""What hooks, plugins and step bodies see of a run: frozen views, never the engine's own state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from flowbuilder.declare.config import ParallelConfig
from flowbuilder.declare.definitions import StepDefinition, WorkflowDefinition
from flowbuilder.engine.kept import Kept
from flowbuilder.plan.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class RunInfo:
    """One run of one workflow, as hooks see it.

    ``started_at`` is seconds since the epoch; ``kept`` is what an earlier process left of a run that is resumed.
    ``parent`` is the body that runs it by ``ctx.run``, None for a run that is in none.
    """

    run_id: str
    workflow: str
    definition: WorkflowDefinition
    plan: Plan
    params: Mapping[str, Any]
    config: ParallelConfig
    started_at: float
    seed: int = 0
    kept: Kept | None = None
    parent: Parent | None = None

    def __repr__(self) -> str:
        return f"<RunInfo {self.path!r}, run {self.run_id}>"

    @property
    def root(self) -> RunInfo:
        """The outermost run around this one; itself where it is in none."""
        return self if self.parent is None else self.parent.run.root

    @property
    def path(self) -> str:
        """What the run is called in the outermost one: ``crawl/sales``; its workflow's name where it is in none."""
        if self.parent is None:
            return self.workflow
        run, step, name = self.parent
        return run.full_name(step) + name.removeprefix(step.name)

    def full_name(self, step: StepInfo) -> str:
        """Return what a step or item is called in the outermost run: ``crawl/sales.load``."""
        if self.parent is None:
            return step.name
        # The body of a workflow is the workflow itself to whoever runs it.
        is_body = self.plan.has_body and step.name.partition("/")[0] == self.plan.body
        return self.path + step.name.removeprefix(self.workflow) if is_body else f"{self.path}.{step.name}"


class StepInfo(NamedTuple):
    """What is being run: a step, a mapped step as a whole, or one item of it.

    ``name`` is ``measure`` for a step and ``measure[3]`` for an item; ``item`` is the item's index
    and None for a step; ``total`` is the number of items of a mapped step as a whole, else None.
    What a body runs by ``ctx.run`` or ``ctx.map`` has the name of that body's step as its ``parent``, and
    is called after it: ``crawl/fetch``, ``crawl/fetch[3]``, and ``crawl/fetch~2`` where it is the second
    of that name.
    """

    name: str
    definition: StepDefinition | WorkflowDefinition
    item: int | None = None
    total: int | None = None
    parent: str | None = None


class Parent(NamedTuple):
    """The body that a nested run is in: its ``run`` and its ``step``, or item.

    ``name`` is what the run is called there: ``crawl/sales``, and ``crawl/sales~2`` for the second of that workflow.
    """

    run: RunInfo
    step: StepInfo
    name: str
