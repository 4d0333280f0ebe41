"""Wiring: a plan in the small integers of the schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from flowbuilder.declare.config import ParallelConfig
from flowbuilder.declare.definitions import StepDefinition
from flowbuilder.engine.entries import Edge, Entry
from flowbuilder.engine.limits import NO_NEEDS, Limit, Needs, needs_of
from flowbuilder.engine.views import StepInfo
from flowbuilder.plan.plan import Kind, Plan, PlannedStep


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Wiring:
    """The steps of a plan by their unit numbers, which are their places in the plan.

    ``lanes`` has the lane of each step, ``infos`` what hooks see of it, ``batches`` the names in
    each batch of ``schedule="batches"``. ``timeouts`` has seconds for the steps with a limit of
    their own, ``conditional`` the steps with a ``when``.
    """

    steps: tuple[PlannedStep, ...]
    infos: Sequence[StepInfo]
    index: Mapping[str, int]
    lanes: Sequence[int]
    entries: Sequence[Entry]
    timeouts: Mapping[int, float | None]
    conditional: Set[int]
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
    steps = plan.steps
    index = {step.name: unit for unit, step in enumerate(steps)}
    lanes = [numbers[step.executor] for step in steps]
    mapped = {step.name for step in steps if step.each}
    entries = [
        Entry(lane, _edges(step, mapped, index) if step.upstream else (), bool(step.each), _needs(step, resources))
        for step, lane in zip(steps, lanes, strict=True)
    ]
    own = [(unit, step.definition) for unit, step in enumerate(steps) if isinstance(step.definition, StepDefinition)]
    timeouts: dict[int, float | None] = {unit: one.timeout for unit, one in own if one.timeout is not None}
    # Nothing could end a body on the loop's own thread.
    timeouts.update((unit, None) for unit, step in enumerate(steps) if step.executor == "inline")
    return Wiring(
        steps=steps,
        infos=[StepInfo(step.name, step.definition) for step in steps],
        index=index,
        lanes=lanes,
        entries=entries,
        timeouts=timeouts,
        conditional={unit for unit, one in own if one.when is not None},
        batches=tuple(_batches(plan, config)),
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
