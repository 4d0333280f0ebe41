"""Bare sqlite3: a loop that calls each step and keeps its value with one commit."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.graph import Graph, Run, join


def full(graph: Graph) -> Run:
    """Sync at each commit."""
    return _kept(graph, "FULL")


def normal(graph: Graph) -> Run:
    """Leave the sync to the checkpoints."""
    return _kept(graph, "NORMAL")


def _kept(graph: Graph, synchronous: str) -> Run:
    folder = TemporaryDirectory()
    connection = sqlite3.connect(Path(folder.name) / "bare.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute("CREATE TABLE steps (name TEXT NOT NULL UNIQUE, value BLOB NOT NULL)")

    def run() -> list[int]:
        values: list[int] = []
        for number, above in enumerate(graph.upstream):
            value = join(number, *[values[one] for one in above])
            connection.execute("BEGIN IMMEDIATE")
            row = f"s{number}", json.dumps(value).encode("ascii")
            connection.execute("INSERT INTO steps (name, value) VALUES (?, ?)", row)
            connection.execute("COMMIT")
            values.append(value)
        connection.close()
        folder.cleanup()
        return values

    return run
