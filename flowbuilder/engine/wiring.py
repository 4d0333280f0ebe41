"""Wiring: a plan in the small integers of the schedule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flowbuilder.declare.config import ParallelConfig
from flowbuilder.engine.entries import Edge, Entry
from flowbuilder.engine.limits import NO_NEEDS, Limit, Needs, needs_of
from flowbuilder.plan.plan import Kind, Plan, PlannedStep


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Wiring:
    """The steps of a plan by their unit numbers, which are their places in the plan.

    ``lanes`` has the lane of each step, ``batches`` the names in each batch of ``schedule="batches"``.
    """

    steps: tuple[PlannedStep, ...]
    index: Mapping[str, int]
    lanes: tuple[int, ...]
    entries: tuple[Entry, ...]
    batches: tuple[tuple[str, ...], ...]

    @property
    def unit_batches(self) -> list[list[int]]:
        """The batches as unit numbers."""
        return [[self.index[name] for name in batch] for batch in self.batches]


def wired(plan: Plan, config: ParallelConfig, numbers: Mapping[str, int], resources: Mapping[str, Limit]) -> Wiring:
    """Return the wiring of a plan.

    Args:
        plan: the plan.
        config: says whether its batches are barriers.
        numbers: the number of each executor's lane.
        resources: the limits its steps may need, by name.
    """
    index = {step.name: unit for unit, step in enumerate(plan.steps)}
    lanes = tuple(numbers[step.executor] for step in plan.steps)
    mapped = {step.name for step in plan.steps if step.mapped}
    entries = [
        Entry(lane, _edges(step, mapped, index), step.mapped, _needs(step, resources))
        for step, lane in zip(plan.steps, lanes, strict=True)
    ]
    return Wiring(
        steps=plan.steps, index=index, lanes=lanes, entries=tuple(entries), batches=tuple(_batches(plan, config))
    )


def _edges(step: PlannedStep, mapped: set[str], index: Mapping[str, int]) -> list[tuple[int, Edge]]:
    """Return one edge for each upstream step; the strictest where it is asked for in several ways."""
    found: dict[str, Edge] = dict.fromkeys(step.after, Edge.SOFT)
    items = {one.source for one in step.each if one.kind is Kind.STEP and one.source in mapped}
    for one in (*step.bindings, *step.when, *step.on_error, *step.each):
        if one.kind is not Kind.STEP or (one.source in items and one in step.each):
            continue
        edge = Edge.ANY if one.wants_result else Edge.SOFT if one.has_default else Edge.VALUE
        found[one.source] = min(found.get(one.source, edge), edge)
    edges = [(index[name], edge) for name, edge in found.items()]
    return edges + [(index[name], Edge.ITEMS) for name in step.upstream if name in items]


def _needs(step: PlannedStep, resources: Mapping[str, Limit]) -> Needs:
    # What a workflow holds is held for its whole run, not by its body.
    return NO_NEEDS if step.is_body else needs_of(step.definition.resources, resources)


def _batches(plan: Plan, config: ParallelConfig) -> list[tuple[str, ...]]:
    if not config.in_batches:
        return []
    return [
        batch[start : start + (config.batch_size or len(batch))]
        for batch in plan.batches
        for start in range(0, len(batch), config.batch_size or len(batch))
    ]
