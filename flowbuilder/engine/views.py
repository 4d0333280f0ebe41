"""What hooks, plugins and step bodies see of a run: frozen views, never the engine's own state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from flowbuilder.declare.config import ParallelConfig
from flowbuilder.declare.definitions import StepDefinition, WorkflowDefinition
from flowbuilder.engine.kept import Kept
from flowbuilder.plan.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RunInfo:
    """One run of one workflow, as hooks see it.

    ``started_at`` is seconds since the epoch; ``kept`` is what an earlier process left of a run that is resumed.
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
