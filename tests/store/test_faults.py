"""Deaths, torn logs and failing disks: what was acknowledged is kept, and nothing else is made of it."""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from flowbuilder import FlowBuilder, ParallelConfig, Status, run
from flowbuilder.errors import StoreError
from flowbuilder.store import writing
from flowbuilder.store.rows import RunQuery
from flowbuilder.store.sqlite import SqliteStore
from flowbuilder.testing import Recorder
from tests.store.samples import began, ended, kept_values, names, write

WRITER = """
import os, sys
from pathlib import Path
from flowbuilder.store.sqlite import SqliteStore
from tests.store.samples import began, ended

store = SqliteStore(Path(sys.argv[1]), sys.argv[2])
out = os.open(sys.argv[3], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
write = lambda text: os.write(out, text.encode())
store.write(lambda: [began("r")], lambda error: write("began\\n"))
number = 0
while True:
    name = f"s{number}"
    # Every hundredth value is in a file of its own.
    value = "x" * (1_100_000 if number % 100 == 99 else number % 50)
    store.write(lambda name=name, value=value: [ended("r", name, value)], lambda error, name=name: write(f"{name}\\n"))
    number += 1
    if number % 20 == 0:
        import time; time.sleep(0.001)
"""


def acknowledged(file: Path) -> list[str]:
    lines = file.read_text().split("\n")[:-1] if file.exists() else []
    return [line for line in lines if line != "began"]


@pytest.mark.parametrize("durability", ["full", "normal"])
def test_a_killed_process_loses_nothing_that_was_acknowledged(
    tmp_path: Path, durability: str, unmeasured: None
) -> None:
    chance = random.Random(durability)
    for turn in range(8):
        path, said = tmp_path / str(turn) / "runs.db", tmp_path / f"{turn}.txt"
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(path), durability, str(said)])
        while not said.exists():
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
        process.wait()
        store = SqliteStore(path)
        kept = names(store.units("r"))
        assert store.problems() == []
        assert set(acknowledged(said)) <= set(kept)
        # What is kept is what was written first, without a gap.
        assert kept == [f"s{number}" for number in range(len(kept))]
        assert all(len(value.data) for _, value in kept_values(store, "r"))
        store.close()


@pytest.mark.timeout(300)
def test_a_log_that_is_torn_anywhere_gives_back_what_was_written_first(tmp_path: Path) -> None:
    path = tmp_path / "one" / "runs.db"
    store = SqliteStore(path)
    write(store, began("r"))
    store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for number in range(12):
        write(store, ended("r", f"s{number}", "x" * 500 * (number % 3)))
    log = path.with_name("runs.db-wal")
    whole, chance = log.read_bytes(), random.Random(1)
    images = [whole[:cut] for cut in range(0, len(whole), 997)]
    images += [whole[:cut] + bytes(len(whole) - cut) for cut in range(32, len(whole), 4120)]
    images += [whole[:cut] + chance.randbytes(2_000) + whole[cut + 2_000 :] for cut in range(0, len(whole), 9_000)]
    for image in images:
        copy = tmp_path / "copy" / "runs.db"
        copy.parent.mkdir()
        shutil.copy(path, copy)
        copy.with_name("runs.db-wal").write_bytes(image)
        torn = SqliteStore(copy)
        kept = names(torn.units("r"))
        assert kept == [f"s{number}" for number in range(len(kept))]
        assert torn.problems() == []
        torn.close()
        shutil.rmtree(copy.parent)
    assert names(store.units("r")) == [f"s{number}" for number in range(12)]
    store.close()


def flow(ran: list[str]) -> Any:
    def first() -> int:
        ran.append("first")
        return 1

    def each(first: int, x: int) -> int:
        ran.append(f"each {x}")
        return first + x

    def last(each: list[int]) -> int:
        ran.append("last")
        return sum(each)

    return FlowBuilder("flow").step(first).step(each, each={"x": [0, 1, 2]}).step(last).build()


@contextmanager
def failing(number: int, error: Exception) -> Iterator[None]:
    """Let the commit of this number fail."""
    commits = iter(range(1, 1_000))
    before = writing.apply

    def apply(*facts: Any) -> None:
        before(*facts)
        if next(commits) == number:
            raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "apply", apply)
        yield


@pytest.mark.timeout(300)
@pytest.mark.parametrize("error", [sqlite3.OperationalError("disk I/O error"), OSError(28, "No space left on device")])
def test_whichever_commit_fails_what_was_told_is_kept_and_the_run_goes_on_later(
    tmp_path: Path, error: Exception
) -> None:
    number = 0
    while True:
        number += 1
        path, heard, ran = tmp_path / str(number) / "runs.db", Recorder(), list[str]()
        config = ParallelConfig(max_concurrency=2)
        try:
            with failing(number, error):
                run(flow(ran), store=path, plugins=[heard], config=config)
            break
        except StoreError:
            store = SqliteStore(path)
        kept = {str(row.unit) for one in store.runs(RunQuery()) for row in store.units(one.run_id)}
        # A mapped step is its items: how it ended as a whole follows from them.
        told = {line.removeprefix("finish ") for line in heard.told if line.startswith("finish ")} - {"each"}
        assert told <= kept
        for one in store.runs(RunQuery()):
            again = list[str]()
            result = run(flow(again), store=store, resume=one.run_id, config=config)
            assert (result.status, result.steps["last"].value) == (Status.SUCCESS, 6)
            assert not {name.replace("[", " ").replace("]", "") for name in told} & set(again)
        store.close()
    assert number > 5
