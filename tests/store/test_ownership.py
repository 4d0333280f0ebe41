"""Who owns a run, and what a dead owner has noted."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from flowbuilder.store.ownership import Ownership
from flowbuilder.store.rows import Unit

PROGRAM = """
import os, signal, sys
from pathlib import Path
from flowbuilder.store.ownership import Ownership
from flowbuilder.store.rows import Unit

claim = Ownership(Path(sys.argv[1])).claim("r1")
claim.begin(Unit("load"), 1)
claim.begin(Unit("两 steps", 3), 2)
if sys.argv[2] == "die":
    os.kill(os.getpid(), signal.SIGKILL)
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_run_is_free_as_soon_as_its_owner_is_dead_and_its_notes_are_there(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path), "die"], check=False)
    assert done.returncode == -signal.SIGKILL
    ownership = Ownership(tmp_path)
    assert not ownership.is_alive("r1")
    assert ownership.begun("r1") == [(Unit("load"), 1), (Unit("两 steps", 3), 2)]
    claim = ownership.claim("r1")
    assert ownership.begun("r1") == []
    claim.release()
    assert list(tmp_path.iterdir()) == []


def test_a_living_owner_is_named(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path), "live"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    ownership = Ownership(tmp_path)
    assert ownership.is_alive("r1")
    assert ownership.owner("r1").startswith(f"process {process.pid} on ")
    process.communicate()
    assert not ownership.is_alive("r1")


def test_a_line_that_was_torn_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "r1").write_text("process 1 on here\n1 -1 load\n2 -1 lo")
    assert Ownership(tmp_path).begun("r1") == [(Unit("load"), 1)]
    assert Ownership(tmp_path).begun("nobody") == []
    assert [file.name for file in tmp_path.iterdir()] == ["r1"]
