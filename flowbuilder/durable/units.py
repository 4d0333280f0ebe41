"""Units: what steps and items are called in a store, and rows of what is known of them from their results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowbuilder.durable.failures import failure_data
from flowbuilder.engine.views import RunInfo, StepInfo
from flowbuilder.results import StepResult
from flowbuilder.store.rows import UNDONE, Unit, UnitRow

LONGEST_SECTION = 64 * 1024


def is_nested(run: RunInfo) -> bool:
    """Return whether a run is inside the body of a step: it is done again with that, and not kept by itself."""
    return run.parent is not None


def is_inner(step: StepInfo) -> bool:
    """Return whether a step runs inside the body of another: it is kept only for that, and not by itself."""
    return step.parent is not None


def unit_of(step: StepInfo) -> Unit:
    """Return what a step or item is called in a store."""
    if step.item is None:
        return Unit(step.name)
    return Unit(step.name[: step.name.rindex("[")], step.item)


def undone_row(result: StepResult[Any], error: BaseException | None = None) -> UnitRow:
    """Return the row of a unit that no longer counts, with the ``error`` of its undo."""
    step, _, item = result.name.removesuffix("]").partition("[")
    return UnitRow(
        unit=Unit(step, int(item)) if item else Unit(step),
        status=UNDONE,
        attempts=result.attempts,
        started_at=result.started_at,
        duration=result.duration,
        reason=result.reason,
        error=failure_data(error),
        sections=sections_of(result.sections),
        inside=result.inner.to_dict() or None,
    )


def sections_of(sections: Sequence[Any]) -> tuple[tuple[str, str], ...]:
    """Return what a step has printed, as it is kept: of a long text the end."""
    return tuple((part.title, part.text[-LONGEST_SECTION:]) for part in sections)
