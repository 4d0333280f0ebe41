"""The JSON document of all runs, in a file or alone on stdout."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import flowbuilder
from flowbuilder import hookimpl
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


def test_stdout_has_a_document_also_where_nothing_could_run(
    flow: FlowTester, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = flow.run("run", "flow_missing.py", "--json", "-")
    print("after")

    message = "there is no file or folder 'flow_missing.py'\n  hint: paths are taken from the current folder"
    assert outcome.exit_code == 4
    assert json.loads(outcome.stdout) == {
        "flowbuilder": flowbuilder.__version__,
        "runs": [],
        "error": {"type": "flowbuilder.errors.CollectError", "message": message},
    }
    assert outcome.stderr == f"error: {message}\n"
    assert capsys.readouterr().out == "after\n"


def test_a_file_of_an_earlier_run_does_not_outlive_a_wrong_plan(flow: FlowTester) -> None:
    file = flow.write("out.json", "old")
    assert flow.run("run", "flow_total.py::total", "--json", "out.json").exit_code == 0
    assert json.loads(file.read_text())["error"] is None
    assert flow.run("run", "flow_total.py::total", "-P", "a=1", "--json", "out.json").exit_code == 4

    assert json.loads(file.read_text())["error"]["message"].startswith("there is no input named 'a'")


def test_runs_that_ended_are_kept_where_a_plugin_ends_the_command(flow: FlowTester) -> None:
    class Broken:
        @hookimpl(trylast=True)
        def flowbuilder_summary(self) -> None:
            raise ZeroDivisionError("broken")

    outcome = flow.run("run", "flow_total.py::total", "--json", "-", plugins=[Broken()])
    found = json.loads(outcome.stdout)
    assert outcome.exit_code == 3
    assert [run["workflow"] for run in found["runs"]] == ["total"]
    assert found["error"] == {"type": "builtins.ZeroDivisionError", "message": "ZeroDivisionError: broken"}


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
