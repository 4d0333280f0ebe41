"""Results are frozen data that say how each step and the run ended, and become JSON whatever is in them."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from hypothesis import given, strategies as st

from flowbuilder import RunResult, Section, Status, StepResult
from flowbuilder.errors import NotRunError, StepSkippedError


def result(*steps: StepResult[Any], **facts: Any) -> RunResult[Any]:
    given: dict[str, Any] = {"run_id": "r1", "workflow": "etl", "status": Status.SUCCESS, "started_at": 1.0}
    return RunResult(**{**given, "duration": 2.0, "steps": {one.name: one for one in steps}, **facts})


def step(name: str, status: Status = Status.SUCCESS, **facts: Any) -> StepResult[Any]:
    return StepResult(name, status, **facts)


def test_a_steps_value_is_its_value_its_error_or_its_reason() -> None:
    error = OSError("no")
    assert step("a", raw_value=5).value == 5
    with pytest.raises(OSError, match="no") as caught:
        _ = step("a", Status.TIMED_OUT, error=error).value
    assert caught.value is error
    with pytest.raises(StepSkippedError, match=r"^a: skipped: its when was false$"):
        _ = step("a", Status.SKIPPED, reason="its when was false").value


def test_a_rescued_step_is_a_success_that_keeps_its_error() -> None:
    rescued = step("a", raw_value=None, error=OSError("no"))
    assert rescued.value is None
    assert (rescued.to_dict()["status"], rescued.to_dict()["error"]["message"]) == ("success", "no")


def test_the_value_of_a_run_is_its_bodys() -> None:
    assert result(step("a", raw_value=1), step("etl", raw_value=2), body="etl").value == 2


def test_a_body_that_returned_gives_its_value_though_another_step_failed() -> None:
    error = OSError("no")
    run = result(step("a", Status.FAILED, error=error), step("etl", raw_value=2), body="etl", errors=(error,))
    assert run.value == 2
    with pytest.raises(ExceptionGroup, match=r"etl: 1 failed \(r1\)") as caught:
        run.raise_for_errors()
    assert caught.value.exceptions == (error,)


def test_a_body_that_never_ran_says_why() -> None:
    run = result(step("etl", Status.SKIPPED, reason="a was skipped: its when was false"), body="etl")
    with pytest.raises(NotRunError, match=r"^etl was skipped: a was skipped: its when was false$"):
        _ = run.value
    assert run.to_dict()["value"] is None


def test_a_run_without_a_body_gives_what_its_last_steps_gave() -> None:
    run = result(step("a", raw_value=1), step("b", Status.SKIPPED), step("c", raw_value=3), sinks=("b", "c"))
    assert run.value == run.to_dict()["value"] == {"c": 3}


def test_an_error_that_is_no_exception_makes_a_base_group() -> None:
    with pytest.raises(BaseExceptionGroup) as caught:
        result(errors=(SystemExit(3), OSError())).raise_for_errors()
    assert not isinstance(caught.value, ExceptionGroup)


def test_steps_are_counted_by_how_they_ended() -> None:
    ends = [Status.SUCCESS, Status.FAILED, Status.TIMED_OUT, Status.SKIPPED, Status.CANCELLED, Status.SUCCESS]
    run = result(*(step(f"s{number}", status) for number, status in enumerate(ends)))
    assert (run.success_count, run.failed_count, run.skipped_count) == (2, 2, 1)


def test_results_cannot_be_changed_and_can_be_pickled() -> None:
    steps = {"a": step("a", raw_value=[1], sections=(Section("stdout", "x"),))}
    run = result(status=Status.SUCCESS, steps=steps, sinks=("a",))
    steps.clear()
    with pytest.raises(TypeError):
        run.steps["b"] = run.steps["a"]  # type: ignore[index]  # that is the point
    again = pickle.loads(pickle.dumps(run))
    assert again.to_dict() == run.to_dict()
    assert again.value == {"a": [1]}


def test_all_of_a_run_becomes_json() -> None:
    error = ValueError("bad \x1b")
    error.add_note("step b\x1b, attempt 1, run r1")
    items = (step("b[0]", raw_value=1), step("b[1]", Status.FAILED, error=error))
    run = result(step("b", Status.FAILED, items=items, error=error, attempts=1), errors=(error,), notes=("slow",))
    data = json.loads(json.dumps(run.to_dict()))
    assert (data["run_id"], data["workflow"], data["failed_count"], data["notes"]) == ("r1", "etl", 1, ["slow"])
    assert [item["value"] for item in data["steps"][0]["items"]] == [1, None]
    assert data["errors"][0]["type"] == "builtins.ValueError"
    assert data["errors"][0]["notes"] == ["step b\\x1b, attempt 1, run r1"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner),
    max_leaves=8,
)


@given(VALUES)
def test_whatever_a_step_returned_becomes_json(value: object) -> None:
    text = json.dumps(step("a", raw_value=value).to_dict(), allow_nan=False)
    assert json.loads(text)["name"] == "a"


def test_a_number_with_more_digits_than_python_writes_becomes_json() -> None:
    told = json.loads(json.dumps(step("a", raw_value=[10**9999, 7]).to_dict()))
    assert told["value"] == ["<unprintable int: ValueError>", 7]


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner), max_leaves=5))
def test_plain_json_stays_as_it_is(value: object) -> None:
    assert json.loads(json.dumps(step("a", raw_value=value).to_dict()))["value"] == value
