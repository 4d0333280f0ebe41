"""Expecting: how long runs will take, by those of their workflows that are kept, in lines for a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flowbuilder.cli.history import duration_of
from flowbuilder.durable.past import Past
from flowbuilder.engine.lanes.factories import BUILT_IN_LANES
from flowbuilder.engine.rehearsal import Rehearsal
from flowbuilder.errors import shown
from flowbuilder.plan.pieces import PlannedStep
from flowbuilder.plan.plan import Plan


def expected_lines(plan: Plan, past: Mapping[str, Past], slots: int | None) -> Iterator[str]:
    """Yield how long each step of a plan is expected to take, its critical path and all of it.

    Args:
        plan: of one run.
        past: what its steps usually take, by name; where none is known there is nothing to expect.
        slots: how many steps run at once; None for what their lanes allow.
    """
    known = [past.get(step.name) for step in plan.steps]
    if not any(known):
        return
    yield "expected, by past runs"
    width = max(len(shown(step.name)) for step in plan.steps)
    for step, one in zip(plan.steps, known, strict=True):
        yield f"  {shown(step.name):<{width}}  {_usually(one)}"
    rehearsal = Rehearsal(
        [[plan.shape.index[name] for name in step.upstream] for step in plan.steps],
        [one.seconds if one else None for one in known],
        [(one.items if one else None) or 1 for one in known],
    )
    path = " → ".join(shown(plan.steps[number].name) for number in rehearsal.critical_path)
    yield f"critical path: {path}, {duration_of(rehearsal.least)}"
    lanes = [step.executor for step in plan.steps]
    total = duration_of(rehearsal.total(slots, lanes, _limits(plan.steps, slots)))
    yield f"in all: {total}, {f'with {slots} at once' if slots else 'with as many at once as their lanes allow'}"


def _usually(one: Past | None) -> str:
    if one is None:
        return "? (counted as the mean of the others)"
    times = "" if one.items is None else f" × {one.items:,} item{'s' * (one.items != 1)}"
    return duration_of(one.seconds) + times


def _limits(steps: tuple[PlannedStep, ...], slots: int | None) -> dict[str, int]:
    """Return the limits of lanes; those of plugins are theirs to know, and may cost something to make."""
    return {
        lane: BUILT_IN_LANES[lane](slots).limit for lane in {step.executor for step in steps} if lane in BUILT_IN_LANES
    }
