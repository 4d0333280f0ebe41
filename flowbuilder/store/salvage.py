"""Salvage: what can be read of a damaged store, saved into a new one."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from flowbuilder.errors import RunRefusedError, StoreError, listed
from flowbuilder.store.damaged import PAGE, Damaged
from flowbuilder.store.files import MARK, ValueFiles
from flowbuilder.store.folder import make_file, refuse_foreign
from flowbuilder.store.ownership import Ownership
from flowbuilder.store.reading import WITH_VALUES
from flowbuilder.store.rows import Encoded
from flowbuilder.store.schema import bring_up_to_date
from flowbuilder.store.turn import Turn

PATIENCE = 30.0
BESIDE = (".values", ".owners", ".turn")
TYPES = {"TEXT": str, "INTEGER": int, "REAL": float, "BLOB": bytes}
# What is kept as JSON has to be read without a surprise by everybody who lists runs.
SHAPES: Mapping[str, Callable[[Any], bool]] = {
    "runs.facts": lambda found: found.keys() >= {"options", "shown", "seed"},
    "runs.params": lambda found: all(bytes.fromhex(text) is not None for _, text in found.values()),
    "runs.counts": lambda found: all(isinstance(number, int) for number in found.values()),
    "runs.errors": lambda found: all(isinstance(one, dict) for one in found),
    "units.error": lambda found: isinstance(found, dict),
    "units.inside": lambda found: all(isinstance(number, int) for number in found.values()),
    "units.sections": lambda found: all(len(part) == 2 for part in found),
    "attempts.error": lambda found: isinstance(found, dict),
    "cache.facts": lambda found: found.keys() == {"code", "inputs", "version"},
}


class Count(NamedTuple):
    """How many rows, or files, were saved, and how many are lost; None where nothing tells."""

    saved: int
    lost: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Salvaged:
    """What came of a salvage.

    ``counts`` are by what is kept: "runs", "steps and items", "attempts", "inner calls", "cached results",
    "large values". ``is_guessed`` is true where the file did not say any more what is where in it.
    """

    counts: Mapping[str, Count]
    is_guessed: bool


def salvage(damaged: Path, new: Path) -> Salvaged:
    """Save what can be read of the store ``damaged`` into ``new``, which is not there yet.

    The damaged store is copied and read from there; nothing of it is written to.

    Raises:
        RunRefusedError: while a living process owns one of its runs.
        StoreError: when it is no run store, nothing in it can be read, or ``new`` cannot be written.
    """
    refuse_foreign(damaged)
    # What stands beside a store has its name with another ending, and may be the damaged one's.
    taken = [one for one in (new, *map(new.with_suffix, BESIDE)) if one.exists()]
    if taken or new.resolve().with_suffix("") == damaged.resolve().with_suffix(""):
        where = str(taken[0] if taken else new)
        raise StoreError("there is something already", where=where, hint="name a file that is not there yet")
    _refuse_living(damaged)
    try:
        make_file(new)
        with tempfile.TemporaryDirectory(prefix=".salvage-", dir=new.parent) as folder:
            copy = _copied(damaged, Path(folder))
            found = _saved(copy, damaged, new)
        if not found.counts["runs"].saved:
            raise StoreError("nothing in the run store can be read any more", where=str(damaged))
    except BaseException as error:
        _forget(new)
        if isinstance(error, sqlite3.Error | OSError):
            raise StoreError(f"the new run store cannot be written: {error}", where=str(new)) from error
        raise
    return found


def _refuse_living(damaged: Path) -> None:
    owners = damaged.with_suffix(".owners")
    ownership = Ownership(owners)
    living = [file.name for file in owners.glob("*") if ownership.is_alive(file.name)]
    if living:
        raise RunRefusedError("runs of this run store are still running", got=listed(living, 5), hint="let them end")


def _copied(damaged: Path, folder: Path) -> Path:
    """Return a copy of the file of a store, with its log."""
    with _turn_of(damaged):
        for name in (damaged.name, f"{damaged.name}-wal"):
            if damaged.with_name(name).exists():
                shutil.copyfile(damaged.with_name(name), folder / name)
    # Half a page would be read as one that ends in zeros.
    os.truncate(folder / damaged.name, damaged.stat().st_size // PAGE * PAGE)
    return folder / damaged.name


@contextmanager
def _turn_of(damaged: Path) -> Iterator[None]:
    """Let nobody write meanwhile; where nobody ever has, no file is made for that."""
    path = damaged.with_suffix(".turn")
    turn = Turn(path, PATIENCE) if path.exists() else None
    try:
        with turn if turn is not None else nullcontext():
            yield
    finally:
        if turn is not None:
            turn.close()


def _saved(copy: Path, damaged: Path, new: Path) -> Salvaged:
    with closing(sqlite3.connect(new, isolation_level=None)) as connection:
        bring_up_to_date(connection, new)
        source = Damaged(copy, new)
        try:
            connection.execute("BEGIN IMMEDIATE")
            counts = {
                "runs": _table(connection, source, "runs"),
                "steps and items": _table(connection, source, "units"),
                "attempts": _table(connection, source, "attempts"),
                "inner calls": _table(connection, source, "inner_calls"),
                "cached results": _table(connection, source, "cache"),
                "large values": _values(connection, damaged, new),
            }
            _owners(connection, damaged, new)
            connection.execute("COMMIT")
        finally:
            source.close()
    return Salvaged(counts=counts, is_guessed=source.is_guessed)


def _table(connection: sqlite3.Connection, source: Damaged, name: str) -> Count:
    """Save the rows of one table that can be read and are whole, and belong to a run that is saved."""
    facts = connection.execute(f"PRAGMA table_info({name})").fetchall()
    there = source.columns(name)
    columns = {
        column: (TYPES[kind], bool(needed))
        for _, column, kind, needed, _, is_key in facts
        if not is_key and (not there or column in there)
    }
    indexes = [row[1] for row in connection.execute(f"PRAGMA index_list({name})")]
    table = source.table(name, list(columns), indexes)
    insert = f"INSERT OR IGNORE INTO {name} (rowid, {', '.join(columns)}) VALUES (?{', ?' * len(columns)})"
    read = saved = 0
    for row in table.read():
        read += 1
        values = dict(zip(columns, row[1:], strict=True))
        is_whole = all(_is_whole(value, f"{name}.{column}", *columns[column]) for column, value in values.items())
        if is_whole and (values.get("format") != "json" or _has_shape(values["value"], lambda found: True)):
            saved += connection.execute(insert, row).rowcount
    if "run" in columns:
        saved -= connection.execute(f"DELETE FROM {name} WHERE run NOT IN (SELECT number FROM runs)").rowcount
    return Count(saved, None if table.lost is None else read - saved + table.lost)


def _is_whole(value: Any, column: str, kind: type, is_needed: bool) -> bool:
    """Return whether a value is of the kind that its column holds."""
    if value is None:
        return not is_needed
    return isinstance(value, kind) and (column not in SHAPES or _has_shape(value, SHAPES[column]))


def _has_shape(value: Any, shape: Callable[[Any], bool]) -> bool:
    try:
        return shape(json.loads(value))
    except (ValueError, TypeError, AttributeError, RecursionError):
        return False


def _values(connection: sqlite3.Connection, damaged: Path, new: Path) -> Count:
    """Save the files of large values; a step whose value is lost counts as one whose result was not stored."""
    old, made = damaged.with_suffix(".values"), ValueFiles(new.with_suffix(".values"))
    saved, lost = set(), set()
    for table in WITH_VALUES:
        rows = connection.execute(f"SELECT rowid, value FROM {table} WHERE format LIKE '%{MARK}'").fetchall()
        for number, name in rows:
            if name in saved or _copy_value(old, name, made):
                saved.add(name)
                continue
            lost.add(name)
            if table == "units":
                connection.execute("UPDATE units SET format = '', value = x'' WHERE rowid = ?", (number,))
            else:
                connection.execute("DELETE FROM cache WHERE rowid = ?", (number,))
    return Count(len(saved), len(lost))


def _copy_value(old: Path, name: bytes, made: ValueFiles) -> bool:
    text = name.decode("ascii", "replace")
    path = old / text[:2] / text
    if len(text) != 64 or not text.isalnum() or not path.is_file():
        return False
    data = path.read_bytes()
    # Its name is made of what is in it.
    return hashlib.sha256(data).hexdigest() == text and made.put(Encoded("", data)).data == name


def _owners(connection: sqlite3.Connection, damaged: Path, new: Path) -> None:
    """Save what the last owners of runs have noted: which attempts began, when nothing else tells."""
    for (run_id,) in connection.execute("SELECT run_id FROM runs WHERE status = 'running'").fetchall():
        noted = damaged.with_suffix(".owners") / run_id
        if "/" not in run_id and noted.is_file():
            new.with_suffix(".owners").mkdir(mode=0o700, exist_ok=True)
            shutil.copyfile(noted, new.with_suffix(".owners") / run_id)
            (new.with_suffix(".owners") / run_id).chmod(0o600)


def _forget(new: Path) -> None:
    for suffix in BESIDE[:2]:
        shutil.rmtree(new.with_suffix(suffix), ignore_errors=True)
    for name in (new.name, f"{new.name}-wal", f"{new.name}-shm", f"{new.name}-journal"):
        new.with_name(name).unlink(missing_ok=True)
