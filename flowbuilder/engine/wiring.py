"""Wiring: a plan in the small integers of the schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat

from flowbuilder.declare.config import ParallelConfig
from flowbuilder.engine.entries import Entry
from flowbuilder.engine.limits import NO_NEEDS, Limit, Needs, needs_of
from flowbuilder.engine.views import StepInfo
from flowbuilder.plan.plan import Plan, PlannedStep
from flowbuilder.plan.shape import Shape


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Wiring:
    """The steps of a plan by their unit numbers, which are their places in the plan.

    ``lanes`` has the lane of each step, ``infos`` what hooks see of it, ``batches`` the names in
    each batch of ``schedule="batches"``.
    """

    steps: tuple[PlannedStep, ...]
    shape: Shape
    infos: Sequence[StepInfo]
    lanes: Sequence[int]
    entries: Sequence[Entry]
    batches: tuple[tuple[str, ...], ...]

    @property
    def unit_batches(self) -> list[list[int]]:
        """The batches as unit numbers."""
        return [[self.shape.index[name] for name in batch] for batch in self.batches]


def wired(plan: Plan, config: ParallelConfig, numbers: Mapping[str, int], resources: Mapping[str, Limit]) -> Wiring:
    """Return the wiring of a plan.

    Args:
        plan: the plan.
        config: says whether its batches are barriers.
        numbers: the number of each executor's lane.
        resources: the limits its steps may need, by name.
    """
    steps, shape = plan.steps, plan.shape
    lanes = [numbers[step.executor] for step in steps]
    needs = [_needs(step, resources) for step in steps] if plan.resources else repeat(NO_NEEDS)
    return Wiring(
        steps=steps,
        shape=shape,
        infos=[StepInfo(step.name, step.definition) for step in steps],
        lanes=lanes,
        entries=[
            Entry(lane, edges, bool(step.each), needed)
            for step, lane, edges, needed in zip(steps, lanes, shape.edges, needs, strict=False)
        ],
        batches=tuple(_batches(plan, config)),
    )


def _needs(step: PlannedStep, resources: Mapping[str, Limit]) -> Needs:
    # What a workflow holds is held for its whole run, not by its body.
    wanted = step.definition.resources
    return needs_of(wanted, resources) if wanted and not step.is_body else NO_NEEDS


def _batches(plan: Plan, config: ParallelConfig) -> list[tuple[str, ...]]:
    if not config.in_batches:
        return []
    return [
        batch[start : start + (config.batch_size or len(batch))]
        for batch in plan.batches
        for start in range(0, len(batch), config.batch_size or len(batch))
    ]
