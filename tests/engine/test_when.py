"""Conditions: a false when skips its step with that reason, and what a default makes of it below."""

from __future__ import annotations

import threading
import time

import pytest

from flowbuilder import Context, FlowBuilder, ParallelConfig, Registry, Status, StepResult, run
from flowbuilder.runner import Backend
from flowbuilder.testing import Recorder


def test_a_false_when_skips_the_step_after_its_upstream_has_run(backend: Backend, recorder: Recorder) -> None:
    flows = Registry()

    @flows.step
    def rows() -> list[int]:
        return [1]

    def is_large(rows: list[int]) -> bool:
        return len(rows) > 100

    @flows.step(when=is_large)
    def shards(rows: list[int]) -> list[int]:
        raise AssertionError("the condition is false")

    flow = FlowBuilder("conditional").step(shards).build()
    result = run(flow, registry=flows, backend=backend, plugins=[recorder])
    assert result.steps["rows"].status is Status.SUCCESS
    assert result.steps["shards"].status is Status.SKIPPED
    assert result.steps["shards"].reason == "its when was false"
    assert (result.steps["shards"].attempts, result.steps["shards"].started_at) == (0, None)
    assert recorder.of("shards") == ["skip shards its when was false"]


def test_a_true_when_starts_the_step(backend: Backend, recorder: Recorder) -> None:
    flow = FlowBuilder("true").step(lambda: "ran", name="wanted", when=lambda: True).build()

    assert run(flow, backend=backend, plugins=[recorder]).value == {"wanted": "ran"}
    assert recorder.of("wanted") == ["start wanted 1", "finish wanted"]


def test_a_when_takes_steps_inputs_providers_and_ctx_that_the_step_does_not(backend: Backend) -> None:
    flows, seen = Registry(), list[object]()

    @flows.provider
    def limit() -> int:
        return 10

    @flows.step
    def size() -> int:
        return 11

    def is_wanted(size: int, limit: int, ctx: Context, force: bool = False) -> bool:
        seen.extend([size, limit, ctx.step, force])
        return size > limit

    @flows.step(when=is_wanted)
    def cut() -> str:
        return "cut"

    assert run(cut, registry=flows, params={"force": True}, backend=backend).value == "cut"
    assert seen == [11, 10, "cut", True]


@pytest.mark.parametrize("wanted", [False, True])
def test_an_async_step_may_have_an_async_when(backend: Backend, wanted: bool) -> None:
    async def asked() -> bool:
        return wanted

    async def body() -> str:
        return "ran"

    result = run(FlowBuilder("one").step(body, when=asked).build(), backend=backend)
    assert result.value == ({"body": "ran"} if wanted else {})


def test_a_when_that_raises_fails_the_step(backend: Backend) -> None:
    flow = FlowBuilder("bad").step(lambda: "ran", name="wanted", when=lambda: 1 / 0).build()

    result = run(flow, backend=backend)
    assert result.steps["wanted"].status is Status.FAILED
    assert isinstance(result.steps["wanted"].error, ZeroDivisionError)


def test_a_when_that_raised_is_asked_again_by_the_retry(backend: Backend, recorder: Recorder) -> None:
    asked: list[int] = []

    def flaky() -> bool:
        asked.append(len(asked))
        if len(asked) == 1:
            raise OSError("not now")
        return False

    flow = FlowBuilder("flaky").step(lambda: "ran", name="guarded", when=flaky, retries=1).build()
    step = run(flow, backend=backend, plugins=[recorder]).steps["guarded"]
    assert (step.status, step.reason) == (Status.SKIPPED, "its when was false")
    assert recorder.of("guarded") == ["retry guarded 1 OSError", "skip guarded its when was false"]


def test_a_when_that_has_held_is_not_asked_again_by_a_retry(backend: Backend, recorder: Recorder) -> None:
    asked: list[bool] = []

    def body(ctx: Context) -> int:
        if ctx.attempt < 3:
            raise OSError("not now")
        return ctx.attempt

    def flaky() -> bool:
        asked.append(len(asked) > 0)
        if len(asked) == 1:
            raise OSError("not now")
        return True

    flow = FlowBuilder("flaky").step(body, when=flaky, retries=2).build()
    assert run(flow, backend=backend, plugins=[recorder]).value == {"body": 3}
    assert asked == [False, True]
    assert recorder.of("body") == [
        "retry body 1 OSError", "start body 2", "retry body 2 OSError", "start body 3", "finish body",
    ]  # fmt: skip


def test_a_body_is_not_called_when_its_when_took_longer_than_the_time_limit(
    backend: Backend, recorder: Recorder
) -> None:
    called, answered = [], threading.Event()

    def slow() -> bool:
        time.sleep(0.3)
        answered.set()
        return True

    flow = FlowBuilder("slow").step(lambda: called.append(1), name="guarded", when=slow, timeout=0.1).build()
    result = run(flow, backend=backend, plugins=[recorder])
    assert result.steps["guarded"].status is Status.TIMED_OUT
    assert answered.wait(5)
    time.sleep(0.05)
    assert called == []
    assert recorder.of("guarded") == ["error guarded timed_out"]


