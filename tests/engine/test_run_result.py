"""RunResult: its value, its errors with their notes, and itself as JSON."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from flowbuilder import FlowBuilder, Registry, Retry, Status, run
from flowbuilder.errors import StepSkippedError
from flowbuilder.runner import Backend


def failing() -> Any:
    flow = FlowBuilder("nightly").step(lambda: 1 / 0, name="divided", retries=1)
    flow.step(lambda: dict[str, int]()["key"], name="looked_up").step(lambda divided: divided, name="below")
    return flow.step(lambda: 1, name="good").build()


def test_raise_for_errors_returns_the_result_of_a_success(backend: Backend) -> None:
    result = run(FlowBuilder("good").step(lambda: 1, name="one").build(), backend=backend)

    assert result.raise_for_errors() is result


def test_raise_for_errors_raises_every_failure_with_step_attempt_and_run(backend: Backend) -> None:
    result = run(failing(), backend=backend)

    with pytest.raises(ExceptionGroup) as caught:
        result.raise_for_errors()
    assert str(caught.value) == f"nightly: 2 failed ({result.run_id}) (2 sub-exceptions)"
    found = {type(error): error.__notes__ for error in caught.value.exceptions}
    assert found == {
        ZeroDivisionError: [f"step divided, attempt 2, run {result.run_id}"],
        KeyError: [f"step looked_up, attempt 1, run {result.run_id}"],
    }


def test_the_value_of_a_failed_run_raises_the_same_group(backend: Backend) -> None:
    result = run(failing(), backend=backend)

    with pytest.raises(ExceptionGroup) as caught:
        _ = result.value
    assert set(caught.value.exceptions) == set(result.errors)


def test_a_group_with_an_error_that_is_no_exception_is_a_base_group(backend: Backend) -> None:
    def broken() -> None:
        raise SystemExit(3)

    result = run(FlowBuilder("exits").step(broken).build(), backend=backend)
    with pytest.raises(BaseExceptionGroup) as caught:
        result.raise_for_errors()
    assert not isinstance(caught.value, Exception)
    assert isinstance(caught.value.exceptions[0], SystemExit)


def test_the_same_error_raised_by_two_steps_is_told_of_both() -> None:
    error = ValueError("shared")

    def first() -> None:
        raise error

    def second() -> None:
        raise error

    result = run(FlowBuilder("shared").step(first).step(second).build())
    assert result.failed_count == 2
    assert sorted(error.__notes__) == [f"step {name}, attempt 1, run {result.run_id}" for name in ("first", "second")]


def test_a_traceback_begins_in_the_users_own_frames(backend: Backend) -> None:
    result = run(failing(), backend=backend)
    error = result.steps["looked_up"].error
    assert error is not None
    assert error.__traceback__ is not None
    last = error.__traceback__
    while last.tb_next is not None:
        last = last.tb_next
    assert last.tb_frame.f_code.co_filename == __file__


def test_a_step_results_value_is_its_value_its_error_or_its_reason(backend: Backend) -> None:
    result = run(failing(), backend=backend)

    assert result.steps["good"].value == 1
    with pytest.raises(ZeroDivisionError):
        _ = result.steps["divided"].value
    with pytest.raises(StepSkippedError, match=r"^below: skipped: divided failed$"):
        _ = result.steps["below"].value


def test_results_are_frozen() -> None:
    result = run(FlowBuilder("good").step(lambda: 1, name="one").build())

    with pytest.raises(FrozenInstanceError):
        result.status = Status.FAILED  # type: ignore[misc]  # that is the point
    with pytest.raises(FrozenInstanceError):
        result.steps["one"].status = Status.FAILED  # type: ignore[misc]  # that is the point
    with pytest.raises(TypeError):
        result.steps["two"] = result.steps["one"]  # type: ignore[index]  # that is the point


def test_to_dict_has_all_of_the_run_for_json(backend: Backend) -> None:
    result = run(failing(), backend=backend)
    data = json.loads(json.dumps(result.to_dict(), allow_nan=False))

    assert data["workflow"] == "nightly"
    assert data["status"] == "failed"
    assert data["run_id"] == result.run_id
    assert (data["success_count"], data["failed_count"], data["skipped_count"]) == (1, 2, 1)
    steps = {step["name"]: step for step in data["steps"]}
    assert list(steps) == ["divided", "looked_up", "below", "good"]
    assert steps["good"]["value"] == 1
    assert steps["below"]["reason"] == "divided failed"
    assert steps["divided"]["attempts"] == 2
    assert steps["divided"]["error"]["type"] == "builtins.ZeroDivisionError"
    assert "1 / 0" in steps["divided"]["error"]["traceback"]
    assert steps["divided"]["error"]["notes"] == [f"step divided, attempt 2, run {result.run_id}"]


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


def cyclic() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


def deep() -> list[Any]:
    found: list[Any] = []
    for _ in range(50_000):
        found = [found]
    return found


@pytest.mark.parametrize(
    "value",
    [
        float("nan"), float("inf"), 10**400, b"\xff", {1: 2}, {"a": {1, 2}}, "\ud800", "a\0b", object(), Unprintable(),
        NotImplemented, ..., cyclic(), (1, [2, {"three": 3}]), "x" * 100_000,
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_to_dict_is_json_whatever_a_step_returned(value: object) -> None:
    result = run(FlowBuilder("odd").step(lambda: value, name="one").build())

    text = json.dumps(result.to_dict(), allow_nan=False)
    assert json.loads(text.encode("utf-8"))["steps"][0]["status"] == "success"


def test_to_dict_is_json_for_a_value_nested_beyond_pythons_stack() -> None:
    value = deep()
    result = run(FlowBuilder("deep").step(lambda: value, name="one").build())

    assert json.dumps(result.to_dict())
    while value:  # taken apart by hand: Python's own clean-up of it would recurse
        value = value[0]


def self_caused() -> Exception:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    return first


@pytest.mark.parametrize(
    "error",
    [
        Unprintable(),
        ValueError("x" * 1_000_000),
        self_caused(),
        ValueError("\ud800"),
        ExceptionGroup("g", [KeyError(1)]),
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_to_dict_is_json_whatever_a_step_raised(backend: Backend, error: Exception) -> None:
    def broken() -> None:
        raise error

    result = run(FlowBuilder("odd").step(broken).build(), backend=backend)
    text = json.dumps(result.to_dict())
    assert json.loads(text.encode("utf-8"))["steps"][0]["status"] == "failed"
    assert len(text) < 600_000


def test_to_dict_has_the_items_of_a_mapped_step() -> None:
    flow = FlowBuilder("map").step(lambda n: 1 / n, name="inverse", each={"n": [1, 0]}).build()
    (step,) = run(flow).to_dict()["steps"]

    assert [(item["name"], item["status"], item["value"]) for item in step["items"]] == [
        ("inverse[0]", "success", 1.0),
        ("inverse[1]", "failed", None),
    ]


def test_the_value_of_a_body_is_in_to_dict_and_a_run_without_one_has_its_sinks() -> None:
    flows = Registry()

    @flows.workflow
    def whole() -> dict[str, int]:
        return {"rows": 3}

    assert run(whole, registry=flows).to_dict()["value"] == {"rows": 3}
    bodyless = FlowBuilder("sinks").step(lambda: 1, name="one").step(lambda: 2, name="two").build()
    assert run(bodyless).to_dict()["value"] == {"one": 1, "two": 2}


def test_run_ids_differ_between_runs_of_one_workflow() -> None:
    flow = FlowBuilder("twice").step(lambda: 1, name="one", retries=Retry(1)).build()

    assert run(flow).run_id != run(flow).run_id
