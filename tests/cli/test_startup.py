"""Start-up is a feature: what a command does not need is not imported, and the help comes at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import REPORT

HEAVY = {"networkx", "rich", "sqlite3", "msgspec", "multiprocessing", "trio", "pydantic", "xml", "tomllib"}
PROGRAM = """
import sys
from flowbuilder.cli import main
code = main(sys.argv[1:])
print(code, *sys.modules, file=sys.stderr)
"""
BARE = "import click, pluggy, anyio, flowbuilder"


# Measuring coverage imports and costs a lot of what is looked for here.
ENVIRON = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}


def python(*words: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=ENVIRON, capture_output=True, text=True, timeout=60, check=True
    )


def imported(folder: Path, *words: str) -> set[str]:
    (folder / "flow_report.py").write_text(REPORT.replace("\n    ", "\n"))
    done = python("-c", PROGRAM, *words, folder=folder)
    code, *modules = done.stderr.split()
    assert code == "0", done.stderr
    return {name.partition(".")[0] for name in modules} | set(modules)


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["run", "--help"], ["list"], ["run", "-q", "--no-store"]])
def test_what_is_heavy_is_imported_only_when_it_is_used(tmp_path: Path, words: list[str]) -> None:
    assert imported(tmp_path, *words) & HEAVY == set()


def test_help_imports_no_command_and_no_plugin(tmp_path: Path) -> None:
    modules = imported(tmp_path, "--help")
    assert {name for name in modules if name.startswith(("flowbuilder.cli.commands", "flowbuilder.builtin"))} == set()


def test_a_plan_imports_what_it_needs(tmp_path: Path) -> None:
    assert "networkx" in imported(tmp_path, "plan")


@pytest.mark.parametrize(("words", "is_settled"), [(["-m", "flowbuilder"], True), (["-c", PROGRAM], False)])
def test_in_a_process_of_its_own_no_garbage_is_sought_in_what_was_there_before_the_flow_file(
    tmp_path: Path, words: list[str], is_settled: bool
) -> None:
    flow = "import gc\nfrom flowbuilder import step\nstep(name='one')(lambda: 1)\n"
    (tmp_path / "flow_settled.py").write_text(flow + "print(gc.get_freeze_count() > 10_000, gc.get_threshold()[0])\n")
    done = python(*words, "run", "-s", "--no-store", folder=tmp_path)
    assert done.stdout.splitlines()[0] == f"{is_settled} {10_000 if is_settled else 700}"
