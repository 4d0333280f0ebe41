"""Rows that tests of the store write."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from flowbuilder.store.contract import Store
from flowbuilder.store.rows import (
    AttemptMade,
    AttemptRow,
    Encoded,
    Entry,
    InnerMade,
    InnerRow,
    RunBegan,
    RunRow,
    Unit,
    UnitEnded,
    UnitRow,
)
from flowbuilder.store.values import encode


def write(store: Store, *entries: Entry, sync: bool = True) -> Exception | None:
    """Write entries, and return what came of it when that is known."""
    told, found = threading.Event(), []

    def then(error: Exception | None) -> None:
        found.append(error)
        told.set()

    store.write(lambda: entries, then, sync=sync)
    assert told.wait(10)
    return found[0]


def began(run_id: str, **facts: Any) -> RunBegan:
    return RunBegan(RunRow(run_id=run_id, workflow="report", started_at=1.0, **facts))


def ended(run_id: str, step: str, value: Any = None, *, item: int = -1, **facts: Any) -> UnitEnded:
    row = UnitRow(unit=Unit(step, item), value=encode(value), **{"status": "success", "attempts": 1, **facts})
    return UnitEnded(run_id, row)


def attempted(run_id: str, step: str, number: int = 1, **facts: Any) -> AttemptMade:
    return AttemptMade(run_id, AttemptRow(unit=Unit(step), number=number, started_at=float(number), **facts))


def called(run_id: str, step: str, key: bytes, value: Any = None, *, item: int = -1, **facts: Any) -> InnerMade:
    facts = {"name": "fetch", "attempt": 1, "value": encode(value), **facts}
    return InnerMade(run_id, InnerRow(unit=Unit(step, item), key=key, **facts))


def names(rows: Sequence[UnitRow]) -> list[str]:
    return [str(row.unit) for row in rows]


def kept_values(store: Store, run_id: str) -> list[tuple[Unit, Encoded]]:
    """Return what the steps and items of a run returned, as it is kept."""
    return [(row.unit, row.value) for row in store.units(run_id, with_values=True)]
