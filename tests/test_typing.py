"""The files of tests/typing mean the same to mypy and to pyright as they say.

Their errors are expected line by line: a checker that sees less than it should finds a comment too many.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "tests" / "typing"


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("unmeasured")
def test_mypy_sees_the_types_that_are_meant() -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", str(FOLDER)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("", 0)


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("unmeasured")
@pytest.mark.skipif(shutil.which("node") is None, reason="pyright is a program for Node.js")
def test_pyright_sees_the_types_that_are_meant(tmp_path: Path) -> None:
    for file in FOLDER.glob("*.py"):
        shutil.copy(file, tmp_path)
    settings = {
        "pythonVersion": "3.11",
        "typeCheckingMode": "standard",
        "reportUnnecessaryTypeIgnoreComment": True,
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--outputjson", "-p", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)
    assert found["generalDiagnostics"] == []
    assert found["summary"]["filesAnalyzed"] == 3
