"""The JUnit XML that is written, read back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, strategies as st

from flowbuilder import Registry, RunResult, Section, Status, StepResult, run
from flowbuilder.builtin.junit_document import document
from flowbuilder.testing import FlowTester


def written(*steps: StepResult[Any], errors: tuple[BaseException, ...] = ()) -> ElementTree.Element:
    result: RunResult[Any] = RunResult(
        run_id="abc", workflow="flow", status=Status.FAILED, steps={s.name: s for s in steps}, errors=errors,
        started_at=0.0, duration=1.25,
    )  # fmt: skip
    return ElementTree.fromstring(document([result]).encode())


def test_a_suite_counts_its_cases() -> None:
    items: tuple[StepResult[Any], ...] = (
        StepResult("many[0]", Status.SUCCESS),
        StepResult("many[1]", Status.TIMED_OUT, error=TimeoutError("late")),
        StepResult("many[2]", Status.SKIPPED, reason="its when was false"),
    )
    root = written(
        StepResult("fine", Status.SUCCESS, duration=0.5),
        StepResult("many", Status.FAILED, items=items, reason="1 of 3 items timed out"),
        StepResult("stopped", Status.CANCELLED),
    )
    suite = root[0]

    assert dict(suite.attrib) == {
        "name": "flow", "tests": "5", "failures": "2", "errors": "1", "skipped": "1", "time": "1.250",
        "timestamp": "1970-01-01T00:00:00+00:00", "id": "abc",
    }  # fmt: skip
    assert [case.get("name") for case in suite] == ["fine", "many", "many[1]", "many[2]", "stopped"]
    assert [(root.get(name)) for name in ("tests", "failures", "errors", "skipped")] == ["5", "2", "1", "1"]


def test_what_was_undone_is_told_as_skipped() -> None:
    items: tuple[StepResult[Any], ...] = (StepResult("many[0]", Status.SUCCESS, undone=True, reason="it was undone"),)
    rescued: StepResult[Any] = StepResult("a", Status.SUCCESS, error=OSError(), undone=True, reason="its undo failed")
    root = written(rescued, StepResult("many", Status.SUCCESS, items=items, undone=True, reason="many[0] was undone"))

    assert (root.get("tests"), root.get("skipped"), root.get("failures")) == ("3", "3", "0")
    told = [case.find("skipped") for case in root[0]]
    assert [one.attrib for one in told if one is not None] == [
        {"message": "its undo failed"}, {"message": "many[0] was undone"}, {"message": "it was undone"},
    ]  # fmt: skip


def test_a_failure_has_its_message_type_and_traceback() -> None:
    case = written(StepResult("load", Status.FAILED, error=ValueError("bad <&> worse"), duration=2.0))[0][0]

    failure = case.find("failure")
    assert failure is not None
    assert (case.get("classname"), case.get("time")) == ("flow", "2.000")
    assert (failure.get("message"), failure.get("type")) == ("ValueError: bad <&> worse", "ValueError")
    assert failure.text == "ValueError: bad <&> worse"


def test_output_is_told_apart() -> None:
    sections = (Section("stdout", "out"), Section("stderr", "err"), Section("log", "logged"))
    case = written(StepResult("talks", Status.SUCCESS, sections=sections))[0][0]

    assert (case.findtext("system-out"), case.findtext("system-err")) == ("out\nlogged", "err")


@given(st.text())
def test_any_text_makes_valid_xml(text: str) -> None:
    step: StepResult[Any] = StepResult(
        text, Status.FAILED, error=ValueError(text), reason=text, sections=(Section("stdout", text),)
    )
    assert len(written(step)[0]) == 1


def test_characters_that_xml_cannot_hold_are_dropped() -> None:
    case = written(StepResult("a\x00b\x1b\ud800c￾d", Status.SUCCESS))[0][0]
    assert case.get("name") == "abcd"


def test_an_error_of_no_step_is_a_case_of_its_own() -> None:
    flows = Registry()

    @flows.provider
    def client() -> Iterator[int]:
        yield 1
        raise RuntimeError("torn")

    @flows.step
    def uses(client: int) -> None: ...

    suite = ElementTree.fromstring(document([run("uses", registry=flows)]).encode())[0]
    assert [(case.get("name"), case[0].tag if len(case) else "") for case in suite] == [
        ("uses", ""),
        ("(after the steps)", "error"),
    ]


# Through the command line.


@pytest.fixture
def flow(flowtester: FlowTester) -> FlowTester:
    flowtester.write("flow_one.py", "from flowbuilder import step\n@step\ndef one(): raise ValueError\n")
    return flowtester


def test_the_file_is_written_when_steps_fail(flow: FlowTester) -> None:
    outcome = flow.run("run", "flow_one.py", "--junitxml", "out.xml")

    assert outcome.exit_code == 1
    assert ElementTree.parse(flow.path / "out.xml").getroot().get("failures") == "1"


def test_a_file_that_cannot_be_written_is_refused_before_anything_runs(flow: FlowTester) -> None:
    outcome = flow.run("run", "flow_one.py", "--junitxml", "no/such/out.xml")

    assert outcome.exit_code == 4
    assert outcome.stderr == (
        "error: the file of --junitxml is in a folder that does not exist\n"
        "  got: no/such/out.xml\n  hint: mkdir -p no/such\n"
    )
    assert outcome.recorder.runs == []
