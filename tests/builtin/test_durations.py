"""The table of the slowest steps and items."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest

from flowbuilder import RunResult, Status, StepResult, Terminal
from flowbuilder.builtin.durations import Durations
from flowbuilder.testing import FlowTester


def result(workflow: str, *steps: StepResult[Any]) -> RunResult[Any]:
    return RunResult(
        run_id="1",
        workflow=workflow,
        status=Status.SUCCESS,
        steps={s.name: s for s in steps},
        started_at=0.0,
        duration=9,
    )


def table(wanted: int, *results: RunResult[Any]) -> list[str]:
    stream = io.StringIO()
    Durations(wanted).flowbuilder_summary(Terminal(stream), results)
    return stream.getvalue().splitlines()


QUICK: StepResult[Any] = StepResult("quick", Status.SUCCESS, duration=0.001, attempts=1)
SLOW: StepResult[Any] = StepResult("slow", Status.FAILED, duration=75.0, attempts=3)
NEVER: StepResult[Any] = StepResult("never", Status.SKIPPED)
ITEMS = (replace(QUICK, name="many[0]", duration=1.5), replace(NEVER, name="many[1]"))
MANY: StepResult[Any] = StepResult("many", Status.SUCCESS, duration=2.0, attempts=1, items=ITEMS)


def test_the_slowest_come_first_items_among_them() -> None:
    assert table(3, result("one", QUICK, SLOW, NEVER, MANY)) == [
        "======================== slowest 3 of 4 steps and items ========================",
        "    75.0 s  slow  (3 attempts)",
        "    2.00 s  many  (2 items)",
        "    1.50 s  many[0]",
    ]


def test_a_repeated_step_has_rounds_as_in_its_line() -> None:
    assert table(0, result("one", replace(SLOW, rounds=2)))[1:] == ["    75.0 s  slow  (2 rounds)"]


def test_zero_means_all_and_several_runs_are_named() -> None:
    lines = table(0, result("one", QUICK), result("two", QUICK, SLOW))
    assert [line.split("  ")[-1] for line in lines[1:]] == ["(3 attempts)", "one › quick", "two › quick"]


def test_nothing_is_printed_where_nothing_ran() -> None:
    assert table(5, result("one", NEVER)) == []


@pytest.mark.parametrize("wanted", ["-1", "many"])
def test_a_wrong_number_is_refused(flowtester: FlowTester, wanted: str) -> None:
    flowtester.write("flow_one.py", "from flowbuilder import step\n@step\ndef one(): ...\n")
    outcome = flowtester.run("run", "flow_one.py", "--durations", wanted)

    assert outcome.exit_code == 4
    assert "--durations" in outcome.stderr


def test_the_table_stands_before_the_counts(flowtester: FlowTester) -> None:
    flowtester.write("flow_one.py", "from flowbuilder import step\n@step\ndef one(): ...\n")
    lines = flowtester.run("run", "flow_one.py", "--durations", "1").stdout.splitlines()

    assert "slowest 1 of 1 step and item" in lines[-3]
    assert lines[-2].endswith("s  one")
    assert "1 succeeded" in lines[-1]
