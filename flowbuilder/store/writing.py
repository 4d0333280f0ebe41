"""Writing: entries as the statements that make them stand."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from flowbuilder.store.files import ValueFiles
from flowbuilder.store.rows import (
    RUNNING,
    SUCCESS,
    UNDONE,
    AttemptMade,
    AttemptRow,
    CacheKept,
    CacheRow,
    Encoded,
    Entry,
    InnerForgotten,
    InnerMade,
    InnerRow,
    RunBegan,
    RunEnded,
    RunRow,
    UnitEnded,
    UnitRow,
)

NEW_RUN = (
    "INSERT INTO runs (run_id, workflow, status, started_at, source, facts, params, counts, deaths, died_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
RESUMED_RUN = (
    "UPDATE runs SET status = ?, duration = NULL, errors = NULL, facts = ?, params = ?, deaths = ?, died_at = ?"
    " WHERE run_id = ?"
)
ENDED_RUN = (
    "UPDATE runs SET status = ?, duration = ?, counts = ?, errors = ?, deaths = 0, died_at = '' WHERE run_id = ?"
)
ATTEMPT = (
    "INSERT INTO attempts (run, step, item, number, started_at, status, error, due_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (run, step, item, number) DO UPDATE SET"
    " status = excluded.status, error = coalesce(excluded.error, error), due_at = excluded.due_at"
)
PAST = "UPDATE attempts SET is_past = 1 WHERE run = ? AND step = ? AND item = ?"
# An attempt that succeeded is told by its unit's row, until that is dropped.
TOLD = "DELETE FROM attempts WHERE run = ? AND step = ? AND item = ? AND number = ?"
SUCCEEDED = f"{TOLD} AND status = ''"
KNOWN = (
    "INSERT OR IGNORE INTO attempts (run, step, item, number, started_at, status)"
    " SELECT run, step, item, attempts, started_at, status FROM units"
    f" WHERE run = ? AND step = ? AND item = ? AND status IN ('{SUCCESS}', '{UNDONE}') AND started_at IS NOT NULL"
)
DROPPED = "DELETE FROM units WHERE run = ? AND step = ? AND item = ?"
UNIT = (
    "INSERT OR REPLACE INTO units (run, step, item, status, attempts, started_at, duration, reason, format, value,"
    " error, sections, wiring, code, inside) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
INNER = (
    "INSERT OR REPLACE INTO inner_calls (run, step, item, key, name, attempt, status, format, value, code)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
FORGOTTEN = "DELETE FROM inner_calls WHERE run = ? AND step = ? AND item = ?"
CACHED = (
    "INSERT OR REPLACE INTO cache (key, step, run_id, made_at, duration, facts, format, value)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)

OF_A_RUN = ("units", "attempts", "inner_calls")


def with_files(entry: Entry, files: ValueFiles) -> Entry:
    """Return an entry whose large value is in a file."""
    if isinstance(entry, UnitEnded | InnerMade) and entry.row.value.data:
        kept = files.put(entry.row.value)
        if kept is entry.row.value:
            return entry
        if isinstance(entry, InnerMade):
            return InnerMade(entry.run_id, entry.row._replace(value=kept))
        return entry._replace(row=entry.row._replace(value=kept))
    if isinstance(entry, CacheKept):
        return CacheKept(replace(entry.row, value=files.put(entry.row.value)))
    return entry


def apply(connection: sqlite3.Connection, entries: Iterable[Entry], numbers: dict[str, int]) -> None:
    """Execute entries; ``numbers`` remembers the number of each run."""
    rows = _Rows()
    for entry in entries:
        if isinstance(entry, UnitEnded):
            rows.add_unit(_number(connection, entry.run_id, numbers), entry)
        elif isinstance(entry, InnerMade):
            rows.inner.append(_inner(_number(connection, entry.run_id, numbers), entry.row))
        elif isinstance(entry, CacheKept):
            connection.execute(CACHED, _cached(entry.row))
        elif isinstance(entry, AttemptMade):
            rows.add_attempt(_number(connection, entry.run_id, numbers), entry.attempt)
        else:
            rows.write(connection)
            rows = _Rows()
            _apply_other(connection, entry, numbers)
    rows.write(connection)


class _Rows:
    """Units, attempts and inner calls that wait to be written: they stand in tables of their own, each in its order."""

    def __init__(self) -> None:
        self.inner: list[tuple[Any, ...]] = []
        self._units: list[tuple[Any, ...]] = []
        self._attempts: list[tuple[Any, ...]] = []
        self._began: set[tuple[Any, ...]] = set()
        self._succeeded: set[tuple[Any, ...]] = set()

    def add_unit(self, number: int, entry: UnitEnded) -> None:
        row = entry.row
        self._units.append(_unit(number, row))
        if entry.has_begun and row.status == SUCCESS:
            self._succeeded.add((number, *row.unit, row.attempts))

    def add_attempt(self, number: int, row: AttemptRow) -> None:
        self._attempts.append(_attempt(number, row))
        change = self._began.discard if row.status else self._began.add
        change((number, *row.unit, row.number))

    def write(self, connection: sqlite3.Connection) -> None:
        # Where both the start and the success are here, nothing of the start is ever written, and what an earlier
        # commit knew of the same attempt goes.
        over = self._succeeded & self._began
        if self._attempts:
            connection.executemany(ATTEMPT, [row for row in self._attempts if row[5] or row[:4] not in over])
        if self._succeeded:
            connection.executemany(TOLD, over)
            connection.executemany(SUCCEEDED, self._succeeded - over)
        if self._units:
            connection.executemany(UNIT, self._units)
        if self.inner:
            connection.executemany(INNER, self.inner)


def _apply_other(
    connection: sqlite3.Connection, entry: RunBegan | RunEnded | InnerForgotten, numbers: dict[str, int]
) -> None:
    if isinstance(entry, InnerForgotten):
        unit, number = entry.unit, _number(connection, entry.run_id, numbers)
        one = "" if entry.key is None else " AND key = ?"
        connection.execute(f"{FORGOTTEN}{one}", (number, *unit, *(() if entry.key is None else (entry.key,))))
    elif isinstance(entry, RunEnded):
        run_id, status, duration, counts, errors = entry
        connection.execute(ENDED_RUN, (status, duration, encoded(counts), encoded(errors), run_id))
    elif entry.is_resumed:
        _resume(connection, entry, _number(connection, entry.run.run_id, numbers))
    else:
        # One that was purged may come again.
        numbers[entry.run.run_id] = connection.execute(NEW_RUN, _run(entry.run)).lastrowid or 0


def _number(connection: sqlite3.Connection, run_id: str, numbers: dict[str, int]) -> int:
    number = numbers.get(run_id)
    if number is None:
        (number,) = connection.execute("SELECT number FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        numbers[run_id] = number
    return number


def _resume(connection: sqlite3.Connection, entry: RunBegan, number: int) -> None:
    run = entry.run
    facts, params = _facts(run)
    connection.execute(RESUMED_RUN, (RUNNING, facts, params, run.deaths, run.died_at, run.run_id))
    ended = "SELECT step, item FROM units WHERE run = ? AND status != ? ORDER BY rowid"
    rows = [(number, *unit) for unit in connection.execute(ended, (number, SUCCESS))]
    rows += [(number, *unit) for unit in entry.forgotten]
    for statement in (KNOWN, PAST, DROPPED):
        connection.executemany(statement, rows)


def forget(connection: sqlite3.Connection, run_id: str) -> None:
    """Delete a run and all that is kept of it, in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for table in OF_A_RUN:
            connection.execute(f"DELETE FROM {table} WHERE run = (SELECT number FROM runs WHERE run_id = ?)", (run_id,))
        connection.execute("DELETE FROM runs WHERE run_id = ?", (run_id,))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def clear_cache(connection: sqlite3.Connection, keys: Iterable[str]) -> int:
    """Delete what is cached under some keys, in one transaction; return how many there were."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        gone = sum(connection.execute("DELETE FROM cache WHERE key = ?", (key,)).rowcount for key in keys)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return gone


def _run(run: RunRow) -> tuple[Any, ...]:
    return (
        run.run_id, run.workflow, run.status, run.started_at, run.source, *_facts(run),
        encoded(run.counts), run.deaths, run.died_at,
    )  # fmt: skip


def _facts(run: RunRow) -> tuple[Any, Any]:
    """Return the columns ``facts`` and ``params`` of a run."""
    params = {name: [kept.format, kept.data.hex()] for name, kept in run.params.items()}
    facts = {"options": dict(run.options), "shown": dict(run.shown), "seed": run.seed}
    return encoded(facts), encoded(params)


def _attempt(number: int, row: AttemptRow) -> tuple[Any, ...]:
    step, item = row.unit
    return number, step, item, row.number, row.started_at, row.status, encoded(row.error), row.due_at


def _unit(number: int, row: UnitRow) -> tuple[Any, ...]:
    (step, item), (kind, data) = row.unit, row.value
    return (
        number, step, item, row.status, row.attempts, row.started_at, row.duration, storable(row.reason), kind, data,
        encoded(row.error), encoded(row.sections), storable(row.wiring), row.code, encoded(row.inside or None),
    )  # fmt: skip


def _inner(number: int, row: InnerRow) -> tuple[Any, ...]:
    return number, *row.unit, row.key, storable(row.name), row.attempt, row.status, *row.value, row.code


def _cached(row: CacheRow) -> tuple[Any, ...]:
    facts = encoded({"code": dict(row.code), "inputs": dict(row.inputs), "version": row.version})
    return row.key, row.step, row.run_id, row.made_at, row.duration, facts, *row.value


def encoded(data: Mapping[str, Any] | tuple[Any, ...] | None) -> bytes | None:
    """Return data as JSON in ASCII, which keeps every character; None for None, and for nothing."""
    return json.dumps(data).encode("ascii") if data is not None and data != () else None


def storable(text: str) -> str:
    """Return text that a column takes: half a character would be refused."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def params_of(data: bytes) -> dict[str, Encoded]:
    """Return the values of inputs that ``_run`` has written."""
    return {name: Encoded(kind, bytes.fromhex(text)) for name, (kind, text) in json.loads(data).items()}
