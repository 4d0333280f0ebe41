"""MemoryStore: runs kept in this process alone, for tests and for programs that resume within one process."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from flowbuilder.errors import RunRefusedError
from flowbuilder.store.contract import Draft, Then
from flowbuilder.store.rows import (
    INTERRUPTED,
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
    RunQuery,
    RunRow,
    TookRow,
    Unit,
    UnitEnded,
    UnitRow,
)
from flowbuilder.store.writer import Writer


class _Run:
    """One run: its row, and the rows of its units, attempts and inner calls by what they are of."""

    def __init__(self, row: RunRow) -> None:
        self.row = row
        self.units: dict[Unit, UnitRow] = {}
        self.attempts: dict[tuple[Unit, int], AttemptRow] = {}
        self.inner: dict[Unit, dict[bytes, InnerRow]] = {}


def _note(attempts: dict[tuple[Unit, int], AttemptRow], row: UnitRow | None) -> None:
    """Keep of a success that is dropped that there was such an attempt."""
    if row is not None and row.status in (SUCCESS, UNDONE) and row.started_at is not None:
        made = AttemptRow(row.unit, row.attempts, row.started_at, row.status)
        attempts.setdefault((row.unit, row.attempts), made)


class _Owned:
    def __init__(self, owned: set[str], run_id: str) -> None:
        self._owned = owned
        self._run_id = run_id
        self.begun: list[tuple[Unit, int]] = []

    def begin(self, unit: Unit, number: int) -> None:
        """Note that an attempt begins."""
        self.begun.append((unit, number))

    def release(self) -> None:
        """Give the run back."""
        self._owned.discard(self._run_id)


class MemoryStore:
    """Keeps runs in memory; it does what ``SqliteStore`` does, but for outliving the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: dict[str, _Run] = {}
        self._cache: dict[str, CacheRow] = {}
        self._owned: set[str] = set()
        self._owners: dict[str, _Owned] = {}
        self._writer: Writer | None = None

    def claim(self, run_id: str) -> _Owned:
        """Make the caller the one owner of a run."""
        with self._lock:
            if run_id in self._owned:
                raise RunRefusedError(f"the run {run_id} is owned by another process", got="this process")
            self._owned.add(run_id)
        owned = self._owners[run_id] = _Owned(self._owned, run_id)
        return owned

    def write(self, draft: Draft, then: Then | None = None, *, sync: bool = True, here: bool = False) -> None:
        """Write entries behind all that were given before; see ``Store.write``."""
        with self._lock:
            if self._writer is None:
                self._writer = Writer(self._commit)
            writer = self._writer
        writer.write(draft, then, sync=sync, here=here)

    def close(self) -> None:
        """Write what waits; what is kept stays, and more may be written later."""
        with self._lock:
            writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def _commit(self, entries: Sequence[Entry], *, sync: bool) -> None:
        with self._lock:
            for entry in entries:
                self._apply(entry)

    def _apply(self, entry: Entry) -> None:
        if isinstance(entry, CacheKept):
            self._cache.pop(entry.row.key, None)  # what is kept anew comes last, as it does in a table
            self._cache[entry.row.key] = entry.row
        elif isinstance(entry, UnitEnded):
            self._end(self._runs[entry.run_id], entry.row)
        elif isinstance(entry, InnerMade):
            self._runs[entry.run_id].inner.setdefault(entry.row.unit, {})[entry.row.key] = entry.row
        elif isinstance(entry, InnerForgotten):
            self._forget(self._runs[entry.run_id].inner, entry)
        elif isinstance(entry, AttemptMade):
            attempt = entry.attempt
            attempts, key = self._runs[entry.run_id].attempts, (attempt.unit, attempt.number)
            if (before := attempts.get(key)) is not None:
                error = before.error if attempt.error is None else attempt.error
                attempt = attempt._replace(started_at=before.started_at, is_past=before.is_past, error=error)
            attempts[key] = attempt
        elif isinstance(entry, RunEnded):
            run = self._runs[entry.run_id]
            run.row = replace(
                run.row,
                status=entry.status,
                duration=entry.duration,
                counts=entry.counts,
                errors=entry.errors,
                deaths=0,
                died_at="",
            )
        else:
            self._begin(entry)

    def _end(self, run: _Run, row: UnitRow) -> None:
        run.units.pop(row.unit, None)  # as above
        run.units[row.unit] = row
        attempt = run.attempts.get((row.unit, row.attempts))
        if row.status == SUCCESS and attempt is not None and not attempt.status:
            del run.attempts[row.unit, row.attempts]

    def _forget(self, inner: dict[Unit, dict[bytes, InnerRow]], entry: InnerForgotten) -> None:
        if entry.key is None:
            inner.pop(entry.unit, None)
        else:
            inner.get(entry.unit, {}).pop(entry.key, None)

    def _begin(self, entry: RunBegan) -> None:
        row = entry.run
        if not entry.is_resumed:
            self._runs[row.run_id] = _Run(row)
            return
        run = self._runs[row.run_id]
        run.row = replace(
            run.row,
            status=RUNNING,
            duration=None,
            errors=(),
            options=row.options,
            params=row.params,
            shown=row.shown,
            seed=row.seed,
            deaths=row.deaths,
            died_at=row.died_at,
        )
        dropped = [unit for unit, one in run.units.items() if one.status != SUCCESS]
        for unit in dict.fromkeys([*dropped, *entry.forgotten]):
            _note(run.attempts, run.units.pop(unit, None))
        past = {*dropped, *entry.forgotten}
        run.attempts = {key: one._replace(is_past=one.is_past or one.unit in past) for key, one in run.attempts.items()}

    def runs(self, query: RunQuery) -> list[RunRow]:
        """Return runs, the newest first."""
        with self._lock:
            rows = [self._as_it_is(run.row) for run in reversed(self._runs.values())]
        found = [
            row
            for row in rows
            if query.workflow in (None, row.workflow)
            and query.status in (None, row.status)
            and (query.since is None or row.started_at >= query.since)
        ]
        return found[: query.limit]

    def run(self, run_id: str) -> RunRow | None:
        """Return one run by the start of its id."""
        with self._lock:
            found = [run.row for name, run in self._runs.items() if run_id and name.startswith(run_id)]
        return self._as_it_is(found[0]) if len(found) == 1 else None

    def _as_it_is(self, row: RunRow) -> RunRow:
        is_dead = row.status == RUNNING and row.run_id not in self._owned
        return replace(row, status=INTERRUPTED) if is_dead else row

    def units(self, run_id: str, *, with_values: bool = False) -> list[UnitRow]:
        """Return how the steps and items of a run ended; see ``Store.units``."""
        with self._lock:
            rows = list(self._runs[run_id].units.values()) if run_id in self._runs else []
        return rows if with_values else [row._replace(value=Encoded(row.value.format, b"")) for row in rows]

    def attempts(self, run_id: str) -> list[AttemptRow]:
        """Return the attempts of a run."""
        with self._lock:
            return list(self._runs[run_id].attempts.values()) if run_id in self._runs else []

    def begun(self, run_id: str) -> list[tuple[Unit, int]]:
        """Return the attempts that the last owner of a run has noted to begin."""
        return list(self._owners[run_id].begun) if run_id in self._owners else []

    def inner(self, run_id: str) -> list[InnerRow]:
        """Return the calls that are kept of a run's bodies."""
        with self._lock:
            found = self._runs[run_id].inner.values() if run_id in self._runs else ()
            return [row for rows in found for row in rows.values()]

    def took(self, workflow: str, runs: int) -> list[TookRow]:
        """Return how long steps took in the last so many runs of a workflow that have ended."""
        with self._lock:
            of_it = [run for run in self._runs.values() if run.row.workflow == workflow and run.row.status != RUNNING]
            return [row for run in of_it[::-1][:runs] for row in _took(run.units.values())]

    def problems(self) -> list[str]:
        """Return what is wrong with what is kept: nothing can be."""
        return []

    def cached(self, key: str) -> CacheRow | None:
        """Return what a step of the same code and inputs returned."""
        with self._lock:
            return self._cache.get(key)

    def cache_rows(self, step: str | None = None, limit: int | None = None) -> list[CacheRow]:
        """Return what is cached, without values, the newest first."""
        with self._lock:
            found = [row for row in reversed(self._cache.values()) if step in (None, row.step)]
        return [replace(row, value=Encoded(row.value.format, b"")) for row in found[:limit]]

    def clear_cache(self, keys: Iterable[str]) -> int:
        """Forget what is kept under keys; return how many there were."""
        with self._lock:
            return sum(self._cache.pop(key, None) is not None for key in list(keys))

    def purge(self, run_ids: Iterable[str]) -> int:
        """Forget runs that nobody owns; return how many."""
        with self._lock:
            gone = [run_id for run_id in run_ids if run_id in self._runs and run_id not in self._owned]
            for run_id in gone:
                del self._runs[run_id]
        return len(gone)


def _took(rows: Iterable[UnitRow]) -> Iterator[TookRow]:
    """Yield how long the steps of one run took."""
    seconds: dict[tuple[str, bool], list[float]] = {}
    for row in rows:
        if row.status == SUCCESS and row.duration is not None:
            seconds.setdefault((row.unit.step, row.unit.item >= 0), []).append(row.duration)
    for (step, is_mapped), found in seconds.items():
        yield TookRow(step, sum(found) / len(found), len(found) if is_mapped else None)
