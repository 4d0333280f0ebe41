"""Real signals at real processes: nothing is left behind, and nothing is said in tracebacks."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

MARK = "FLOWBUILDER_SIGNAL_TEST"

# Every kind of step, at work and waiting, endless enough that no moment comes after its end.
STEPS = """
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
from flowbuilder import Context, Retry, provider, step, workflow


@provider
def plain_api() -> Iterator[str]:
    yield "api"
    time.sleep(0.002)


@provider
async def async_api(plain_api: str) -> AsyncIterator[str]:
    async with anyio.create_task_group():
        yield plain_api
        await anyio.sleep(0.002)


@step
async def waits(async_api: str) -> None:
    await anyio.sleep(60)


@step(each={"n": [1, 2, 3]})
async def items(n: int) -> int:
    await anyio.sleep(0.01 * n)
    return n


@step(each={"n": "items"}, retries=Retry(3, delay=60))
def flaky(n: int) -> int:
    raise OSError(n)


@step
def sleeps(plain_api: str, ctx: Context) -> None:
    while True:
        time.sleep(0.002)
        ctx.check_cancelled()


@step(executor="inline")
def inline() -> None:
    time.sleep(0.005)


@step(executor="process", after=[inline])
def busy(mark: Path = Path("worker-runs")) -> None:
    mark.touch()
    while True:
        pass


@workflow(steps=[waits, flaky, sleeps])
def in_process() -> None: ...


@workflow(steps=[waits, items, sleeps, busy])
def mixed() -> None: ...
"""

PROGRAM = """
import signal, sys
from pathlib import Path
from flowbuilder import Registry, run


def interrupt(*_):
    raise KeyboardInterrupt


def main(flows, name, backend):
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, interrupt)
        print("started", flush=True)
        run(name, registry=flows, backend=backend)
        print("ended", flush=True)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        return 2
    return 0


if __name__ == "__main__":
    flows = Registry()
    flows.collect("flow_steps.py")
    sys.exit(main(flows, "mixed", sys.argv[1]))
"""

# Imports once and forks a fresh program for each moment, which costs a tenth of starting one.
FORKS = """
import json, os, random, signal, sys, time
import anyio._backends._asyncio, anyio._backends._trio  # as a program would have loaded them
from flowbuilder import Registry
from program import main

# A program in the background of a shell would ignore Ctrl-C, and so would this one's children.
signal.signal(signal.SIGINT, signal.default_int_handler)
first, last, mode = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
flows = Registry()
flows.collect("flow_steps.py")


