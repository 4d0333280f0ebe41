"""Publish a folder as a release, all of it or nothing: where its check fails, every step before is undone in reverse.

flowbuilder run examples/flow_saga.py -P source=site -P target=public
"""

from __future__ import annotations

import csv
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from flowbuilder import Context, step, workflow

DATA = Path(__file__).parent / "data"


def remove(release: Path) -> None:
    """Undo ``release``."""
    shutil.rmtree(release)


@step(undo=remove)
def release(ctx: Context, source: Path = DATA, target: Path = Path("public")) -> Path:
    """Copy the folder beside the releases that there are, under a name of its own."""
    place = target / f"release-{ctx.run_id}"
    try:
        shutil.copytree(source, place, dirs_exist_ok=True)
    except OSError:
        # Only what was completed is undone: who fails half-way cleans up after itself.
        shutil.rmtree(place, ignore_errors=True)
        raise
    return place


def strike(target: Path, release: Path) -> None:
    """Undo ``catalogued``."""
    with closing(sqlite3.connect(target / "catalogue.sqlite")) as connection, connection:
        connection.execute("DELETE FROM files WHERE release = ?", [release.name])


@step(undo=strike)
def catalogued(release: Path, target: Path = Path("public")) -> int:
    """Note each file and its size in the catalogue."""
    rows = [
        (release.name, str(file.relative_to(release)), file.stat().st_size)
        for file in sorted(release.rglob("*"))
        if file.is_file()
    ]
    with closing(sqlite3.connect(target / "catalogue.sqlite")) as connection, connection:
        connection.execute("CREATE TABLE IF NOT EXISTS files (release TEXT, file TEXT, size INTEGER)")
        connection.executemany("INSERT INTO files VALUES (?, ?, ?)", rows)
    return len(rows)


def point_back(result: str, target: Path) -> None:
    """Undo ``switched``."""
    point(target, result)


@step(undo=point_back, after=(catalogued,))
def switched(release: Path, target: Path = Path("public")) -> str:
    """Let ``current`` point to the release, and return what it pointed to before."""
    current = target / "current"
    before = current.readlink().name if current.is_symlink() else ""
    point(target, release.name)
    return before


def point(target: Path, name: str) -> None:
    """Let ``current`` point to a release at one stroke, or to none where the name is empty."""
    current, fresh = target / "current", target / "current.new"
    if not name:
        current.unlink(missing_ok=True)
        return
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(name, target_is_directory=True)
    fresh.replace(current)


def read_csv(text: str) -> None:
    """Read a table, and refuse one whose rows are not all of the same length."""
    if len({len(row) for row in csv.reader(text.splitlines(), strict=True)}) > 1:
        raise ValueError("its rows are of different lengths")


READERS: dict[str, Callable[[str], object]] = {".json": json.loads, ".csv": read_csv}


@step(after=(switched,))
def checked(release: Path, target: Path = Path("public")) -> int:
    """Read what is published as its readers will; a file that cannot be read withdraws the release."""
    files = [file for file in (target / "current" / ".").rglob("*") if file.suffix in READERS]
    for file in files:
        try:
            READERS[file.suffix](file.read_text(encoding="utf-8"))
        except ValueError as error:
            error.add_note(f"in {file.relative_to(target / 'current')} of {release.name}")
            raise
    return len(files)


@workflow
def publish(release: Path, catalogued: int, checked: int) -> str:
    """Publish a folder, or leave everything as it was."""
    return f"{release.name} is current: {catalogued} files, {checked} of them read"
