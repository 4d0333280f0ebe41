"""The JSON document of all runs, in a file or alone on stdout."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import flowbuilder
from flowbuilder.testing import FlowTester

FLOW = """
import os, subprocess, sys
from flowbuilder import step, workflow

@step(each={"n": [1, 2]})
def square(n: int) -> int:
    print("printed")
    subprocess.run([sys.executable, "-c", "print('from a program')"], check=True)
    os.write(1, b"straight to the descriptor")
    return n * n

@workflow
def total(square: list[int]) -> str:
    return "é\\x1b" * sum(square)

@workflow
def broken() -> None:
    raise ValueError("no")
"""


@pytest.fixture
def flow(flowtester: FlowTester) -> FlowTester:
    flowtester.write("flow_total.py", FLOW)
    return flowtester


def test_a_file_has_all_runs(flow: FlowTester) -> None:
    outcome = flow.run_process("run", "flow_total.py", "--json", "out.json")
    document = json.loads((flow.path / "out.json").read_text(encoding="ascii"))

    assert outcome.exit_code == 1
    assert document["flowbuilder"] == flowbuilder.__version__
    assert [(run["workflow"], run["status"]) for run in document["runs"]] == [
        ("total", "success"),
        ("broken", "failed"),
    ]
    assert document["runs"][0]["value"] == "é\x1b" * 5
    items = document["runs"][0]["steps"][0]["items"]
    assert [item["sections"] for item in items] == [[{"title": "stdout", "text": "printed\n"}]] * 2


def test_a_dash_prints_only_json_on_stdout(flow: FlowTester) -> None:
    outcome = flow.run_process("run", "-s", "flow_total.py::total", "--json", "-")

    assert json.loads(outcome.stdout)["runs"][0]["workflow"] == "total"
    for text in ("printed\n", "from a program\n", "straight to the descriptor", "2 succeeded"):
        assert text in outcome.stderr


def test_a_dash_in_this_process_gives_stdout_back(flow: FlowTester, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = flow.run("run", "flow_total.py::broken", "--json", "-")
    print("after")

    assert json.loads(outcome.stdout)["runs"][0]["status"] == "failed"
    assert "1 failed" in outcome.stderr
    assert capsys.readouterr().out == "after\n"


def test_stdout_is_given_back_where_nothing_could_run(flow: FlowTester, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = flow.run("run", "flow_missing.py", "--json", "-")
    print("after")

    assert (outcome.exit_code, outcome.stdout) == (4, "")
    assert capsys.readouterr().out == "after\n"


def test_a_document_that_does_not_fit_on_the_disk_is_an_error(flow: FlowTester) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "flowbuilder", "run", "flow_total.py::total", "-qq", "--json", "-"],
            cwd=flow.path, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 4
    assert done.stderr.endswith(
        "error: the document of --json - cannot be written\n  got: OSError: [Errno 28] No space left on device\n"
    )
