"""fail_fast and max_failures: nothing new starts, what runs is cancelled, results are kept."""

from __future__ import annotations

import threading
import time

import anyio
import anyio.to_thread
import pytest

from flowbuilder import Context, FlowBuilder, ParallelConfig, Status, run
from flowbuilder.errors import StepCancelledError
from flowbuilder.runner import Backend
from flowbuilder.testing import Recorder


def test_fail_fast_cancels_what_runs_starts_nothing_new_and_keeps_results(backend: Backend, recorder: Recorder) -> None:
    running = threading.Barrier(3)

    async def looped(good: str) -> None:
        await anyio.to_thread.run_sync(running.wait, 5)
        await anyio.sleep(30)

    def plain(good: str, ctx: Context) -> None:
        running.wait(5)
        while True:
            ctx.check_cancelled()
            time.sleep(0.001)

    def broken(good: str) -> None:
        running.wait(5)
        raise ValueError("the only error")

    flow = FlowBuilder("fast").step(lambda: "kept", name="good").step(looped).step(plain).step(broken)
    flow.step(lambda looped: None, name="below_looped").step(lambda broken: None, name="below_broken")
    result = run(flow.build(), config=ParallelConfig(fail_fast=True), backend=backend, plugins=[recorder])

    assert result.steps["good"].value == "kept"
    assert {name: str(step.status) for name, step in result.steps.items()} == {
        "good": "success", "looped": "cancelled", "plain": "cancelled", "broken": "failed",
        "below_looped": "skipped", "below_broken": "skipped",
    }  # fmt: skip
    assert [str(error) for error in result.errors] == ["the only error"]
    assert isinstance(result.steps["looped"].error, StepCancelledError)
    assert str(result.steps["looped"].error) == "looped was cancelled"
    assert result.steps["below_broken"].reason == "broken failed"
    assert result.steps["below_looped"].reason == "the run was stopped"
    assert recorder.of("plain") == ["start plain 1", "error plain cancelled"]


def test_without_fail_fast_everything_else_goes_on(backend: Backend) -> None:
    flow = FlowBuilder("slow").step(lambda: 1 / 0, name="broken")
    for number in range(10):
        flow.step(lambda: "ran", name=f"good_{number}")

    assert run(flow.build(), config=ParallelConfig(max_concurrency=1), backend=backend).success_count == 10


def test_fail_fast_counts_a_time_out_and_not_a_rescue(backend: Backend) -> None:
    async def slow() -> None:
        await anyio.sleep(30)

    flow = FlowBuilder("fast").step(lambda: 1 / 0, name="rescued", on_error="continue").step(slow, timeout=0.05)
    flow.step(lambda: "ran", name="below", after=("rescued", "slow"))
    result = run(flow.build(), config=ParallelConfig(fail_fast=True, max_concurrency=1), backend=backend)
    assert [str(step.status) for step in result.steps.values()] == ["success", "timed_out", "skipped"]


def test_a_retry_does_not_count_as_a_failure(backend: Backend) -> None:
    def flaky(ctx: Context) -> int:
        if ctx.attempt == 1:
            raise OSError
        return ctx.attempt

    flow = FlowBuilder("fast").step(flaky, retries=1).build()
    assert run(flow, config=ParallelConfig(fail_fast=True), backend=backend).value == {"flaky": 2}


@pytest.mark.parametrize(("allowed", "started"), [(1, 1), (3, 3), (9, 9), (50, 10)])
def test_max_failures_stops_the_run_after_as_many(backend: Backend, allowed: int, started: int) -> None:
    flow = FlowBuilder("many")
    for number in range(10):
        flow.step(lambda: 1 / 0, name=f"broken_{number}")

    config = ParallelConfig(max_failures=allowed, max_concurrency=1)
    result = run(flow.build(), config=config, backend=backend)
    assert result.failed_count == started
    assert result.skipped_count == 10 - started
    assert result.status is Status.FAILED


def test_a_mapped_steps_items_count_one_by_one_for_max_failures(backend: Backend, recorder: Recorder) -> None:
    flow = FlowBuilder("map").step(lambda n: 1 / 0, name="items", each={"n": list(range(10))})
    config = ParallelConfig(max_failures=3, max_concurrency=1)
    result = run(flow.build(), config=config, backend=backend, plugins=[recorder])

    statuses = [str(item.status) for item in result.steps["items"].items or ()]
    assert statuses == ["failed"] * 3 + ["skipped"] * 7
    assert result.steps["items"].status is Status.FAILED
    assert recorder.of("items") == ["start items 1", "error items failed"]


