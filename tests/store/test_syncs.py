"""What the system is asked for, as strace sees it: a sync before each report, and few of them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os, sys
from flowbuilder import FlowBuilder, hookimpl, run
from flowbuilder.store.sqlite import SqliteStore

class Reports:
    @hookimpl
    def flowbuilder_step_finish(self, step):
        os.write(out, f"told {step.name}".encode())

def chain(flow):
    flow.step(lambda: 0, name="s0")
    for number in range(1, 30):
        flow.step(lambda before: before, name=f"s{number}", needs={"before": f"s{number - 1}"})

def fan(flow):
    for number in range(100):
        flow.step(lambda: 0, name=f"s{number}")

out = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT)
flow = FlowBuilder("flow")
{"chain": chain, "fan": fan}[sys.argv[3]](flow)
store = SqliteStore(sys.argv[1], sys.argv[4])
os.write(out, b"begin")
run(flow.build(), store=store, plugins=[Reports()])
os.write(out, b"end")
"""


@pytest.fixture(autouse=True)
def can_trace() -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    if subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody trace")


def calls(folder: Path, shape: str, durability: str) -> list[str]:
    """Return "sync" and what was told, in their order, of a run."""
    words = [str(folder / "runs.db"), str(folder / "out.txt"), shape, durability]
    trace = ["strace", "-f", "-e", "trace=fdatasync,fsync,write", "-s", "40", "-o", str(folder / "trace")]
    subprocess.run([*trace, sys.executable, "-c", PROGRAM, *words], check=True)
    found: list[str] = []
    for line in (folder / "trace").read_text().splitlines():
        # A sync counts when it has come back.
        if re.search(r"(fdatasync|fsync)(\(| resumed).* = 0$", line):
            found.append("sync")
        elif said := re.search(r'write\(\d+, "(begin|end|told \w+)"', line):
            found.append(said[1])
    return found[found.index("begin") : found.index("end")]


def test_every_report_of_a_chain_comes_after_a_sync_of_its_own(tmp_path: Path, unmeasured: None) -> None:
    found = calls(tmp_path, "chain", "full")
    told = [place for place, call in enumerate(found) if call.startswith("told")]
    assert len(told) == 30
    # Reports may come late, and then two of them follow one another.
    for number, place in enumerate(told):
        assert found[:place].count("sync") > number, f"s{number} was told before a sync"
    # One for each step, one for the beginning, and those of checkpoints.
    assert found.count("sync") <= 30 + 6


def test_steps_side_by_side_share_their_syncs(tmp_path: Path, unmeasured: None) -> None:
    found = calls(tmp_path, "fan", "full")
    assert sum(call.startswith("told") for call in found) == 100
    assert found.count("sync") <= 12


def test_normal_durability_asks_for_hardly_any_sync(tmp_path: Path, unmeasured: None) -> None:
    assert calls(tmp_path, "chain", "normal").count("sync") <= 4
