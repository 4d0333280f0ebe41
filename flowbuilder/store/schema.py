"""Schema: the tables of a run store, by version; each version is made of the one before in one transaction."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from flowbuilder.errors import StoreError

APPLICATION = 0x466C6F77  # "Flow"

# Results and whatever may hold any text are kept as bytes: SQLite's own columns would change NaN, large numbers
# and characters that are no text.
FIRST = """
CREATE TABLE runs (
    number INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL UNIQUE,
    workflow TEXT NOT NULL,
    status TEXT NOT NULL,
    started_at REAL NOT NULL,
    duration REAL,
    source TEXT NOT NULL,
    facts BLOB NOT NULL,
    params BLOB NOT NULL,
    counts BLOB NOT NULL,
    deaths INTEGER NOT NULL DEFAULT 0,
    died_at TEXT NOT NULL DEFAULT ''
);
CREATE INDEX runs_by_status ON runs (status);
CREATE INDEX runs_by_workflow ON runs (workflow);
CREATE TABLE attempts (
    run INTEGER NOT NULL,
    step TEXT NOT NULL,
    item INTEGER NOT NULL,
    number INTEGER NOT NULL,
    started_at REAL NOT NULL,
    status TEXT NOT NULL,
    error BLOB,
    due_at REAL,
    is_past INTEGER NOT NULL DEFAULT 0,
    UNIQUE (run, step, item, number)
);
CREATE TABLE units (
    run INTEGER NOT NULL,
    step TEXT NOT NULL,
    item INTEGER NOT NULL,
    status TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    started_at REAL,
    duration REAL,
    reason TEXT NOT NULL,
    format TEXT NOT NULL,
    value BLOB NOT NULL,
    error BLOB,
    sections BLOB,
    wiring TEXT NOT NULL,
    code TEXT NOT NULL,
    UNIQUE (run, step, item)
);
"""
CACHE = """
CREATE TABLE cache (
    number INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    step TEXT NOT NULL,
    run_id TEXT NOT NULL,
    made_at REAL NOT NULL,
    duration REAL NOT NULL,
    facts BLOB NOT NULL,
    format TEXT NOT NULL,
    value BLOB NOT NULL
);
CREATE INDEX cache_by_step ON cache (step);
"""
INNER = """
CREATE TABLE inner_calls (
    run INTEGER NOT NULL,
    step TEXT NOT NULL,
    item INTEGER NOT NULL,
    key BLOB NOT NULL,
    name TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    status TEXT NOT NULL,
    format TEXT NOT NULL,
    value BLOB NOT NULL,
    code TEXT NOT NULL,
    UNIQUE (run, step, item, key)
);
ALTER TABLE units ADD COLUMN inside BLOB;
"""
RUN_ERRORS = """
ALTER TABLE runs ADD COLUMN errors BLOB;
"""
VERSIONS = (FIRST, CACHE, INNER, RUN_ERRORS)


def bring_up_to_date(connection: sqlite3.Connection, path: Path | str) -> None:
    """Make the tables of a new store, and those of an older version into the ones of today.

    Raises:
        StoreError: for a store of a newer version, or a database that is none; it is not written to.
    """
    if _version(connection, path) == len(VERSIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Looked at again: another process may have been faster.
        for version in range(_version(connection, path), len(VERSIONS)):
            for statement in VERSIONS[version].split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {len(VERSIONS)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection, path: Path | str) -> int:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != APPLICATION and (application or version or tables):
        raise StoreError(
            "this database is no run store", where=str(path), hint="name another file, or move this one away"
        )
    if version > len(VERSIONS):
        raise newer(path, version)
    return int(version)


def newer(path: Path | str, version: int) -> StoreError:
    """Return the error for a store of a version that is not known yet."""
    return StoreError(
        "this run store was written by a newer FlowBuilder",
        where=str(path),
        got=f"version {version}",
        allowed=f"up to version {len(VERSIONS)}",
        hint="update FlowBuilder, or name another file",
    )
