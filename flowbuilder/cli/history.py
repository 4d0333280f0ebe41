"""History: kept runs as data and in short words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from flowbuilder.store.rows import SUCCESS, AttemptRow, RunRow, UnitRow

WORDS = {"success": "succeeded", "timed_out": "timed out"}


def run_as_data(row: RunRow) -> dict[str, Any]:
    """Return a run as data for JSON; times are those of UTC."""
    return {
        "run_id": row.run_id,
        "workflow": row.workflow,
        "status": row.status,
        "started_at": _utc(row.started_at),
        "duration": row.duration,
        "source": row.source or None,
        "params": dict(row.shown),
        "counts": dict(row.counts),
        "errors": list(row.errors),
    }


def unit_as_data(row: UnitRow) -> dict[str, Any]:
    """Return the end of a step or item as data for JSON."""
    return {
        "name": str(row.unit),
        "status": row.status,
        "attempts": row.attempts,
        "started_at": _utc(row.started_at),
        "duration": row.duration,
        "reason": row.reason or None,
        "inner": dict(row.inside or {}),
        "error": row.error,
        "sections": [{"title": title, "text": text} for title, text in row.sections],
    }


def attempts_as_data(units: Sequence[UnitRow], attempts: Sequence[AttemptRow]) -> list[dict[str, Any]]:
    """Return all attempts of a run as data for JSON, in the order in which they started.

    One that succeeded is in the row of its step or item alone.
    """
    mapped = {one.unit.step for one in units if one.unit.item >= 0}
    known = {(one.unit, one.number) for one in attempts}
    succeeded = [
        AttemptRow(one.unit, one.attempts, one.started_at, one.status)
        for one in units
        if one.status == SUCCESS and one.started_at is not None and (one.unit, one.attempts) not in known
        if one.unit.item >= 0 or one.unit.step not in mapped
    ]
    return [_attempt_as_data(one) for one in sorted([*attempts, *succeeded], key=lambda one: one.started_at)]


def _attempt_as_data(row: AttemptRow) -> dict[str, Any]:
    return {
        "name": str(row.unit),
        "attempt": row.number,
        "started_at": _utc(row.started_at),
        "status": row.status or None,
        "error": row.error,
    }


def _utc(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()


def counts_of(row: RunRow) -> str:
    """Return "3 succeeded, 1 failed"."""
    return in_words(row.counts)


def in_words(counts: Mapping[str, int]) -> str:
    """Return numbers by status as "3 succeeded, 1 failed"."""
    return ", ".join(f"{number:,} {WORDS.get(status, status)}" for status, number in counts.items())


def duration_of(seconds: float | None) -> str:
    """Return a duration, "-" where it is not known: "0.42 s", "2 min 05 s", "1 h 02 min"."""
    if seconds is None:
        return "-"
    if seconds < 99.95:
        return f"{seconds:.2f} s" if seconds < 9.995 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes < 100 else f"{minutes // 60:,} h {minutes % 60:02} min"
