"""SqliteStore: runs in an SQLite file, written by one thread at a time, read by any."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from flowbuilder.errors import StoreError
from flowbuilder.store import reading, writing
from flowbuilder.store.contract import Draft, Then
from flowbuilder.store.files import ValueFiles, is_file
from flowbuilder.store.folder import make_file, refuse_foreign
from flowbuilder.store.ownership import Owned, Ownership
from flowbuilder.store.rows import (
    INTERRUPTED,
    RUNNING,
    AttemptRow,
    CacheRow,
    Entry,
    InnerRow,
    RunQuery,
    RunRow,
    TookRow,
    Unit,
    UnitRow,
)
from flowbuilder.store.schema import bring_up_to_date
from flowbuilder.store.turn import Turn
from flowbuilder.store.writer import Writer

Durability = Literal["full", "normal"]
PATIENCE = 30.0
WORDS = {
    "SQLITE_FULL": "the disk is full",
    "SQLITE_READONLY": "it may not be written",
    "SQLITE_BUSY": f"another program has locked it for more than {PATIENCE:g} s",
    "SQLITE_CANTOPEN": "it cannot be opened",
    "SQLITE_NOTADB": "it is no database",
    "SQLITE_CORRUPT": "it is damaged",
    "SQLITE_IOERR": "reading or writing it failed",
}


class SqliteStore:
    """Keeps runs in the file ``path``, made with its folder if there is none; the values over 1 MiB are beside it.

    With the ``durability`` "full" what is acknowledged survives a loss of power, with "normal" only
    the death of the process: then the last acknowledged results may be missing, and none is torn.

    Raises:
        StoreError: when it cannot be used; what is there is left as it was.
    """

    def __init__(self, path: str | Path, durability: Durability = "full") -> None:
        self.path = Path(path).absolute()
        self._place = str(self.path)
        self._full = durability == "full"
        with _Translated(self.path):
            make_file(self.path)
            refuse_foreign(self.path)
            self._inode = self.path.stat().st_ino
            self._turn = Turn(self.path.with_suffix(".turn"), PATIENCE)
            self._connection = self._opened()
            self._reader = self._connect()
        self._reading = threading.Lock()
        self._files = ValueFiles(self.path.with_suffix(".values"))
        self._ownership = Ownership(self.path.with_suffix(".owners"))
        self._numbers: dict[str, int] = {}
        self._is_full_now = False
        self._writer = Writer(self._commit, self._close_both)

    # Who owns a run.

    def claim(self, run_id: str) -> Owned:
        """Make this process the one owner of a run; see ``Store.claim``."""
        return self._ownership.claim(run_id)

    # Writing.

    def write(self, draft: Draft, then: Then | None = None, *, sync: bool = True, here: bool = False) -> None:
        """Write entries behind all that were given before; see ``Store.write``."""
        self._writer.write(draft, then, sync=sync, here=here)

    def close(self) -> None:
        """Write what waits, and let go of the file."""
        self._writer.close()

    def _commit(self, entries: Sequence[Entry], *, sync: bool) -> None:
        with _Translated(self.path), self._turn:
            # Large values come first: nothing may refer to what is not there.
            ready = [writing.with_files(entry, self._files) for entry in entries]
            if self._inode != os.stat(self._place).st_ino:  # noqa: PTH116  # half the time, at each commit
                raise StoreError("the run store was replaced while it was used", where=str(self.path))
            self._set_synchronous(full=sync and self._full)
            self._write(ready)

    def _set_synchronous(self, *, full: bool) -> None:
        # A commit that syncs covers all that were made before it, so those of mere starts need no sync.
        if full is not self._is_full_now:
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if full else 'NORMAL'}")
            self._is_full_now = full

    def _write(self, entries: Sequence[Entry]) -> None:
        """Write entries in one transaction."""
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            writing.apply(connection, entries, self._numbers)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    # Reading.

    def runs(self, query: RunQuery) -> list[RunRow]:
        """Return runs, the newest first; see ``Store.runs``."""
        asked = replace(query, status=RUNNING, limit=None) if query.status in (RUNNING, INTERRUPTED) else query
        with self._reads() as connection:
            found = reading.runs(connection, asked)
        if asked is query:
            return [self._as_it_is(row) for row in found]
        living = [row for row in map(self._as_it_is, found) if row.status == query.status]
        return living[: query.limit]

    def run(self, run_id: str) -> RunRow | None:
        """Return one run by the start of its id; see ``Store.run``."""
        with self._reads() as connection:
            row = reading.run(connection, run_id)
        return self._as_it_is(row) if row else None

    def _as_it_is(self, row: RunRow) -> RunRow:
        if row.status == RUNNING and not self._ownership.is_alive(row.run_id):
            return replace(row, status=INTERRUPTED)
        return row

    def units(self, run_id: str, *, with_values: bool = False) -> list[UnitRow]:
        """Return how the steps and items of a run ended; see ``Store.units``."""
        with self._reads() as connection:
            found = reading.units(connection, run_id, with_values=with_values)
        if not with_values:
            return found
        with _Translated(self.path):
            return [row._replace(value=self._files.get(row.value)) if is_file(row.value) else row for row in found]

    def attempts(self, run_id: str) -> list[AttemptRow]:
        """Return the attempts of a run; see ``Store.attempts``."""
        with self._reads() as connection:
            return reading.attempts(connection, run_id)

    def begun(self, run_id: str) -> list[tuple[Unit, int]]:
        """Return the attempts that the last owner of a run has noted to begin; see ``Store.begun``."""
        return self._ownership.begun(run_id)

    def inner(self, run_id: str) -> list[InnerRow]:
        """Return the calls that are kept of a run's bodies; see ``Store.inner``."""
        with self._reads() as connection:
            found = reading.inner(connection, run_id)
        with _Translated(self.path):
            return [row._replace(value=self._files.get(row.value)) if is_file(row.value) else row for row in found]

    def took(self, workflow: str, runs: int) -> list[TookRow]:
        """Return how long steps took in the last runs of a workflow; see ``Store.took``."""
        with self._reads() as connection:
            return reading.took(connection, workflow, runs)

    @contextmanager
    def _reads(self) -> Iterator[sqlite3.Connection]:
        with self._reading, _Translated(self.path):
            yield self._reader

    # Keeping house.

    def purge(self, run_ids: Iterable[str]) -> int:
        """Forget runs that nobody owns; return how many."""
        wanted = [run_id for run_id in run_ids if not self._ownership.is_alive(run_id)]
        with self._reading, _Translated(self.path), self._turn:
            for run_id in wanted:
                writing.forget(self._reader, run_id)
                self._ownership.forget(run_id)
            self._files.drop(reading.files(self._reader))
        return len(wanted)

    # The cache.

    def cached(self, key: str) -> CacheRow | None:
        """Return what a step of the same code and inputs returned; see ``Store.cached``."""
        with self._reads() as connection:
            row = reading.cached(connection, key)
        if row is None:
            return None
        with _Translated(self.path):
            return replace(row, value=self._files.get(row.value))

    def cache_rows(self, step: str | None = None, limit: int | None = None) -> list[CacheRow]:
        """Return what is cached, without values, the newest first."""
        with self._reads() as connection:
            return reading.cache_rows(connection, step, limit)

    def clear_cache(self, keys: Iterable[str]) -> int:
        """Forget what is kept under keys; return how many there were."""
        with self._reading, _Translated(self.path):
            gone = writing.clear_cache(self._reader, keys)
            self._files.drop(reading.files(self._reader))
        return gone

    def problems(self) -> list[str]:
        """Return what is wrong with the file, and which values are missing beside it."""
        with self._reads() as connection:
            found = [text for (text,) in connection.execute("PRAGMA integrity_check(20)") if text != "ok"]
            missing = [name for name in reading.files(connection) if not self._files.has(name)]
        return found + [f"the file of a value is missing: {name}" for name in sorted(missing)]

    # The file.

    def _opened(self) -> sqlite3.Connection:
        connection = self._connect()
        try:
            with self._turn:
                bring_up_to_date(connection, self.path)
                connection.execute("PRAGMA journal_mode = WAL")
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    def _close_both(self) -> None:
        with self._reading, suppress(StoreError), self._turn:
            # The last one that closes it moves the log into the file.
            self._reader.close()
            self._connection.close()
        self._turn.close()


class _Translated:
    """Says in words what SQLite or the system could not do."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, sqlite3.Error):
            raise _unusable(self._path, error) from error
        if isinstance(error, OSError):
            text = f"the run store cannot be used: {error.strerror or error}"
            raise StoreError(text, where=str(self._path)) from error


def _unusable(path: Path, error: sqlite3.Error) -> StoreError:
    name: Any = getattr(error, "sqlite_errorname", "") or ""
    words = next((text for code, text in WORDS.items() if name.startswith(code)), "")
    hint = "flowbuilder doctor says more" if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) else ""
    if name.startswith("SQLITE_CANTOPEN") and not os.access(path, os.R_OK | os.W_OK):
        words = "it may not be read and written"
    return StoreError(
        f"the run store cannot be used: {words or error}", where=str(path), got=str(error) if words else "", hint=hint
    )
