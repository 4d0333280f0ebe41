"""Wiring: a plan in the small integers of the schedule, where units are numbered by their places in the plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flowbuilder.declare.config import ParallelConfig
from flowbuilder.engine.entries import Wiring
from flowbuilder.engine.limits import NO_NEEDS, Limit, Needs, needs_of
from flowbuilder.plan.plan import Plan, PlannedStep


def wired(plan: Plan, numbers: Mapping[str, int], resources: Mapping[str, Limit]) -> Wiring:
    """Return what the schedule is to know of a plan.

    Args:
        plan: the plan.
        numbers: the number of each executor's lane.
        resources: the limits its steps may need, by name.
    """
    needs = ((unit, _needs(step, resources)) for unit, step in enumerate(plan.steps)) if plan.resources else ()
    return Wiring(
        edges=plan.shape.edges,
        lanes=[numbers[step.executor] for step in plan.steps],
        needs={unit: needed for unit, needed in needs if needed},
    )


def _needs(step: PlannedStep, resources: Mapping[str, Limit]) -> Needs:
    # What a workflow holds is held for its whole run, not by its body.
    wanted = step.definition.resources
    return needs_of(wanted, resources) if wanted and not step.is_body else NO_NEEDS


def barriers_of(plan: Plan, config: ParallelConfig) -> Sequence[Sequence[str]]:
    """Return the names in each batch of ``schedule="batches"``; nothing where steps start as soon as they can."""
    if not config.in_batches:
        return ()
    return [
        batch[start : start + (config.batch_size or len(batch))]
        for batch in plan.batches
        for start in range(0, len(batch), config.batch_size or len(batch))
    ]