def child(seed, name, backend):
    for number, file in ((1, f"out-{seed}"), (2, f"err-{seed}")):
        fd = os.open(file, os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(fd, number)
        os.close(fd)
    if mode == "program":
        return main(flows, name, backend)
    from flowbuilder.__main__ import entry
    sys.argv = ["flowbuilder", "run", f"flow_steps.py::{name}", "--backend", backend]
    return entry()


def catches(pid, number):
    # A signal that comes before anybody is there to catch it ends a program as it always did.
    with open(f"/proc/{pid}/status") as status:
        caught = next(int(line.split()[1], 16) for line in status if line.startswith("SigCgt"))
    return caught >> number - 1 & 1


for seed in range(first, last):
    choose = random.Random(seed)
    name, backend = choose.choice(["in_process", "in_process", "mixed"]), choose.choice(["asyncio", "trio"])
    number, longest = choose.choice([signal.SIGINT, signal.SIGTERM]), 0.5 if name == "mixed" else 0.2
    delay = 0.002 + choose.random() ** 2 * longest
    pid = os.fork()
    if not pid:
        sys.exit(child(seed, name, backend))
    late = time.monotonic() + 10
    while not catches(pid, signal.SIGTERM) and time.monotonic() < late:
        time.sleep(0.0005)
    time.sleep(delay)
    os.kill(pid, number)
    sent, status = time.monotonic(), None
    while status is None and time.monotonic() - sent < 15:
        found, code = os.waitpid(pid, os.WNOHANG)
        status = os.waitstatus_to_exitcode(code) if found else time.sleep(0.002)
    if status is None:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    print(json.dumps({
        "seed": seed, "name": name, "backend": backend, "signal": signal.Signals(number).name, "delay": delay,
        "code": status, "took": time.monotonic() - sent, "out": open(f"out-{seed}").read(),
        "err": open(f"err-{seed}").read(),
    }), flush=True)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("[tool.flowbuilder]\n")
    for name, text in (("flow_steps.py", STEPS), ("program.py", PROGRAM), ("forks.py", FORKS)):
        (tmp_path / name).write_text(text)
    return tmp_path


def alive(mark: str) -> list[int]:
    """Return the processes that were started, however indirectly, with a mark in their environment."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


def assert_nothing_lives(mark: str, seconds: float = 3.0) -> None:
    deadline = time.monotonic() + seconds
    while (left := alive(mark)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert left == []


def outcomes(folder: Path, mode: str, ranges: list[tuple[int, int]]) -> Iterator[dict[str, Any]]:
    """Yield what became of each seed's program; each range of seeds is a process of its own, all at once."""
    mark = str(folder)
    processes = [
        subprocess.Popen(
            [sys.executable, "forks.py", str(first), str(last), mode],
            cwd=folder,
            env={**os.environ, MARK: mark},
            stdout=subprocess.PIPE,
            text=True,
        )
        for first, last in ranges
    ]
    for process in processes:
        out, _ = process.communicate()
        assert process.returncode == 0
        yield from map(json.loads, out.splitlines())
    assert_nothing_lives(mark)


def assert_all_interrupted(folder: Path, mode: str, seeds: range) -> None:
    # Four at once: a program mostly waits, for its moment and for its steps to end.
    cuts = [seeds.start + len(seeds) * part // 4 for part in range(5)]
    found = list(outcomes(folder, mode, list(itertools.pairwise(cuts))))
    assert len(found) == len(seeds)
    wrong = [one for one in found if one["code"] != 2 or "Traceback" in one["err"] + one["out"]]
    wrong += [one for one in found if mode == "program" and one["err"]]
    assert not wrong, json.dumps(wrong, indent=1)
    assert max(one["took"] for one in found) < 12


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.timeout(120)
def test_200_signals_at_random_moments_end_a_program_in_order(folder: Path) -> None:
    assert_all_interrupted(folder, "program", range(200))


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.timeout(120)
def test_signals_at_random_moments_end_the_command_with_code_2(folder: Path) -> None:
    assert_all_interrupted(folder, "command", range(1_000, 1_030))


@pytest.mark.deep
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("mode", ["program", "command"])
def test_many_more_signals(folder: Path, mode: str) -> None:
    assert_all_interrupted(folder, mode, range(10_000, 12_000))


# One signal, looked at closely.


@pytest.fixture
def started(folder: Path, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """Return a program whose every step runs, a worker process included."""
    process = subprocess.Popen(
        [sys.executable, "program.py", getattr(request, "param", "asyncio")],
        cwd=folder,
        env={**os.environ, MARK: str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 20
    while not (folder / "worker-runs").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("started", ["asyncio", "trio"], indirect=True)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_cancels_every_kind_of_step(
    started: subprocess.Popen[str], folder: Path, number: signal.Signals
) -> None:
    assert len(alive(str(folder))) == 2
    started.send_signal(number)
    out, err = started.communicate(timeout=20)

    assert (started.returncode, out, err) == (2, "started\ninterrupted\n", "")
    assert_nothing_lives(str(folder))


def test_no_worker_outlives_a_killed_parent(started: subprocess.Popen[str], folder: Path) -> None:
    assert len(alive(str(folder))) == 2
    started.kill()
    started.communicate(timeout=20)

    assert_nothing_lives(str(folder))


def test_a_storm_of_signals_leaves_nothing_behind(started: subprocess.Popen[str], folder: Path) -> None:
    for _ in range(50):
        with suppress(ProcessLookupError):
            started.send_signal(signal.SIGINT)
    _, err = started.communicate(timeout=20)

    assert started.returncode in (2, -signal.SIGINT)
    assert "Traceback" not in err
    assert_nothing_lives(str(folder))


def test_a_signal_that_the_program_ignores_is_ignored_by_a_run(folder: Path) -> None:
    program = """
import os, signal, sys
from flowbuilder import FlowBuilder, run

def body():
    os.kill(os.getpid(), signal.SIGINT)
    return "went on"

signal.signal(signal.SIGINT, signal.SIG_IGN)
print(run(FlowBuilder("one").step(body).build()).value)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "{'body': 'went on'}\n", "")
