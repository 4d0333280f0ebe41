"""Time-outs are honest: never a success after the deadline, and a thread is never said to have ended before it has."""

from __future__ import annotations

import functools
import subprocess
import sys
import threading
import time
from datetime import timedelta
from typing import Any

import anyio
import anyio.to_thread
import pytest

from flowbuilder import (
    Context,
    FlowBuilder,
    ParallelConfig,
    Registry,
    Retry,
    Status,
    StepInfo,
    StepResult,
    hookimpl,
    run,
)
from flowbuilder.errors import StepCancelledError, StepTimeoutError
from flowbuilder.runner import Backend
from flowbuilder.testing import Recorder

LONG = 30.0


class Release:
    """A plugin that lets overdue threads go on when it hears that a step timed out."""

    def __init__(self) -> None:
        self.event = threading.Event()

    @hookimpl
    def flowbuilder_step_error(self, result: StepResult[Any]) -> None:
        if result.status is Status.TIMED_OUT:
            self.event.set()


def waits_and_sleeps(event: threading.Event) -> None:
    """Outlive, by a little, a body that waits for the same event."""
    event.wait(10)
    time.sleep(0.1)


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


def test_a_thread_step_that_ended_past_its_deadline_while_the_loop_was_blocked_is_no_success(backend: Backend) -> None:
    blocked, ended = threading.Event(), threading.Event()

    async def blocks() -> None:
        blocked.set()
        ended.wait(5)
        time.sleep(0.05)  # the loop stays blocked while the thread says that it has ended

    def late() -> str:
        blocked.wait(5)
        time.sleep(0.2)
        ended.set()
        return "a value"

    flow = FlowBuilder("late").step(blocks).step(late, timeout=0.1).build()
    result = run(flow, backend=backend)
    assert result.steps["late"].status is Status.TIMED_OUT
    assert result.steps["blocks"].status is Status.SUCCESS


# Threads are never interrupted.


def test_a_thread_step_is_reported_at_its_deadline_while_it_still_runs(backend: Backend) -> None:
    release = Release()

    def stuck() -> str:
        return "a late value" if release.event.wait(10) else "nobody was told"

    result = run(FlowBuilder("late").step(stuck, timeout=0.1).build(), backend=backend, plugins=[release])
    step = result.steps["stuck"]
    assert release.event.is_set()
    assert step.status is Status.TIMED_OUT
    assert step.raw_value is None
    assert str(step.error) == "stuck timed out after 0.1 s; its thread is still running"
    assert step.duration is not None
    assert step.duration < 5


def test_a_run_ends_at_once_when_nothing_waits_for_an_overdue_thread_and_names_it(backend: Backend) -> None:
    release = threading.Event()
    started = time.monotonic()
    flow = FlowBuilder("late").step(lambda: release.wait(LONG), name="stuck", timeout=0.1).build()

    result = run(flow, config=ParallelConfig(grace=20), backend=backend)
    release.set()
    assert time.monotonic() - started < 5
    assert result.notes == ("stuck overran and its thread still runs",)


def test_an_overdue_thread_that_has_ended_is_not_named(backend: Backend) -> None:
    release, flow = Release(), FlowBuilder("late")
    flow.step(lambda: release.event.wait(10), name="stuck", timeout=0.1)
    flow.step(lambda stuck: None, name="below")
    flow.step(functools.partial(waits_and_sleeps, event=release.event), name="beside")

    result = run(flow.build(), backend=backend, plugins=[release])
    assert result.steps["stuck"].status is Status.TIMED_OUT
    assert result.notes == ()


def test_the_slot_of_an_overdue_thread_stays_held_until_it_ends(backend: Backend) -> None:
    release, order = Release(), list[str]()

    def stuck() -> None:
        release.event.wait(10)
        time.sleep(0.05)
        order.append("stuck ended")

    async def other() -> None:
        order.append("other started")

    flow = FlowBuilder("late").step(stuck, timeout=0.05).step(other).build()
    result = run(flow, config=ParallelConfig(max_concurrency=1), backend=backend, plugins=[release])
    assert order == ["stuck ended", "other started"]
    assert result.steps["other"].status is Status.SUCCESS
    assert result.steps["stuck"].status is Status.TIMED_OUT


def test_never_more_threads_than_slots_although_many_overran(backend: Backend) -> None:
    lock, running, most = threading.Lock(), [0], [0]

    def stuck(n: int) -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.03)
        with lock:
            running[0] -= 1

    flow = FlowBuilder("late").step(stuck, each={"n": list(range(24))}, timeout=0.01).build()
    result = run(flow, config=ParallelConfig(max_concurrency=4), backend=backend)
    assert most[0] <= 4
    assert {item.status for item in result.steps["stuck"].items or ()} == {Status.TIMED_OUT}