def test_a_mapped_step_that_was_cancelled_midway_says_so(backend: Backend) -> None:
    running = threading.Barrier(3)

    async def waits(n: int) -> None:
        await anyio.to_thread.run_sync(running.wait, 5)
        await anyio.sleep(30)

    def broken() -> None:
        running.wait(5)
        raise ValueError("no")

    flow = FlowBuilder("map").step(waits, each={"n": [1, 2]}).step(broken).build()
    result = run(flow, config=ParallelConfig(fail_fast=True), backend=backend)
    assert result.steps["waits"].status is Status.CANCELLED
    assert [str(item.status) for item in result.steps["waits"].items or ()] == ["cancelled", "cancelled"]


def test_a_step_that_ended_well_while_the_run_was_stopped_keeps_its_value(backend: Backend, recorder: Recorder) -> None:
    running = threading.Barrier(2)

    def plain() -> str:
        running.wait(5)
        while "error broken failed" not in recorder.told:
            time.sleep(0.001)
        return "a value"

    def broken() -> None:
        running.wait(5)
        raise ValueError("no")

    flow = FlowBuilder("fast").step(plain).step(broken).build()
    result = run(flow, config=ParallelConfig(fail_fast=True), backend=backend, plugins=[recorder])
    assert result.steps["plain"].value == "a value"


def test_a_thread_that_does_not_ask_is_left_behind_after_the_grace_period(backend: Backend, recorder: Recorder) -> None:
    release, running = threading.Event(), threading.Event()

    def stuck() -> None:
        running.set()
        release.wait(30)

    def broken() -> None:
        running.wait(5)
        raise ValueError("no")

    flow = FlowBuilder("fast").step(stuck).step(broken).build()
    started = time.monotonic()
    config = ParallelConfig(fail_fast=True, grace=0.1)
    result = run(flow, config=config, backend=backend, plugins=[recorder])
    took = time.monotonic() - started
    release.set()
    assert 0.1 <= took < 5
    assert result.steps["stuck"].status is Status.CANCELLED
    assert result.notes == ("stuck was cancelled, but still runs after 0.1 s",)
    assert recorder.of("stuck") == ["start stuck 1", "error stuck cancelled"]


def test_no_rescue_and_no_retry_starts_after_the_stop(backend: Backend, recorder: Recorder) -> None:
    running, calls = threading.Barrier(3), list[str]()

    def late() -> None:
        running.wait(5)
        while "error broken failed" not in recorder.told:
            time.sleep(0.001)
        raise OSError("late")

    def broken() -> None:
        running.wait(5)
        raise ValueError("no")

    flow = FlowBuilder("fast").step(broken)
    flow.step(late, name="rescued", on_error=lambda error: calls.append("rescue")).step(late, name="retried", retries=5)
    result = run(flow.build(), config=ParallelConfig(fail_fast=True), backend=backend, plugins=[recorder])
    assert calls == []
    assert [str(step.status) for step in result.steps.values()] == ["failed", "failed", "failed"]
    assert result.steps["retried"].attempts == 1


@pytest.mark.parametrize("kind", ["thread", "loop"])
def test_a_step_whose_when_is_still_asked_at_the_stop_never_starts(
    backend: Backend, recorder: Recorder, kind: str
) -> None:
    running, ran = threading.Barrier(2), list[str]()

    def is_wanted() -> bool:
        running.wait(5)
        while "error broken failed" not in recorder.told:
            time.sleep(0.001)
        return True

    async def is_wanted_on_loop() -> bool:
        await anyio.to_thread.run_sync(running.wait, 5)
        await anyio.sleep(30)
        return True

    async def looped() -> None:
        ran.append("looped")

    def broken() -> None:
        running.wait(5)
        raise ValueError("no")

    flow = FlowBuilder("fast").step(broken)
    if kind == "loop":
        flow.step(looped, name="late", when=is_wanted_on_loop)
    else:
        flow.step(lambda: ran.append("plain"), name="late", when=is_wanted)
    result = run(flow.build(), config=ParallelConfig(fail_fast=True), backend=backend, plugins=[recorder])
    assert ran == []
    assert result.steps["late"].status is Status.SKIPPED
    assert recorder.of("late") == ["skip late the run was stopped"]
