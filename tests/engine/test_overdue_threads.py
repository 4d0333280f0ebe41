"""Overdue threads: never interrupted, reported at the deadline, and holding their slot until they really end."""

from __future__ import annotations

import functools
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from flowbuilder import (
    Context,
    FlowBuilder,
    ParallelConfig,
    Registry,
    Retry,
    Status,
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
