"""Items of a mapped step: each fails, is skipped, tried again and rescued for itself."""

from __future__ import annotations

import threading
from typing import Any

import anyio
import pytest

from flowbuilder import Context, FlowBuilder, Registry, Retry, Status, StepResult, run
from flowbuilder.errors import StepTimeoutError
from flowbuilder.runner import Backend
from flowbuilder.testing import Recorder


def statuses(result: StepResult[Any]) -> list[str]:
    return [str(item.status) for item in result.items or ()]


def test_a_failed_item_skips_only_its_own_descendants(backend: Backend) -> None:
    flows = Registry()

    @flows.step(each={"n": [1, 0, 2]})
    def inverse(n: int) -> float:
        return 1 / n

    @flows.step(each={"x": "inverse"})
    async def doubled(x: float) -> float:
        return x * 2

    @flows.step(each={"y": "doubled"})
    def text(y: float) -> str:
        return f"{y:g}"

    @flows.workflow
    def whole(text: list[str]) -> list[str]:
        return text

    result = run(whole, registry=flows, backend=backend)
    assert statuses(result.steps["inverse"]) == ["success", "failed", "success"]
    assert statuses(result.steps["doubled"]) == ["success", "skipped", "success"]
    assert statuses(result.steps["text"]) == ["success", "skipped", "success"]
    assert [item.reason for item in result.steps["text"].items or ()] == ["", "inverse[1] failed", ""]
    assert (result.steps["text"].items or ())[2].value == "1"


def test_who_takes_the_whole_list_runs_only_if_no_item_failed(backend: Backend) -> None:
    flows = Registry()

    @flows.step(each={"n": [1, 0, 2]})
    def inverse(n: int) -> float:
        return 1 / n

    @flows.step
    def total(inverse: list[float] = [0.0]) -> float:  # noqa: B006  # a default must not replace a failure
        return sum(inverse)

    result = run(total, registry=flows, backend=backend)
    assert result.steps["inverse"].status is Status.FAILED
    assert result.steps["inverse"].reason == "1 of 3 items failed"
    assert isinstance(result.steps["inverse"].error, ZeroDivisionError)
    assert result.steps["total"].reason == "inverse failed"
    assert result.status is Status.FAILED


def test_who_takes_the_whole_list_is_skipped_when_an_item_was_for_a_failure_above(backend: Backend) -> None:
    flows = Registry()

    @flows.step(each={"n": [1, 0]})
    def inverse(n: int) -> float:
        return 1 / n

    @flows.step(each={"x": "inverse"})
    def doubled(x: float) -> float:
        return x * 2

    @flows.step
    def total(doubled: list[float]) -> float:
        return sum(doubled)

    result = run(total, registry=flows, backend=backend)
    assert result.steps["doubled"].status is Status.SKIPPED
    assert result.steps["doubled"].reason == "inverse[1] failed"
    assert result.steps["total"].status is Status.SKIPPED
    assert "inverse[1] failed" in result.steps["total"].reason


def test_several_failed_items_are_all_among_the_runs_errors(backend: Backend) -> None:
    flows = Registry()

    @flows.step(each={"n": [0, 1, 0]})
    def inverse(n: int) -> float:
        return 1 / n

    result = run(inverse, registry=flows, backend=backend)
    assert isinstance(result.steps["inverse"].error, ExceptionGroup)
    assert len(result.errors) == 2
    notes = [note for error in result.errors for note in error.__notes__]
    assert notes == [f"step inverse[{n}], attempt 1, run {result.run_id}" for n in (0, 2)]


def test_items_skipped_by_when_are_left_out_of_the_list(backend: Backend) -> None:
    flows = Registry()

    def is_even(n: int) -> bool:
        return n % 2 == 0

    @flows.step(each={"n": [1, 2, 3, 4]}, when=is_even)
    def square(n: int) -> int:
        return n * n

    @flows.step(each={"m": "square"})
    async def text(m: int) -> str:
        return str(m)

    @flows.workflow
    def whole(square: list[int], text: list[str]) -> tuple[list[int], list[str]]:
        return square, text

    result = run(whole, registry=flows, backend=backend)
    assert result.value == ([4, 16], ["4", "16"])
    assert statuses(result.steps["text"]) == ["skipped", "success", "skipped", "success"]
    assert (result.steps["square"].items or ())[0].reason == "its when was false"
    assert (result.steps["text"].items or ())[0].reason == "square[0] was skipped: its when was false"


