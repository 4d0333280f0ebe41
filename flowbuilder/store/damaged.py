"""Damaged: the file of a store, read as far as that goes, out of a copy of it."""

from __future__ import annotations

import sqlite3
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from flowbuilder.errors import StoreError
from flowbuilder.store.schema import APPLICATION, VERSIONS, newer

TABLES = frozenset({"runs", "attempts", "units"})  # those of every version
PAGE = 4096
MOST_ROW = 1 << 40
PATIENCE = 300_000  # reads of a table that fail, before what is left of it is given up


class Damaged:
    """Reads what can be read of a store's file; ``path`` is a copy with its log beside it, and is written to.

    ``fresh`` is the file of a new store, which stands for what the first page has said of the tables
    where that cannot be read: then ``is_guessed`` is true.

    Raises:
        StoreError: when it is another database, or a store of a newer version.
    """

    def __init__(self, path: Path, fresh: Path) -> None:
        self.is_guessed = False
        self._connection = _opened(path)
        if not self._names() >= TABLES:
            self._refuse_foreign(path)
            self._connection.close()
            _replace_first_page(path, fresh)
            self.is_guessed = True
            self._connection = _opened(path)
        self._refuse_newer(path)

    def close(self) -> None:
        """Let go of the copy."""
        self._connection.close()

    def _names(self) -> set[str]:
        with suppress(sqlite3.Error):
            return {name for (name,) in self._connection.execute("SELECT name FROM sqlite_master")}
        return set()

    def _refuse_foreign(self, path: Path) -> None:
        with suppress(sqlite3.DatabaseError):
            (application,) = self._connection.execute("PRAGMA application_id").fetchone()
            if application != APPLICATION and self._names():
                self._connection.close()
                raise StoreError("this database is no run store", where=str(path), hint="name another file")

    def _refuse_newer(self, path: Path) -> None:
        with suppress(sqlite3.DatabaseError):
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            (application,) = self._connection.execute("PRAGMA application_id").fetchone()
            if application == APPLICATION and version > len(VERSIONS):
                self._connection.close()
                raise newer(path, version)

    def columns(self, name: str) -> set[str]:
        """Return the columns of a table, of which an older version has fewer; nothing where it cannot be told."""
        with suppress(sqlite3.Error):
            return {row[1] for row in self._connection.execute(f"PRAGMA table_info({name})")}
        return set()

    def table(self, name: str, columns: Sequence[str], indexes: Sequence[str]) -> DamagedTable:
        """Return a table to read; ``columns`` are asked for, ``indexes`` know its rows too."""
        return DamagedTable(self._connection, name, columns, indexes)


class DamagedTable:
    """One table: ``read`` gives its rows, and ``lost`` says afterwards how many could not be read."""

    def __init__(
        self, connection: sqlite3.Connection, name: str, columns: Sequence[str], indexes: Sequence[str]
    ) -> None:
        self._connection = connection
        self._query = f"SELECT rowid, {', '.join(columns)} FROM {name} WHERE rowid BETWEEN ? AND ? ORDER BY rowid"
        self._name = name
        self._known: set[int] = set()
        self._is_known_whole = any(self._look_into(index) for index in indexes)
        self._read: set[int] = set()

    @property
    def lost(self) -> int | None:
        """How many rows could not be read; None where nothing tells."""
        # That reading went without an error says little: damage may look like the end of a table.
        return len(self._known - self._read) if self._is_known_whole else None

    def read(self) -> Iterator[tuple[Any, ...]]:
        """Yield the rows that can be read, the number of each first, in any order."""
        yield from self._in_ranges()
        for number in islice(sorted(self._known - self._read), PATIENCE):
            with suppress(sqlite3.Error):
                yield from self._between(number, number)

    def _in_ranges(self) -> Iterator[tuple[Any, ...]]:
        ranges, patience = deque([(1, self._last())]), PATIENCE
        known = sorted(self._known) if self._is_known_whole else None
        # Halved where reading fails, the wide ones first: so a damaged page costs the rows on it, and no more.
        while ranges and patience:
            low, high = ranges.popleft()
            try:
                for row in self._between(low, high):
                    low = row[0] + 1
                    yield row
            except sqlite3.Error:
                patience -= 1
                ranges.extend(half for half in _halves(low, high) if known is None or _has_any(known, *half))

    def _between(self, low: int, high: int) -> Iterator[tuple[Any, ...]]:
        for row in self._connection.execute(self._query, (low, high)):
            if low <= row[0] <= high and row[0] not in self._read:
                self._read.add(row[0])
                yield row

    def _last(self) -> int:
        """Return the number of the last row that anything tells of."""
        found = {0, *self._known}
        for order in ("ASC", "DESC"):
            with suppress(sqlite3.Error):
                rows = self._connection.execute(f"SELECT rowid FROM {self._name} ORDER BY rowid {order}")
                found.update(number for (number,) in rows)
        return max(number for number in found if number < MOST_ROW)

    def _look_into(self, index: str) -> bool:
        """Note the rows that an index has, from either end; return whether it could be read whole."""
        found: set[int] = set()
        is_whole = all([self._walk(index, order, found) for order in ("ASC", "DESC")])  # noqa: C419  # both ends
        self._known = found if is_whole else self._known | found
        return is_whole

    def _walk(self, index: str, order: str, found: set[int]) -> bool:
        try:
            keys = [row[2] for row in self._connection.execute(f"PRAGMA index_info({index})")]
            by = ", ".join(f"{key} {order}" for key in keys)
            query = f"SELECT rowid FROM {self._name} INDEXED BY {index} ORDER BY {by}"
            found.update(number for (number,) in self._connection.execute(query))
        except sqlite3.Error:
            return False
        return bool(keys)


def _halves(low: int, high: int) -> tuple[tuple[int, int], ...]:
    middle = (low + high) // 2
    return ((low, middle), (middle + 1, high)) if low < high else ()


def _has_any(known: Sequence[int], low: int, high: int) -> bool:
    place = bisect_left(known, low)
    return place < len(known) and known[place] <= high


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    # What is wrong with the list of tables, or with the size of the file, is no reason to read nothing.
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute("PRAGMA cell_size_check = ON")
    return connection


def _replace_first_page(path: Path, fresh: Path) -> None:
    page = bytearray(fresh.read_bytes()[:PAGE])
    page[18:20] = b"\2\2"  # there is a log
    page[24:28], page[92:96] = b"\0\0\0\1", b"\0\0\0\0"  # these differ: the size that it says is not that of this file
    with path.open("r+b") as file:
        file.write(page)
