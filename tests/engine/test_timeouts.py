"""Time-outs are honest: never a success after the deadline, whichever limit it is."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Any

import anyio
import anyio.to_thread

from flowbuilder import (
    FlowBuilder,
    ParallelConfig,
    Registry,
    Status,
    StepInfo,
    StepResult,
    hookimpl,
    run,
)
from flowbuilder.errors import StepTimeoutError
from flowbuilder.runner import Backend
from flowbuilder.testing import Recorder

LONG = 30.0


# Async steps are cancelled.


def test_an_async_step_is_cancelled_at_its_deadline_and_cleans_up(backend: Backend, recorder: Recorder) -> None:
    cleaned: list[str] = []

    async def slow() -> None:
        try:
            await anyio.sleep(LONG)
        finally:
            cleaned.append("up")

    result = run(FlowBuilder("late").step(slow, timeout=0.1).build(), backend=backend, plugins=[recorder])
    step = result.steps["slow"]
    assert step.status is Status.TIMED_OUT
    assert isinstance(step.error, StepTimeoutError)
    assert str(step.error) == "slow timed out after 0.1 s"
    assert step.duration is not None
    assert 0.09 <= step.duration < 2
    assert cleaned == ["up"]
    assert recorder.of("slow") == ["start slow 1", "error slow timed_out"]


def test_an_async_step_that_swallows_its_cancellation_is_cancelled_again(backend: Backend) -> None:
    swallowed: list[int] = []

    async def stubborn() -> str:
        while len(swallowed) < 50:
            try:
                await anyio.sleep(LONG)
            except BaseException:
                swallowed.append(1)
        return "a value"

    result = run(FlowBuilder("late").step(stubborn, timeout=0.05).build(), backend=backend)
    assert result.steps["stubborn"].status is Status.TIMED_OUT
    assert result.steps["stubborn"].raw_value is None
    assert len(swallowed) == 50


def test_an_async_step_that_returns_or_raises_instead_of_its_cancellation_has_timed_out(backend: Backend) -> None:
    async def returns() -> str:
        try:
            await anyio.sleep(LONG)
        except BaseException:
            return "a value"
        return "never"

    async def raises() -> None:
        try:
            await anyio.sleep(LONG)
        finally:
            raise ValueError("while cleaning up")

    flow = FlowBuilder("late").step(returns, timeout=0.05).step(raises, timeout=0.05).build()
    result = run(flow, backend=backend)
    assert [step.status for step in result.steps.values()] == [Status.TIMED_OUT] * 2
    assert all(isinstance(step.error, StepTimeoutError) for step in result.steps.values())
    assert isinstance(result.steps["raises"].error, BaseException)
    assert isinstance(result.steps["raises"].error.__context__, ValueError)


def test_an_async_step_that_blocked_the_loop_past_its_deadline_is_no_success(backend: Backend) -> None:
    async def blocks() -> str:
        time.sleep(0.2)
        return "a value"

    result = run(FlowBuilder("late").step(blocks, timeout=0.05).build(), backend=backend)
    assert result.steps["blocks"].status is Status.TIMED_OUT


# Which limit holds.


def test_a_timeout_may_be_a_timedelta() -> None:
    async def slow() -> None:
        await anyio.sleep(LONG)

    result = run(FlowBuilder("late").step(slow, timeout=timedelta(milliseconds=50)).build())
    assert str(result.steps["slow"].error) == "slow timed out after 0.05 s"


def test_step_timeout_is_the_limit_of_every_step_that_has_none_of_its_own(backend: Backend) -> None:
    async def slow() -> None:
        await anyio.sleep(LONG)

    async def patient() -> str:
        await anyio.sleep(0.2)
        return "done"

    flow = FlowBuilder("late").step(slow).step(patient, timeout=LONG).build()
    result = run(flow, config=ParallelConfig(step_timeout=0.05), backend=backend)
    assert str(result.steps["slow"].error) == "slow timed out after 0.05 s"
    assert result.steps["patient"].value == "done"


def test_step_timeout_holds_for_the_body_of_a_workflow_too(backend: Backend) -> None:
    flows = Registry()

    @flows.workflow
    async def whole() -> None:
        await anyio.sleep(LONG)

    result = run(whole, registry=flows, config=ParallelConfig(step_timeout=0.05), backend=backend)
    assert result.steps["whole"].status is Status.TIMED_OUT


def test_a_time_out_of_the_bodys_own_is_an_ordinary_failure(backend: Backend) -> None:
    own = TimeoutError("mine")

    async def looped() -> None:
        with anyio.fail_after(0.01):
            await anyio.sleep(LONG)

    def plain() -> None:
        raise own

    flow = FlowBuilder("own").step(looped, timeout=LONG).step(plain, timeout=LONG).build()
    result = run(flow, backend=backend)
    assert [step.status for step in result.steps.values()] == [Status.FAILED] * 2
    assert result.steps["plain"].error is own


def test_a_timed_out_step_leaves_the_steps_of_the_same_worker_alone(backend: Backend) -> None:
    async def slow(n: int) -> int:
        await anyio.sleep(LONG if n % 3 == 0 else 0.01)
        return n

    flow = FlowBuilder("mixed").step(slow, each={"n": list(range(30))}, timeout=0.4).build()
    items = run(flow, config=ParallelConfig(max_concurrency=10), backend=backend).steps["slow"].items or ()
    assert [item.status is Status.TIMED_OUT for item in items] == [n % 3 == 0 for n in range(30)]


def test_an_attempt_in_a_thread_of_anyios_is_bounded_by_its_own_steps_limit(backend: Backend) -> None:
    release = threading.Event()

    async def waits() -> None:
        await anyio.to_thread.run_sync(release.wait, LONG, abandon_on_cancel=True)

    result = run(FlowBuilder("late").step(waits, timeout=0.05).build(), backend=backend)
    release.set()
    assert result.steps["waits"].status is Status.TIMED_OUT


def test_a_step_that_ends_in_time_leaves_no_timer_behind(backend: Backend) -> None:
    started = time.monotonic()
    flow = FlowBuilder("quick").step(lambda: 1, name="one", timeout=LONG).step(lambda one: one, name="two").build()

    assert run(flow, backend=backend).status is Status.SUCCESS
    assert time.monotonic() - started < 5


def test_the_hooks_hear_a_time_out_with_the_limit_and_the_step(backend: Backend) -> None:
    heard: list[tuple[str, float]] = []

    class Hears:
        @hookimpl
        def flowbuilder_step_error(self, step: StepInfo, result: StepResult[Any]) -> None:
            assert isinstance(result.error, StepTimeoutError)
            heard.append((step.name, result.error.seconds))

    async def slow() -> None:
        await anyio.sleep(LONG)

    run(FlowBuilder("late").step(slow, timeout=0.05).build(), backend=backend, plugins=[Hears()])
    assert heard == [("slow", 0.05)]