def test_check_cancelled_raises_in_an_overdue_thread(backend: Backend) -> None:
    ended: list[BaseException] = []

    def loops(ctx: Context) -> None:
        try:
            while True:
                ctx.check_cancelled()
                time.sleep(0.001)
        except StepCancelledError as error:
            ended.append(error)
            raise

    flow = FlowBuilder("late").step(loops, timeout=0.05).step(lambda: time.sleep(0.2), name="beside").build()
    result = run(flow, backend=backend)
    assert result.steps["loops"].status is Status.TIMED_OUT
    assert isinstance(result.steps["loops"].error, StepTimeoutError)
    assert [str(error) for error in ended] == ["loops is over: it timed out or its run was cancelled"]


def test_check_cancelled_says_nothing_before_the_deadline(backend: Backend) -> None:
    def loops(ctx: Context) -> str:
        for _ in range(10):
            ctx.check_cancelled()
        return "done"

    assert run(FlowBuilder("fine").step(loops, timeout=LONG).build(), backend=backend).value == {"loops": "done"}


def test_what_waits_only_for_overdue_threads_is_skipped_after_the_grace_period(
    backend: Backend, recorder: Recorder
) -> None:
    release = threading.Event()
    flow = FlowBuilder("late").step(lambda: release.wait(LONG), name="stuck", timeout=0.05)
    flow.step(lambda: "ran", name="other").step(lambda other: other, name="below")

    started = time.monotonic()
    result = run(flow.build(), config=ParallelConfig(max_concurrency=1, grace=0.2), backend=backend, plugins=[recorder])
    took = time.monotonic() - started
    release.set()
    reason = "it waited for stuck, which overran and still runs"
    assert {name: result.steps[name].reason for name in ("other", "below")} == {"other": reason, "below": reason}
    assert result.status is Status.FAILED
    assert 0.2 <= took < 5
    assert recorder.of("other") == [f"skip other {reason}"]


def test_a_retry_that_waits_for_its_own_overdue_thread_is_given_up_after_the_grace_period(backend: Backend) -> None:
    release = threading.Event()
    flow = FlowBuilder("late")
    flow.step(lambda: release.wait(LONG), name="stuck", timeout=0.05, retries=Retry(3, on=(TimeoutError,)))

    result = run(flow.build(), config=ParallelConfig(grace=0.1), backend=backend)
    release.set()
    assert result.steps["stuck"].status is Status.TIMED_OUT
    assert result.steps["stuck"].attempts == 1
    assert result.notes == ("stuck overran and its thread still runs",)


def test_an_overdue_thread_may_be_rescued_at_once(backend: Backend) -> None:
    release = threading.Event()
    flow = FlowBuilder("late")
    flow.step(lambda: release.wait(LONG), name="stuck", timeout=0.05, on_error=lambda error: "rescued")
    flow.step(lambda stuck: f"got {stuck}", name="below")

    result = run(flow.build(), config=ParallelConfig(max_concurrency=2), backend=backend)
    release.set()
    assert result.value == {"below": "got rescued"}


def test_a_step_that_sees_the_result_of_an_overdue_thread_runs(backend: Backend) -> None:
    flows, release = Registry(), threading.Event()

    @flows.step(timeout=0.05)
    def stuck() -> int:
        release.wait(LONG)
        return 1

    @flows.step
    def notify(stuck: StepResult[int]) -> str:
        return str(stuck.status)

    result = run(notify, registry=flows, backend=backend)
    release.set()
    assert result.steps["notify"].value == "timed_out"


@pytest.mark.parametrize("how", ["returns", "raises"])
def test_what_an_overdue_thread_returns_or_raises_is_dropped_in_silence(
    backend: Backend, recorder: Recorder, how: str
) -> None:
    release = Release()

    def stuck() -> str:
        release.event.wait(10)
        if how == "raises":
            raise ValueError("too late")
        return "too late"

    flow = FlowBuilder("late").step(stuck, timeout=0.05)
    flow.step(functools.partial(waits_and_sleeps, event=release.event), name="beside")
    result = run(flow.build(), backend=backend, plugins=[release, recorder])
    assert recorder.of("stuck") == ["start stuck 1", "error stuck timed_out"]
    assert [str(error) for error in result.errors] == ["stuck timed out after 0.05 s; its thread is still running"]


EXIT = """
import sys, threading, time
from flowbuilder import FlowBuilder, run

result = run(FlowBuilder("late").step(lambda: time.sleep(600), name="stuck", timeout=0.05).build(), backend=sys.argv[1])
print(result.steps["stuck"].status, flush=True)
"""


def test_the_exit_of_the_process_does_not_wait_for_an_overdue_thread(backend: Backend) -> None:
    done = subprocess.run(
        [sys.executable, "-c", EXIT, backend], capture_output=True, text=True, timeout=20, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "timed_out\n", "")


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

    flow = FlowBuilder("mixed").step(slow, each={"n": list(range(30))}, timeout=0.2).build()
    items = run(flow, config=ParallelConfig(max_concurrency=5), backend=backend).steps["slow"].items or ()
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
