"""Real signals at real processes: nothing is left behind, and nothing is said in tracebacks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

PROGRAM = """
import sys, time, anyio
from flowbuilder import FlowBuilder, run
from flow_steps import busy

async def waits():
    await anyio.sleep(60)

def sleeps(ctx):
    while True:
        time.sleep(0.01)
        ctx.check_cancelled()

flow = FlowBuilder("mixed").step(waits).step(sleeps).step(busy).build()
print("started", flush=True)
try:
    run(flow, backend=sys.argv[1])
except KeyboardInterrupt:
    print("interrupted", flush=True)
    sys.exit(2)
"""

STEPS = """
import time
from flowbuilder import step

@step(executor="process")
def busy():
    open("worker-runs", "w").close()
    while True:
        pass
"""


def started(folder: Path, backend: str) -> subprocess.Popen[str]:
    (folder / "program.py").write_text(PROGRAM)
    (folder / "flow_steps.py").write_text(STEPS)
    process = subprocess.Popen(
        [sys.executable, "program.py", backend],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 20
    while not (folder / "worker-runs").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return process


def alive(pids: list[int], seconds: float) -> list[int]:
    deadline = time.monotonic() + seconds
    left = pids
    while left and time.monotonic() < deadline:
        time.sleep(0.02)
        left = [pid for pid in left if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"]
    return left


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_cancels_every_kind_of_step(tmp_path: Path, backend: str, number: signal.Signals) -> None:
    process = started(tmp_path, backend)
    workers = [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
    os.kill(process.pid, number)
    out, err = process.communicate(timeout=20)

    assert process.returncode == 2, err
    assert "interrupted" in out
    assert "Traceback" not in err
    assert workers
    assert not alive(workers, 2)


def test_no_worker_outlives_a_killed_parent(tmp_path: Path) -> None:
    process = started(tmp_path, "asyncio")
    workers = [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
    process.kill()
    process.communicate(timeout=20)

    assert workers
    assert not alive(workers, 3)
