"""kill -9 at random moments: nothing that was told is done again, nothing that was told is lost."""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import pytest

from flowbuilder.store.rows import RunQuery
from flowbuilder.store.sqlite import SqliteStore
from flowbuilder.store.values import decode
from tests.store.samples import kept_values

# Each step writes a line when it starts; a hook writes one when it was told that it finished.
FLOW = """
import os, time
from flowbuilder import hookimpl, step, workflow

LOG = os.open("log.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def note(*words):
    os.write(LOG, (" ".join(map(str, words)) + "\\n").encode())

@hookimpl
def flowbuilder_step_finish(run, step, result):
    if not result.reason and step.total is None:
        note("told", step.name, result.value)

def begin(ctx):
    note("start", ctx.step, ctx.attempt)
    time.sleep(0.002)

@step
def first(ctx) -> int:
    begin(ctx)
    return 1

@step
async def left(first: int, ctx) -> int:
    begin(ctx)
    return first + 1

@step
def right(first: int, ctx) -> tuple:
    begin(ctx)
    return (first,)

@step
def items(left: int, right: tuple, ctx) -> list:
    begin(ctx)
    return list(range(20))

@step(each={"x": "items"})
def work(x: int, ctx) -> int:
    begin(ctx)
    return x * x

@step(each={"x": "work"})
async def more(x: int, ctx) -> int:
    begin(ctx)
    return x + 1

async def visit(n, ctx) -> int:
    begin(ctx)
    return sum(await ctx.map(fetch, [n, n + 1]))

def fetch(n, ctx) -> int:
    begin(ctx)
    return n * 3

@step
async def crawl(left: int, ctx) -> int:
    begin(ctx)
    found = sum(await ctx.map(visit, range(8)))
    one = await ctx.run(fetch, 100)
    note("told", "crawl/fetch", one)
    return found + one

@step
def dive(right: tuple, ctx) -> int:
    begin(ctx)
    return sum(ctx.map_sync(fetch, range(10)))

@step
def last(more: list, crawl: int, dive: int, ctx) -> int:
    begin(ctx)
    return sum(more) + crawl + dive

@workflow
def flow(last: int, ctx) -> int:
    begin(ctx)
    return last
"""
# Forks a process for each command: one that has loaded everything already, so that its life is nearly all run.
FORKS = """
import os, sys
from flowbuilder.cli import main

def live(folder, words):
    os.chdir(folder)
    sys.path.insert(0, folder)
    out = os.open("out.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os._exit(main(words))

out = os.dup(1)
os.dup2(2, 1)
assert main(["run", "flow_warm.py"]) == 0
for line in sys.stdin:
    folder, *words = line[:-1].split("\\t")
    child = os.fork()
    if not child:
        live(folder, words)
    os.write(out, b"%d\\n" % child)
    os.write(out, b"%d\\n" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
EXPECTED = sum(x * x + 1 for x in range(20)) + sum(6 * n + 3 for n in range(8)) + 300 + 135
LONGEST_LIFE = 0.1  # seconds after the first step of a process has begun


def lines(folder: Path, kind: str) -> list[list[str]]:
    text = (folder / "log.txt").read_text() if (folder / "log.txt").exists() else ""
    return [line.split(" ", 2)[1:] for line in text.split("\n")[:-1] if line.startswith(f"{kind} ")]


class Lives(Protocol):
    """Runs commands that are killed."""

    def __call__(self, folder: Path, seconds: float | None, *words: str) -> int:
        """Run a command, and kill it so long after its run has begun; return its exit code."""


def wait_for_a_start(folder: Path, before: int, is_over: Callable[[], object]) -> None:
    while len(lines(folder, "start")) == before and not is_over():
        time.sleep(0.001)


def killed_after(folder: Path, seconds: float | None, *words: str) -> int:
    """Run a command, and kill it so long after its run has begun; return its exit code."""
    process = subprocess.Popen(
        [sys.executable, "-m", "flowbuilder", *words, "-p", "flow_all"],
        cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    before = len(lines(folder, "start"))
    wait_for_a_start(folder, before, lambda: process.poll() is not None)
    if seconds is not None:
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
    code, error = process.wait(), process.stderr.read().decode() if process.stderr else ""
    if process.stderr:
        process.stderr.close()
    # The process may have been killed after the run had ended: then nothing is left to go on with.
    assert code in (0, 5, -signal.SIGKILL), error
    return code


class Forks:
    """Does the same with processes that are forked from one that has loaded everything."""

    def __init__(self, folder: Path) -> None:
        (folder / "pyproject.toml").touch()
        (folder / "flow_warm.py").write_text("from flowbuilder import step\n\n@step\ndef one() -> int:\n    return 1\n")
        self._parent = subprocess.Popen(
            [sys.executable, "-c", FORKS],
            cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip

    def __call__(self, folder: Path, seconds: float | None, *words: str) -> int:
        told, heard = self._parent.stdin, self._parent.stdout
        assert told is not None
        assert heard is not None
        before = len(lines(folder, "start"))
        told.write("\t".join([str(folder), *words, "-p", "flow_all"]) + "\n")
        told.flush()
        child = int(heard.readline())
        # It is there until its parent has told how it ended.
        wait_for_a_start(folder, before, lambda: select.select([heard], [], [], 0)[0])
        if seconds is not None:
            time.sleep(seconds)
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        code = int(heard.readline())
        assert code in (0, 5, -signal.SIGKILL), (folder / "out.txt").read_text()
        return code

    def close(self) -> None:
        self._parent.communicate()


def check_told(folder: Path) -> None:
    """Assert that all that was told stands in the store, and that none of it ran again after it was told."""
    text = (folder / "log.txt").read_text().split("\n")[:-1]
    done: set[str] = set()
    for line in text:
        kind, name, _ = line.split(" ", 2)
        assert kind == "told" or name not in done, f"{name} ran again after it was told"
        done |= {name} if kind == "told" else set()
    store = SqliteStore(folder / ".flowbuilder" / "runs.db")
    (row,) = store.runs(RunQuery())
    kept = {str(unit): repr(decode(value)) for unit, value in kept_values(store, row.run_id) if value.format}
    assert store.problems() == []
    store.close()
    assert {name: value for name, value in lines(folder, "told") if "/" not in name}.items() <= kept.items()


def survive(folder: Path, seed: int, most: int, live: Lives = killed_after) -> int:
    """Kill a run at random moments, so often at ``most``, until it ends; return how often it was killed."""
    (folder / "pyproject.toml").touch()
    (folder / "flow_all.py").write_text(FLOW)
    chance, kills = random.Random(seed), 0
    words: tuple[str, ...] = ("run", "flow_all.py", "-n", "4")
    while live(folder, _life(chance, kills) if kills < most else None, *words) < 0:
        kills += 1
        check_told(folder)
        words = ("resume",)
    check_told(folder)
    starts = Counter(name for name, _ in lines(folder, "start"))
    assert all(count <= 1 + kills for count in starts.values())
    for name in starts:
        numbers = [int(number) for one, number in lines(folder, "start") if one == name]
        assert numbers == sorted(numbers)
    return kills


def _life(chance: random.Random, kills: int) -> float:
    """Return the seconds after which to kill: every fourth time it gets on, since a run that never does is refused."""
    return LONGEST_LIFE * (4 if kills % 4 == 3 else chance.random())


def final_value(folder: Path) -> int:
    store = SqliteStore(folder / ".flowbuilder" / "runs.db")
    (row,) = store.runs(RunQuery(status="success"))
    values = {str(unit): value for unit, value in kept_values(store, row.run_id)}
    store.close()
    return int(decode(values["flow"]))


@pytest.mark.timeout(300)
def test_kills_at_random_moments_lose_nothing_and_repeat_nothing_that_was_told(
    tmp_path: Path, unmeasured: None
) -> None:
    kills = seed = 0
    # Where the disk is fast and the machine busy, some runs end before they are killed.
    while seed < 2 or kills < 5:
        folder = tmp_path / str(seed)
        folder.mkdir()
        kills += survive(folder, seed, 5)
        assert final_value(folder) == EXPECTED
        seed += 1


@pytest.mark.timeout(300)
def test_200_kills_lose_nothing_and_repeat_nothing_that_was_told(tmp_path: Path, unmeasured: None) -> None:
    forks = Forks(tmp_path)
    kills = seed = 0
    while kills < 200:
        folder = tmp_path / str(seed)
        folder.mkdir()
        kills += survive(folder, seed, 12, forks)
        assert final_value(folder) == EXPECTED
        seed += 1
    forks.close()


@pytest.mark.deep
@pytest.mark.timeout(3600)
def test_many_kills_lose_nothing_and_repeat_nothing_that_was_told(tmp_path: Path, unmeasured: None) -> None:
    kills = seed = 0
    while kills < 5_000:
        folder = tmp_path / str(seed)
        folder.mkdir()
        kills += survive(folder, seed, 12)
        assert final_value(folder) == EXPECTED
        seed += 1
