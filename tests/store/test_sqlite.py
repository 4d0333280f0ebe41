"""The run store on disk: who may use it, what it refuses, what it keeps."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowbuilder.errors import RunRefusedError, StoreError
from flowbuilder.store.rows import Encoded, InnerForgotten, RunEnded, RunQuery, Unit
from flowbuilder.store.sqlite import SqliteStore
from flowbuilder.store.values import decode
from tests.store.samples import attempted, began, called, ended, kept_values, names, write


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".flowbuilder" / "runs.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    made = SqliteStore(path)
    yield made
    made.close()


def mode(path: Path) -> str:
    return oct(stat.S_IMODE(path.stat().st_mode))


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_folder_and_files_are_for_the_owner_only(path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        store = SqliteStore(path)
        write(store, began("r1"), ended("r1", "a", "x" * 2_000_000))
        assert mode(path.parent) == "0o700"
        files = [one for one in path.parent.rglob("*") if one.is_file() and one.name != ".gitignore"]
        assert {one.name: mode(one) for one in files} == {one.name: "0o600" for one in files}
        assert len(files) == 5  # the database, its log, the index of that, the lock of its writers, and the value
        store.close()
    finally:
        os.umask(before)


def test_what_was_written_is_there_after_closing(path: Path) -> None:
    first = SqliteStore(path)
    write(
        first,
        began("r1"),
        attempted("r1", "b", 2),
        ended("r1", "a", [1]),
        RunEnded("r1", "success", 2.0, {"success": 1}),
    )
    first.close()
    store = SqliteStore(path)
    row = store.run("r1")
    assert row is not None
    assert (row.status, row.duration, row.counts) == ("success", 2.0, {"success": 1})
    assert [(unit, decode(value)) for unit, value in kept_values(store, "r1")] == [(Unit("a"), [1])]
    assert [(one.number, one.started_at) for one in store.attempts("r1")] == [(2, 2.0)]
    store.close()


def test_a_large_value_is_in_a_file_and_comes_back(store: SqliteStore, path: Path) -> None:
    large = b"\x01" * 1_200_000
    write(store, began("r1"), ended("r1", "a", large), ended("r1", "b", large))
    assert [decode(value) for _, value in kept_values(store, "r1")] == [large, large]
    assert len(list(path.with_suffix(".values").glob("*/*"))) == 1
    assert path.stat().st_size + path.with_name("runs.db-wal").stat().st_size < 500_000


def test_listing_reads_no_value(store: SqliteStore) -> None:
    write(store, began("r1"), ended("r1", "a", {1, 2}))
    assert [row.value for row in store.units("r1")] == [Encoded("pickle", b"")]


def test_a_run_that_nobody_owns_is_shown_as_interrupted(store: SqliteStore, path: Path) -> None:
    other = SqliteStore(path)
    claim = other.claim("r1")
    write(other, began("r1"), began("r2"))
    assert [(row.run_id, row.status) for row in store.runs(RunQuery())] == [("r2", "interrupted"), ("r1", "running")]
    assert [row.run_id for row in store.runs(RunQuery(status="interrupted"))] == ["r2"]
    assert [row.run_id for row in store.runs(RunQuery(status="running"))] == ["r1"]
    claim.release()
    assert [row.status for row in store.runs(RunQuery())] == ["interrupted", "interrupted"]
    other.close()


def test_a_run_has_one_owner(store: SqliteStore, path: Path) -> None:
    claim = store.claim("r1")
    other = SqliteStore(path)
    with pytest.raises(RunRefusedError) as refused:
        other.claim("r1")
    assert str(refused.value).startswith(f"the run r1 is owned by another process\n  got: process {os.getpid()} on ")
    claim.release()
    other.claim("r1").release()
    assert list(path.with_suffix(".owners").iterdir()) == []
    other.close()


def test_a_run_is_found_by_the_start_of_its_id(store: SqliteStore) -> None:
    write(store, began("abc1"), began("abd2"))
    found = store.run("abd")
    assert found is not None
    assert found.run_id == "abd2"
    assert store.run("ab") is None
    assert store.run("") is None
    assert store.run("%") is None


def test_text_of_any_kind_comes_back(store: SqliteStore) -> None:
    error = {"message": "\ud800 \x00 \x1b"}
    write(
        store, began("r1"), ended("r1", "数据", error=error, reason="half a \ud800", sections=(("stdout", "\ud800"),))
    )
    (row,) = store.units("r1")
    assert (row.unit.step, row.error, row.reason) == ("数据", error, "half a \\ud800")
    assert row.sections == (("stdout", "\ud800"),)


def test_calls_inside_bodies_are_kept_until_they_are_forgotten_or_their_run_is(store: SqliteStore) -> None:
    large = "x" * 2_000_000
    write(store, began("r1"), called("r1", "a", b"1", large), called("r1", "a", b"2"), called("r1", "b", b"1"))
    assert [(str(row.unit), row.key, row.name) for row in store.inner("r1")] == [
        ("a", b"1", "fetch"), ("a", b"2", "fetch"), ("b", b"1", "fetch"),
    ]  # fmt: skip
    assert decode(store.inner("r1")[0].value) == large
    write(store, InnerForgotten("r1", Unit("a"), b"2"), InnerForgotten("r1", Unit("b")))
    assert [row.key for row in store.inner("r1")] == [b"1"]
    store.purge(["r1"])
    assert store.inner("r1") == []
    assert not list(store.path.with_suffix(".values").glob("??/*"))


def test_a_store_of_an_older_version_is_brought_up_to_date(path: Path) -> None:
    store = SqliteStore(path)
    write(store, began("r1"), ended("r1", "a", 1))
    store.close()
    with sqlite3.connect(path) as raw:
        raw.executescript(
            "DROP TABLE inner_calls; ALTER TABLE units DROP COLUMN inside; ALTER TABLE runs DROP COLUMN errors;"
            "DROP TABLE cache; PRAGMA user_version = 1"
        )
    raw.close()
    store = SqliteStore(path)
    write(store, ended("r1", "b", 2, inside={"success": 3}), called("r1", "b", b"1"))
    assert [(str(row.unit), row.inside) for row in store.units("r1")] == [("a", None), ("b", {"success": 3})]
    assert len(store.inner("r1")) == 1
    assert store.problems() == []
    store.close()


def test_a_newer_store_is_refused_and_left_as_it_is(path: Path) -> None:
    SqliteStore(path).close()
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA user_version = 99")
    raw.close()
    before = path.read_bytes()
    with pytest.raises(StoreError) as refused:
        SqliteStore(path)
    assert str(refused.value) == (
        f"this run store was written by a newer FlowBuilder ({path})\n  got: version 99\n"
        "  allowed: up to version 4\n  hint: update FlowBuilder, or name another file"
    )
    assert path.read_bytes() == before


def test_another_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE own (a)")
    raw.close()
    with pytest.raises(StoreError, match="this database is no run store"):
        SqliteStore(path)


@pytest.mark.parametrize(
    ("content", "words"), [(b"not a database at all" * 100, "it is no database"), (b"", "emptied while its log")]
)
def test_a_file_that_is_no_store_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "runs.db"
    path.write_bytes(content)
    path.with_name("runs.db-wal").write_bytes(b"")
    with pytest.raises(StoreError, match=words):
        SqliteStore(path)
    assert path.read_bytes() == content


def test_a_store_of_another_user_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SqliteStore(path).close()
    monkeypatch.setattr("os.geteuid", lambda: 4321)
    if path.stat().st_uid == 0:
        os.chown(path, 1234, 1234)
    with pytest.raises(StoreError, match="the run store belongs to another user"):
        SqliteStore(path)


def test_a_store_that_was_replaced_takes_nothing_more(store: SqliteStore, path: Path) -> None:
    assert write(store, began("r1")) is None
    path.unlink()
    assert "the run store cannot be used: No such file" in str(write(store, began("r2")))
    assert write(store, began("r3")) is not None


def test_after_a_failed_write_nothing_more_is_written(store: SqliteStore, path: Path) -> None:
    write(store, began("r1"))
    assert "UNIQUE constraint" in str(write(store, began("r1")))
    assert write(store, began("r2")) is not None
    assert [row.run_id for row in store.runs(RunQuery())] == ["r1"]


def test_a_full_disk_keeps_what_was_acknowledged(store: SqliteStore, path: Path) -> None:
    store._connection.execute("PRAGMA max_page_count = 30")
    acknowledged: list[str] = []
    write(store, began("r1"))
    error: Exception | None = None
    for number in range(100):
        error = write(store, ended("r1", f"s{number}", "x" * 5_000))
        if error is not None:
            break
        acknowledged.append(f"s{number}")
    assert "the run store cannot be used: the disk is full" in str(error)
    assert names(store.units("r1")) == acknowledged


def test_purging_forgets_runs_and_their_files(store: SqliteStore, path: Path) -> None:
    write(store, began("r1"), ended("r1", "a", b"1" * 1_200_000), began("r2"), ended("r2", "a", b"2" * 1_200_000))
    claim = store.claim("r2")
    assert store.purge(["r1", "r2"]) == 1
    assert [row.run_id for row in store.runs(RunQuery())] == ["r2"]
    assert len(list(path.with_suffix(".values").glob("*/*"))) == 1
    assert [len(decode(value)) for _, value in kept_values(store, "r2")] == [1_200_000]
    claim.release()


@pytest.mark.parametrize("status", ["", "failed"])
def test_an_attempt_that_begins_and_succeeds_in_one_commit_is_told_by_its_step_whatever_was_known_of_it(
    store: SqliteStore, status: str
) -> None:
    write(store, began("r"), attempted("r", "a", status=status))
    assert [attempt.status for attempt in store.attempts("r")] == [status]
    write(store, attempted("r", "a"), ended("r", "a"))
    assert store.attempts("r") == []
