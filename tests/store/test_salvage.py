"""What is saved of a store whose file is damaged."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from flowbuilder.errors import RunRefusedError, StoreError
from flowbuilder.store.rows import Encoded, Entry, RunEnded, RunQuery, Unit
from flowbuilder.store.salvage import Count, Salvaged, salvage
from flowbuilder.store.sqlite import SqliteStore
from flowbuilder.store.values import decode
from tests.store.samples import attempted, began, ended, kept_values, write

RUNS, STEPS, PAGE = 40, 30, 4096
LARGE = "x" * (2 * 1024 * 1024)


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """Return the file of a store with many runs, still to be damaged."""
    path = tmp_path / "old" / "runs.db"
    store = SqliteStore(path, "normal")
    for number in range(RUNS):
        run = f"run{number:04}"
        made: list[Entry] = []
        for step in range(STEPS):
            made += [attempted(run, f"s{step}", 2), ended(run, f"s{step}", [number, "x" * (step * 40)], duration=1.0)]
        assert write(store, began(run), *made, RunEnded(run, "success", 9.0, {"success": STEPS})) is None
    store.close()
    return path


def overwrite(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def root_of(path: Path, name: str) -> int:
    """Return where in the file the first page of a table or index is."""
    connection = sqlite3.connect(path)
    (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()
    connection.close()
    return (int(page) - 1) * PAGE


def leaves_of(path: Path, kind: bytes) -> list[int]:
    """Return where pages of a kind are: 13 are those that hold rows, 10 those that hold what an index has."""
    data = path.read_bytes()
    return [at for at in range(PAGE, len(data), PAGE) if data[at : at + 1] == kind]


def saved(damaged: Path) -> tuple[Salvaged, SqliteStore]:
    """Salvage a store, and return what came of it and the new store, which is sound; the old one is as it was."""
    before = {file: file.read_bytes() for file in damaged.parent.rglob("*") if file.is_file()}
    new = damaged.parent.parent / "new.db"
    found = salvage(damaged, new)
    assert before == {file: file.read_bytes() for file in damaged.parent.rglob("*") if file.is_file()}
    store = SqliteStore(new)
    assert store.problems() == []
    assert not list(new.parent.glob(".salvage-*"))
    return found, store


def check(found: Salvaged, store: SqliteStore) -> None:
    """Assert that what is said to be saved is there, and is what it was."""
    rows = store.runs(RunQuery())
    assert len(rows) == found.counts["runs"].saved
    values = [(row.run_id, unit, decode(value)) for row in rows for unit, value in kept_values(store, row.run_id)]
    assert len(values) == found.counts["steps and items"].saved
    assert sum(len(store.attempts(row.run_id)) for row in rows) == found.counts["attempts"].saved
    for run, unit, value in values:
        assert value == [int(run[3:]), "x" * (int(unit.step[1:]) * 40)]
    store.close()


WHOLE = {
    "runs": Count(RUNS, 0),
    "steps and items": Count(RUNS * STEPS, 0),
    "attempts": Count(RUNS * STEPS, 0),
    "inner calls": Count(0, 0),
    "cached results": Count(0, 0),
    "large values": Count(0, 0),
}


def test_of_a_sound_store_all_is_saved(damaged: Path) -> None:
    found, store = saved(damaged)
    assert (found.counts, found.is_guessed) == (WHOLE, False)
    check(found, store)


def test_pages_of_rows_cost_the_rows_on_them(damaged: Path) -> None:
    places = leaves_of(damaged, b"\x0d")
    for at in places[len(places) // 2 : len(places) // 2 + 3]:
        overwrite(damaged, at, random.Random(7).randbytes(PAGE))  # no secret is made
    found, store = saved(damaged)
    counts = [found.counts[name] for name in ("runs", "steps and items", "attempts")]
    assert sum(one.saved for one in counts) > 0.85 * (RUNS + 2 * RUNS * STEPS)
    assert [one.saved + (one.lost or 0) for one in counts] == [RUNS, RUNS * STEPS, RUNS * STEPS]
    assert any(one.lost for one in counts)
    check(found, store)


def test_a_file_that_was_cut_gives_what_is_before(damaged: Path) -> None:
    with damaged.open("r+b") as file:
        file.truncate(damaged.stat().st_size * 2 // 3 + 100)
    found, store = saved(damaged)
    assert 0 < found.counts["steps and items"].saved < RUNS * STEPS
    assert found.counts["steps and items"].lost != 0
    check(found, store)


@pytest.mark.parametrize("size", [16, 100, PAGE])
def test_where_the_tables_are_is_known_without_the_first_page(damaged: Path, size: int) -> None:
    overwrite(damaged, 0, b"\xff" * size)
    found, store = saved(damaged)
    assert (found.counts, found.is_guessed) == (WHOLE, True)
    check(found, store)


def test_a_damaged_index_costs_nothing(damaged: Path) -> None:
    for name in ("runs_by_status", "runs_by_workflow", "sqlite_autoindex_units_1", "sqlite_autoindex_attempts_1"):
        overwrite(damaged, root_of(damaged, name), b"\0" * PAGE)
    found, store = saved(damaged)
    assert [one.saved for one in found.counts.values()] == [one.saved for one in WHOLE.values()]
    check(found, store)


@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_scribbled_over_what_is_saved_is_sound(damaged: Path, seed: int) -> None:
    chance = random.Random(seed)  # as above
    for _ in range(8):
        # The head of a page, where it is damaged most, or anywhere in it.
        at = chance.randrange(2, damaged.stat().st_size // PAGE) * PAGE
        overwrite(damaged, at, chance.randbytes(32))
    found, store = saved(damaged)
    assert found.counts["runs"].saved
    check(found, store)


def test_what_is_in_the_log_alone_is_saved_too(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "live" / "runs.db")
    write(store, began("one"), ended("one", "a", 5), RunEnded("one", "success", 1.0, {}))
    shutil.copytree(tmp_path / "live", tmp_path / "old")
    store.close()
    assert (tmp_path / "old" / "runs.db-wal").stat().st_size > 0
    (tmp_path / "old" / "runs.db-shm").unlink()
    found, saved_in = saved(tmp_path / "old" / "runs.db")
    assert found.counts["steps and items"] == Count(1, 0)
    assert [decode(value) for _, value in kept_values(saved_in, "one")] == [5]
    saved_in.close()


@pytest.mark.parametrize(
    ("harm", "count"),
    [
        (lambda file: None, Count(1, 0)),
        (lambda file: file.write_bytes(b"y" + file.read_bytes()[1:]), Count(0, 1)),
        (lambda file: file.unlink(), Count(0, 1)),
    ],
)
def test_a_large_value_is_saved_if_it_is_what_it_was(
    tmp_path: Path, harm: Callable[[Path], object], count: Count
) -> None:
    path = tmp_path / "old" / "runs.db"
    store = SqliteStore(path)
    write(store, began("one"), ended("one", "a", LARGE), RunEnded("one", "failed", 1.0, {}))
    store.close()
    (file,) = (tmp_path / "old" / "runs.values").glob("??/*")
    harm(file)
    found, store = saved(path)
    assert found.counts["large values"] == count
    assert found.counts["steps and items"] == Count(1, 0)
    ((unit, value),) = kept_values(store, "one")
    assert unit == Unit("a")
    assert value == (Encoded("", b"") if count.lost else Encoded("json", f'"{LARGE}"'.encode()))
    store.close()


def test_what_the_dead_owner_of_a_run_has_noted_is_saved(tmp_path: Path) -> None:
    path = tmp_path / "old" / "runs.db"
    store = SqliteStore(path)
    write(store, began("one"))
    (tmp_path / "old" / "runs.owners").mkdir()
    (tmp_path / "old" / "runs.owners" / "one").write_text("process 1 on here\n1 -1 pay\n")
    store.close()
    _, store = saved(path)
    assert store.begun("one") == [(Unit("pay"), 1)]
    store.close()


def test_a_store_that_is_in_use_is_left_alone(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "old" / "runs.db")
    claim = store.claim("one")
    write(store, began("one"))
    with pytest.raises(RunRefusedError) as caught:
        salvage(store.path, tmp_path / "new.db")
    claim.release()
    store.close()
    assert str(caught.value) == "runs of this run store are still running\n  got: one\n  hint: let them end"
    assert not (tmp_path / "new.db").exists()


def test_nothing_is_written_over(damaged: Path, tmp_path: Path) -> None:
    new = tmp_path / "new.db"
    new.write_text("mine")
    with pytest.raises(StoreError, match="there is something already"):
        salvage(damaged, new)
    assert new.read_text() == "mine"


@pytest.mark.parametrize("name", ["runs.db", "runs.new", "runs"])
def test_what_stands_beside_the_damaged_store_is_not_shared_with_the_new_one(damaged: Path, name: str) -> None:
    (damaged.parent / "runs.turn").unlink()
    before = {file.name for file in damaged.parent.iterdir()}
    with pytest.raises(StoreError, match="there is something already"):
        salvage(damaged, damaged.with_name(name))
    assert before == {file.name for file in damaged.parent.iterdir()}


@pytest.mark.parametrize("content", [b"", b"no database" * 5_000, b"\0" * 100_000])
def test_of_what_is_no_store_nothing_is_made(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "old").mkdir()
    path = tmp_path / "old" / "runs.db"
    path.write_bytes(content)
    with pytest.raises(StoreError, match="nothing in the run store can be read any more"):
        salvage(path, tmp_path / "new.db")
    assert [file.name for file in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("PRAGMA user_version = 99", "this run store was written by a newer FlowBuilder"),
        ("DROP TABLE units; DROP TABLE runs; PRAGMA application_id = 5", "this database is no run store"),
    ],
)
def test_another_database_is_refused(damaged: Path, tmp_path: Path, statement: str, words: str) -> None:
    connection = sqlite3.connect(damaged)
    connection.executescript(statement)
    connection.close()
    with pytest.raises(StoreError, match=words):
        salvage(damaged, tmp_path / "new.db")
    assert not (tmp_path / "new.db").exists()


def test_a_store_of_the_first_version_has_no_cache_to_save(damaged: Path) -> None:
    connection = sqlite3.connect(damaged)
    connection.executescript(
        "DROP TABLE cache; DROP TABLE inner_calls; ALTER TABLE units DROP COLUMN inside;"
        "ALTER TABLE runs DROP COLUMN errors; PRAGMA user_version = 1"
    )
    connection.close()
    found, store = saved(damaged)
    assert found.counts["steps and items"] == Count(RUNS * STEPS, 0)
    check(found, store)


def test_a_row_that_no_reader_would_take_is_left_out(damaged: Path) -> None:
    connection = sqlite3.connect(damaged)
    connection.execute("UPDATE runs SET facts = replace(facts, 'shown', 'sh@wn') WHERE run_id = 'run0003'")
    connection.execute("UPDATE units SET attempts = 'many' WHERE run = 8 AND step = 's2'")
    connection.execute("UPDATE units SET value = x'5b00' WHERE run = 9 AND step = 's2'")
    connection.commit()
    connection.close()
    found, store = saved(damaged)
    assert found.counts["runs"] == Count(RUNS - 1, 1)
    assert found.counts["steps and items"] == Count((RUNS - 1) * STEPS - 2, STEPS + 2)
    check(found, store)
