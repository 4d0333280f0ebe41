"""Reading: rows out of the tables."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from flowbuilder.store.files import MARK
from flowbuilder.store.rows import (
    RUNNING,
    SUCCESS,
    AttemptRow,
    CacheRow,
    Encoded,
    InnerRow,
    RunQuery,
    RunRow,
    TookRow,
    Unit,
    UnitRow,
)
from flowbuilder.store.writing import params_of

RUN = (
    "SELECT run_id, workflow, status, started_at, duration, source, facts, params, counts, deaths, died_at,"
    " errors FROM runs"
)
OF_RUN = "WHERE run = (SELECT number FROM runs WHERE run_id = ?) ORDER BY rowid"
UNITS = "step, item, status, attempts, started_at, duration, reason, format, error, sections, wiring, code, inside"
# A run that is under way has not shown what its slowest steps take.
TOOK = (
    "SELECT step, avg(duration), CASE WHEN item < 0 THEN NULL ELSE count(*) END FROM units"
    " WHERE run IN (SELECT number FROM runs WHERE workflow = ? AND status != ? ORDER BY number DESC LIMIT ?)"
    " AND status = ? AND duration IS NOT NULL GROUP BY run, step, item < 0"
)
WITH_VALUES = ("units", "inner_calls", "cache")
CACHE = "key, step, run_id, made_at, duration, facts, format"


def runs(connection: sqlite3.Connection, query: RunQuery) -> list[RunRow]:
    """Return runs, the newest first."""
    wanted = {"workflow = ?": query.workflow, "status = ?": query.status, "started_at >= ?": query.since}
    given = {clause: value for clause, value in wanted.items() if value is not None}
    where = f" WHERE {' AND '.join(given)}" if given else ""
    limit = -1 if query.limit is None else query.limit
    found = connection.execute(f"{RUN}{where} ORDER BY number DESC LIMIT ?", (*given.values(), limit))
    return [_run(row) for row in found]


def run(connection: sqlite3.Connection, run_id: str) -> RunRow | None:
    """Return the one run whose id starts so."""
    end = run_id + "\U0010ffff"
    found = connection.execute(f"{RUN} WHERE run_id >= ? AND run_id < ? LIMIT 2", (run_id, end)).fetchall()
    return _run(found[0]) if len(found) == 1 and run_id else None


def _run(row: Any) -> RunRow:
    run_id, workflow, status, started_at, duration, source, facts, params, counts, deaths, died_at, errors = row
    more = json.loads(facts)
    return RunRow(
        run_id=run_id,
        workflow=workflow,
        status=status,
        started_at=started_at,
        duration=duration,
        source=source,
        options=more["options"],
        params=params_of(params),
        shown=more["shown"],
        seed=more["seed"],
        counts=json.loads(counts),
        deaths=deaths,
        died_at=died_at,
        errors=tuple(json.loads(errors)) if errors else (),
    )


def units(connection: sqlite3.Connection, run_id: str, *, with_values: bool) -> list[UnitRow]:
    """Return how the steps and items of a run ended."""
    value = "value" if with_values else "x''"
    found = connection.execute(f"SELECT {UNITS}, {value} FROM units {OF_RUN}", (run_id,))
    return [
        UnitRow(
            Unit(step, item), status, attempts, began, lasted, reason, Encoded(kind, data),
            json.loads(error) if error else None, _sections(sections) if sections else (), wiring, code,
            json.loads(inside) if inside else None,
        )
        for step, item, status, attempts, began, lasted, reason, kind, error, sections, wiring, code, inside, data
        in found
    ]  # fmt: skip


def _sections(data: bytes) -> tuple[tuple[str, str], ...]:
    return tuple((title, text) for title, text in json.loads(data))


def attempts(connection: sqlite3.Connection, run_id: str) -> list[AttemptRow]:
    """Return the attempts of a run."""
    found = connection.execute(
        f"SELECT step, item, number, started_at, status, error, due_at, is_past FROM attempts {OF_RUN}", (run_id,)
    )
    return [
        AttemptRow(
            Unit(step, item), number, started_at, status, json.loads(error) if error else None, due_at, bool(is_past)
        )
        for step, item, number, started_at, status, error, due_at, is_past in found
    ]


def inner(connection: sqlite3.Connection, run_id: str) -> list[InnerRow]:
    """Return the calls that are kept of a run's bodies; there may be a million, so what is equal is there once."""
    units: dict[tuple[str, int], Unit] = {}
    texts: dict[str, str] = {}
    found = connection.execute(
        f"SELECT step, item, key, name, attempt, status, format, value, code FROM inner_calls {OF_RUN}", (run_id,)
    )
    return [
        InnerRow(
            units.setdefault((step, item), Unit(step, item)),
            key,
            texts.setdefault(name, name),
            attempt,
            texts.setdefault(status, status),
            Encoded(texts.setdefault(kind, kind), value),
            texts.setdefault(code, code),
        )
        for step, item, key, name, attempt, status, kind, value, code in found
    ]


def took(connection: sqlite3.Connection, workflow: str, runs: int) -> list[TookRow]:
    """Return how long steps took in the last so many runs of a workflow that have ended."""
    return [TookRow(*row) for row in connection.execute(TOOK, (workflow, RUNNING, runs, SUCCESS))]


def cached(connection: sqlite3.Connection, key: str) -> CacheRow | None:
    """Return what is cached under a key, as it is kept."""
    found = connection.execute(f"SELECT {CACHE}, value FROM cache WHERE key = ?", (key,)).fetchone()
    return None if found is None else _cached(found)


def cache_rows(connection: sqlite3.Connection, step: str | None, limit: int | None) -> list[CacheRow]:
    """Return what is cached, without values, the newest first."""
    where = "" if step is None else "WHERE step = ?"
    given = (*(() if step is None else (step,)), -1 if limit is None else limit)
    found = connection.execute(f"SELECT {CACHE}, x'' FROM cache {where} ORDER BY number DESC LIMIT ?", given)
    return [_cached(row) for row in found]


def _cached(row: Sequence[Any]) -> CacheRow:
    key, step, run_id, made_at, lasted, facts, kind, value = row
    return CacheRow(
        key=key,
        step=step,
        run_id=run_id,
        made_at=made_at,
        duration=lasted,
        value=Encoded(kind, value),
        **json.loads(facts),
    )


def files(connection: sqlite3.Connection) -> set[str]:
    """Return the names of all files that hold a value."""
    found = connection.execute(
        " UNION ".join(f"SELECT value FROM {table} WHERE format LIKE ?1" for table in WITH_VALUES), (f"%{MARK}",)
    )
    return {data.decode("ascii") for (data,) in found}