def test_a_default_takes_the_place_of_what_a_false_when_skipped(backend: Backend) -> None:
    flows = Registry()

    @flows.step(when=lambda: False)
    def extra() -> int:
        return 1

    @flows.step
    async def with_default(extra: int = 7) -> int:
        return extra

    @flows.step
    def without_default(extra: int) -> int:
        return extra

    flow = FlowBuilder("both").step(with_default).step(without_default).build()
    result = run(flow, registry=flows, backend=backend)
    assert result.steps["with_default"].value == 7
    assert result.steps["without_default"].status is Status.SKIPPED
    assert result.status is Status.SUCCESS


def test_a_chain_below_a_false_when_names_the_first_cause_and_a_default_ends_it(backend: Backend) -> None:
    flows = Registry()

    @flows.step(when=lambda: False)
    def first() -> int:
        return 1

    @flows.step
    def second(first: int) -> int:
        return first

    @flows.step
    def third(second: int) -> int:
        return second

    @flows.step
    def fourth(third: int = 4) -> int:
        return third

    result = run(fourth, registry=flows, backend=backend)
    assert result.steps["second"].reason == "first was skipped: its when was false"
    assert result.steps["third"].reason == "first was skipped: its when was false"
    assert result.value == 4


def test_a_default_does_not_replace_what_failed_even_beside_a_skip(backend: Backend) -> None:
    flows = Registry()

    @flows.step(when=lambda: False)
    def skipped() -> int:
        return 1

    @flows.step
    def failed() -> int:
        raise ValueError("no")

    @flows.step
    def below(skipped: int = 1, failed: int = 2) -> int:
        return skipped + failed

    result = run(below, registry=flows, backend=backend)
    assert result.steps["below"].status is Status.SKIPPED
    assert result.steps["below"].reason == "failed failed"


@pytest.mark.parametrize("first", ["when", "failure"])
def test_a_failure_and_a_false_when_above_one_step_mean_a_failure_whichever_comes_first(
    backend: Backend, recorder: Recorder, first: str
) -> None:
    def comes_after(line: str) -> None:
        deadline = time.monotonic() + 5
        while line not in recorder.told and time.monotonic() < deadline:
            time.sleep(0.001)

    def is_wanted() -> bool:
        if first == "failure":
            comes_after("error failed failed")
        return False

    def failed() -> int:
        if first == "when":
            comes_after("skip passed its when was false")
        raise ValueError("no")

    flow = FlowBuilder("both").step(lambda: 1, name="passed", when=is_wanted).step(failed)
    flow.step(lambda passed, failed: 1, name="joined").step(lambda joined=7: joined, name="below")
    result = run(flow.build(), backend=backend, plugins=[recorder])
    assert result.steps["below"].status is Status.SKIPPED
    assert result.steps["below"].reason == "failed failed"


def test_a_default_does_not_replace_what_was_skipped_for_a_failure(backend: Backend) -> None:
    flows = Registry()

    @flows.step
    def failed() -> int:
        raise ValueError("no")

    @flows.step
    def skipped(failed: int) -> int:
        return failed

    @flows.step
    def below(skipped: int = 7) -> int:
        return skipped

    result = run(below, registry=flows, backend=backend)
    assert result.steps["below"].status is Status.SKIPPED
    assert result.steps["below"].reason == "failed failed"


def test_a_step_result_sees_a_skip_and_its_value_says_why(backend: Backend) -> None:
    flows = Registry()

    @flows.step(when=lambda: False)
    def extra() -> int:
        return 1

    @flows.step
    def seen(extra: StepResult[int]) -> str:
        try:
            return str(extra.value)
        except Exception as error:
            return f"{extra.status}: {error}"

    value = run(seen, registry=flows, backend=backend).value
    assert value == "skipped: extra: skipped: its when was false"


def test_a_when_that_needs_a_skipped_step_skips_its_own(backend: Backend) -> None:
    flows = Registry()

    @flows.step(when=lambda: False)
    def extra() -> int:
        return 1

    def needs_extra(extra: int) -> bool:
        raise AssertionError("there is nothing to ask with")

    @flows.step(when=needs_extra)
    def below() -> str:
        return "ran"

    result = run(below, registry=flows, backend=backend)
    assert result.steps["below"].reason == "extra was skipped: its when was false"


def test_a_condition_and_a_rescue_see_the_defaults_of_the_step(backend: Backend) -> None:
    def extra(full: bool = False) -> str:
        raise AssertionError("the condition is false")

    def share(parts: int = 0) -> float:
        return 1 / parts

    flow = FlowBuilder("defaults").step(extra, when=lambda full: full)
    flow.step(share, on_error=lambda error, parts: f"{parts} parts")

    assert run(flow.build(), backend=backend).value == {"share": "0 parts"}


def test_a_when_that_outlives_the_grace_period_leaves_its_step_skipped(backend: Backend, recorder: Recorder) -> None:
    asked, gate = threading.Event(), threading.Event()

    def hangs() -> bool:
        asked.set()
        return gate.wait(10)

    def broken() -> None:
        asked.wait(10)
        raise ValueError

    flow = FlowBuilder("late").step(lambda: 1, name="hung", when=hangs).step(broken).build()
    result = run(flow, config=ParallelConfig(fail_fast=True, grace=0.05), backend=backend, plugins=[recorder])
    gate.set()
    assert result.steps["hung"].status is Status.SKIPPED
    assert recorder.of("hung") == ["skip hung the run was stopped"]
    assert result.notes == ("hung was cancelled, but still runs after 0.05 s",)