def test_a_mapped_step_whose_items_are_all_skipped_by_when_is_an_empty_success(backend: Backend) -> None:
    flow = FlowBuilder("map").step(lambda n: n, name="items", each={"n": [1, 2]}, when=lambda: False)
    flow.step(lambda items: items, name="taker")

    result = run(flow.build(), backend=backend)
    assert result.steps["items"].status is Status.SUCCESS
    assert result.value == {"taker": []}


def test_retries_are_counted_for_each_item(backend: Backend) -> None:
    flows, lock, tries = Registry(), threading.Lock(), dict[int, int]()

    @flows.step(each={"n": [0, 1, 2]}, retries=Retry(2))
    def flaky(n: int, ctx: Context) -> int:
        with lock:
            tries[n] = tries.get(n, 0) + 1
        if ctx.attempt <= n:
            raise OSError(n)
        return ctx.attempt

    result = run("flaky", registry=flows, backend=backend)
    assert result.value == [1, 2, 3]
    assert tries == {0: 1, 1: 2, 2: 3}
    assert [item.attempts for item in result.steps["flaky"].items or ()] == [1, 2, 3]


def test_the_timeout_is_for_each_item(backend: Backend) -> None:
    flows = Registry()

    @flows.step(each={"seconds": [0.0, 30.0, 0.0]}, timeout=0.4)
    async def waits(seconds: float) -> float:
        await anyio.sleep(seconds)
        return seconds

    result = run(waits, registry=flows, backend=backend)
    assert statuses(result.steps["waits"]) == ["success", "timed_out", "success"]
    assert result.steps["waits"].status is Status.TIMED_OUT
    assert str((result.steps["waits"].items or ())[1].error) == "waits[1] timed out after 0.4 s"
    assert isinstance(result.errors[0], StepTimeoutError)


def rescued(n: int, error: BaseException) -> str:
    return f"{n}: {type(error).__name__}"


@pytest.mark.parametrize(("on_error", "value"), [("continue", None), (rescued, "0: ZeroDivisionError")])
def test_on_error_is_for_each_item(backend: Backend, on_error: Any, value: object) -> None:
    flow = FlowBuilder("map").step(lambda n: 1 / n, name="items", each={"n": [1, 0, 2]}, on_error=on_error)
    flow.step(lambda items: items, name="taker")

    result = run(flow.build(), backend=backend)
    assert result.value == {"taker": [1, value, 0.5]}
    item = (result.steps["items"].items or ())[1]
    assert item.status is Status.SUCCESS
    assert isinstance(item.error, ZeroDivisionError)


def test_a_mapped_step_above_that_was_skipped_or_failed_skips_the_map_below_it(backend: Backend) -> None:
    flow = FlowBuilder("map").step(lambda: 1 / 0, name="source")
    flow.step(lambda n: n, name="above", each={"n": "source"})
    flow.step(lambda n: n, name="below", each={"n": "above"})

    result = run(flow.build(), backend=backend)
    assert [result.steps[name].status for name in ("above", "below")] == [Status.SKIPPED] * 2
    assert result.steps["above"].items is None
    assert "source failed" in result.steps["below"].reason


def test_a_mapped_step_counts_as_one_and_its_items_beside_it(backend: Backend, recorder: Recorder) -> None:
    flow = FlowBuilder("map").step(lambda n: 1 / n, name="items", each={"n": [1, 0, 2]})
    flow.step(lambda: None, name="other")

    result = run(flow.build(), backend=backend, plugins=[recorder])
    assert (result.success_count, result.failed_count, result.skipped_count) == (1, 1, 0)
    assert len(result.steps["items"].items or ()) == 3
    assert list(result.steps) == ["items", "other"]


def test_a_step_result_parameter_sees_every_item_whatever_its_status(backend: Backend) -> None:
    flows = Registry()

    @flows.step(each={"n": [1, 0]})
    def inverse(n: int) -> float:
        return 1 / n

    @flows.step
    def seen(inverse: StepResult[list[float]]) -> list[str]:
        return [str(inverse.status), *statuses(inverse)]

    assert run(seen, registry=flows, backend=backend).value == ["failed", "success", "failed"]
