"""Until: a step is repeated until its predicate holds, and holds nothing between two rounds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import anyio
import pytest

from flowbuilder import (
    Context,
    FlowBuilder,
    ParallelConfig,
    Registry,
    Retry,
    RunResult,
    Status,
    Until,
    WorkflowScheduler,
    hookimpl,
    run,
)
from flowbuilder.errors import StepCancelledError, StepTimeoutError, UntilLimitError
from flowbuilder.runner import Backend
from flowbuilder.testing import Recorder
from tests.conftest import Collect, InLoop

KINDS = ("thread", "inline", "loop")


def counting(kind: str) -> tuple[Callable[..., Any], dict[str, Any]]:
    """Return a body that counts its rounds, plain or async, and the words that put it into its lane."""

    def plain(previous: int = 0) -> int:
        return previous + 1

    async def looped(previous: int = 0) -> int:
        await anyio.lowlevel.checkpoint()
        return previous + 1

    return (looped, {}) if kind == "loop" else (plain, {"executor": kind})


class Repeats:
    """A plugin that sets ``heard`` when a round has ended, and keeps what it is told."""

    def __init__(self) -> None:
        self.heard = threading.Event()
        self.told: list[tuple[int, int, Any, float]] = []

    @hookimpl
    def flowbuilder_step_repeat(self, attempt: int, rounds: int, value: Any, delay: float) -> None:
        self.told.append((attempt, rounds, value, delay))
        self.heard.set()


# Rounds, and what goes from one to the next.


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_is_repeated_until_its_predicate_holds(backend: Backend, recorder: Recorder, kind: str) -> None:
    body, words = counting(kind)
    heard = Repeats()
    flow = FlowBuilder("loop").step(body, name="count", until=Until(lambda result: result == 3, every=0.001), **words)
    result = run(flow.step(lambda count: count * 10, name="below").build(), backend=backend, plugins=[recorder, heard])

    count = result.steps["count"]
    assert (count.value, count.rounds, count.attempts, result.value) == (3, 3, 3, {"below": 30})
    assert recorder.of("count") == [
        "start count 1", "repeat count 1", "start count 2", "repeat count 2", "start count 3", "finish count",
    ]  # fmt: skip
    assert heard.told == [(1, 1, 1, 0.001), (2, 2, 2, 0.001)]


def test_the_body_of_a_process_step_is_repeated_in_its_worker(backend: Backend, collect: Collect) -> None:
    flows = collect("""
        import os
        from flowbuilder import Until, step

        @step(executor="process", until=Until(lambda result: len(result) == 3, every=0))
        def rounds(ctx, previous=()):
            return [*previous, (ctx.round, os.getpid())]
    """)
    rounds = run("rounds", registry=flows, backend=backend).value

    assert [number for number, _ in rounds] == [1, 2, 3]
    assert len({process for _, process in rounds}) == 1


def test_in_the_first_round_previous_is_none(backend: Backend) -> None:
    seen: list[int | None] = []

    def count(previous: int | None) -> int:
        seen.append(previous)
        return len(seen)

    run(FlowBuilder("loop").step(count, until=Until(lambda count: count == 3, every=0)).build(), backend=backend)
    assert seen == [None, 1, 2]


def test_previous_may_be_wired_to_a_step_as_any_parameter() -> None:
    flow = FlowBuilder("loop").step(lambda: 7, name="seven")
    flow.step(lambda previous: previous, name="same", needs={"previous": "seven"}, until=Until(lambda same: same == 7))

    assert run(flow.build()).value == {"same": 7}


def test_the_predicate_takes_what_a_step_takes_and_what_two_rounds_returned(backend: Backend) -> None:
    flows, asked = Registry(), list[Any]()

    @flows.provider
    def unit() -> str:
        return "m"

    @flows.step
    def goal() -> int:
        return 4

    def reached(height: int, result: int, previous: int, goal: int, unit: str, by: int, ctx: Context) -> bool:
        asked.append((height, result, previous, goal, unit, by, ctx.round))
        return result >= goal

    @flows.step(until=Until(reached, every=0))
    def height(previous: int = 0, by: int = 2) -> int:
        return previous + by

    assert run(height, registry=flows, backend=backend).value == 4
    assert asked == [(2, 2, 0, 4, "m", 2, 1), (4, 4, 2, 4, "m", 2, 2)]


def test_the_predicate_of_an_async_step_may_be_async(backend: Backend) -> None:
    async def enough(result: int) -> bool:
        await anyio.sleep(0)
        return result == 2

    body, _ = counting("loop")
    flow = FlowBuilder("loop").step(body, name="count", until=Until(enough, every=0)).build()
    assert run(flow, backend=backend).value == {"count": 2}


def test_each_item_has_rounds_of_its_own(backend: Backend, recorder: Recorder) -> None:
    def grown(by: int, previous: int = 0) -> int:
        return previous + by

    flow = FlowBuilder("loop")
    flow.step(grown, each={"by": [1, 2, 6]}, until=Until(lambda grown, by: grown >= 6, every=0.001))
    result = run(flow.build(), backend=backend, plugins=[recorder])

    assert result.value == {"grown": [6, 6, 6]}
    assert [item.rounds for item in result.steps["grown"].items or ()] == [6, 3, 1]
    assert recorder.of("grown[2]") == ["start grown[2] 1", "finish grown[2]"]


def test_when_is_asked_before_the_first_round_only(backend: Backend) -> None:
    asked: list[int] = []
    body, _ = counting("thread")
    flow = FlowBuilder("loop")
    flow.step(body, name="count", when=lambda: not asked.append(1), until=Until(lambda count: count == 3, every=0))  # type: ignore[func-returns-value]  # None is what it takes

    assert run(flow.build(), backend=backend).value == {"count": 3}
    assert asked == [1]


# The limit, failures and time-outs.


@pytest.mark.parametrize("kind", KINDS)
def test_a_predicate_that_does_not_hold_after_the_last_round_is_a_failure(
    backend: Backend, recorder: Recorder, kind: str
) -> None:
    body, words = counting(kind)
    flow = FlowBuilder("loop")
    flow.step(body, name="count", until=Until(lambda: False, every=0, limit=3), retries=5, **words)
    flow.step(lambda count: count, name="below")
    result = run(flow.build(), backend=backend, plugins=[recorder])

    (error,) = result.errors
    assert (type(error), str(error)) == (UntilLimitError, "the until of count did not hold after 3 rounds")
    assert (result.steps["count"].status, result.steps["count"].rounds) == (Status.FAILED, 3)
    assert recorder.of("count")[-2:] == ["start count 3", "error count failed"]
    assert result.steps["below"].reason == "count failed"


def test_a_step_that_reached_its_limit_can_be_rescued(backend: Backend) -> None:
    body, _ = counting("thread")
    flow = FlowBuilder("loop")
    flow.step(body, name="count", until=Until(lambda: 0, limit=1), on_error=lambda error: str(error))

    assert run(flow.build(), backend=backend).value == {"count": "the until of count did not hold after the only round"}


def test_a_step_that_goes_on_after_its_limit_has_no_value(backend: Backend) -> None:
    body, _ = counting("thread")
    flow = FlowBuilder("loop").step(lambda count: [count], name="below")
    flow.step(body, name="count", until=Until(lambda: False, every=0, limit=2), on_error="continue")

    result = run(flow.build(), backend=backend)
    assert (result.value, result.steps["count"].value) == ({"below": [None]}, None)


def test_retries_count_anew_in_each_round_and_attempts_run_through(backend: Backend, recorder: Recorder) -> None:
    delays, seen = list[float](), list[tuple[int, int]]()

    class Delays:
        @hookimpl
        def flowbuilder_step_retry(self, delay: float) -> None:
            delays.append(delay)

    def flaky(ctx: Context) -> int:
        seen.append((ctx.round, ctx.attempt))
        if ctx.attempt % 3:
            raise OSError(f"attempt {ctx.attempt}")
        return ctx.round

    flow = FlowBuilder("loop")
    retries = Retry(2, delay=0.001, backoff=2.0)
    flow.step(flaky, until=Until(lambda flaky: flaky == 2, every=0), retries=retries)
    result = run(flow.build(), backend=backend, plugins=[Delays(), recorder])
    assert seen == [(1, 1), (1, 2), (1, 3), (2, 4), (2, 5), (2, 6)]
    assert delays == [0.001, 0.002, 0.001, 0.002]
    assert (result.value, result.steps["flaky"].attempts, result.steps["flaky"].rounds) == ({"flaky": 2}, 6, 2)
    assert result.steps["flaky"].error is None


def test_retries_that_are_used_up_in_a_round_fail_the_step(backend: Backend) -> None:
    def flaky(ctx: Context) -> int:
        if ctx.round == 2:
            raise OSError("gone")
        return ctx.round

    flow = FlowBuilder("loop").step(flaky, until=Until(lambda: False, every=0), retries=1).build()
    flaky_result = run(flow, backend=backend).steps["flaky"]
    assert (flaky_result.status, flaky_result.attempts, flaky_result.rounds) == (Status.FAILED, 3, 2)


@pytest.mark.parametrize("kind", KINDS)
def test_a_predicate_that_raises_fails_the_attempt_as_the_body_would(backend: Backend, kind: str) -> None:
    body, words = counting(kind)
    flow = FlowBuilder("loop")
    flow.step(body, name="count", until=Until(lambda count: 1 / (count - 1), every=0), retries=1, **words)
    count = run(flow.build(), backend=backend).steps["count"]

    assert (count.status, count.attempts, count.rounds) == (Status.FAILED, 2, 1)
    assert isinstance(count.error, ZeroDivisionError)


def test_a_time_limit_is_for_each_attempt_and_not_for_all_rounds(backend: Backend) -> None:
    async def count(previous: int = 0) -> int:
        await anyio.sleep(0.06)
        return previous + 1

    flow = FlowBuilder("loop").step(count, timeout=0.2, until=Until(lambda count: count == 5, every=0)).build()
    assert run(flow, backend=backend).value == {"count": 5}


@pytest.mark.parametrize("kind", ["thread", "loop"])
def test_the_time_of_the_predicate_counts_as_the_bodys(backend: Backend, kind: str) -> None:
    release = threading.Event()

    def stuck() -> bool:
        release.wait(5)
        return True

    async def stuck_async() -> bool:
        await anyio.sleep(5)
        return True

    body, words = counting(kind)
    predicate = stuck if kind == "thread" else stuck_async
    flow = FlowBuilder("loop").step(body, name="count", timeout=0.05, until=Until(predicate), **words).build()
    count = run(flow, backend=backend).steps["count"]
    release.set()
    assert (count.status, type(count.error)) == (Status.TIMED_OUT, StepTimeoutError)


# Waiting for a round.


@pytest.mark.parametrize("kind", KINDS)
def test_between_two_rounds_a_step_holds_no_slot_and_no_resource(
    backend: Backend, recorder: Recorder, kind: str
) -> None:
    body, words = counting(kind)
    flow = FlowBuilder("loop")
    flow.step(body, name="poll", until=Until(lambda poll: poll == 2, every=0.1), resources={"db": 1}, **words)
    flow.step(lambda: 1, name="between", resources={"db": 1}, **({} if kind == "loop" else words))
    config = ParallelConfig(max_concurrency=1, resources={"db": 1})

    run(flow.build(), config=config, backend=backend, plugins=[recorder]).raise_for_errors()
    starts = [line for line in recorder.told if line.startswith("start")]
    assert starts == ["start poll 1", "start between 1", "start poll 2"]


def test_a_pause_is_really_waited_for_and_counts_as_time_of_the_step(backend: Backend) -> None:
    times: list[float] = []
    flow = FlowBuilder("loop")
    flow.step(lambda: times.append(time.monotonic()), name="poll", until=Until(lambda: len(times) == 3, every=0.03))

    poll = run(flow.build(), backend=backend).steps["poll"]
    assert all(later - before >= 0.03 for before, later in pairwise(times))
    assert poll.duration is not None
    assert poll.duration >= 0.06


def test_with_one_slot_and_no_pause_the_order_is_the_same_in_every_run(backend: Backend) -> None:
    def told() -> list[str]:
        recorder = Recorder()
        flow = FlowBuilder("loop")
        for name, kind in (("a", "thread"), ("b", "loop"), ("c", "thread")):
            body, words = counting(kind)
            flow.step(body, name=name, until=Until(lambda result: result == 3, every=0), **words)
        run(flow.build(), config=ParallelConfig(max_concurrency=1), backend=backend, plugins=[recorder])
        return [line for line in recorder.told if line.startswith("start")]

    first = told()
    assert first[:4] == ["start a 1", "start b 1", "start c 1", "start a 2"]
    assert all(told() == first for _ in range(3))


@pytest.mark.parametrize("kind", KINDS)
def test_a_waiting_round_is_cancelled_when_the_run_stops(backend: Backend, recorder: Recorder, kind: str) -> None:
    body, words = counting(kind)
    heard = Repeats()

    def stops() -> None:
        heard.heard.wait(5)
        raise ValueError("the end")

    flow = FlowBuilder("loop").step(body, name="poll", until=Until(lambda: False, every=600), **words).step(stops)
    flow.step(lambda poll: poll, name="below")
    config = ParallelConfig(fail_fast=True)
    result = run(flow.build(), config=config, backend=backend, plugins=[recorder, heard])
    poll = result.steps["poll"]
    assert (poll.status, poll.attempts, poll.rounds) == (Status.CANCELLED, 1, 1)
    assert poll.reason == "the run ended before its next round"
    assert str(poll.error) == "poll was cancelled before its next round"
    assert recorder.of("poll") == ["start poll 1", "repeat poll 1", "error poll cancelled"]
    assert result.steps["below"].reason == "poll was cancelled"
    assert [str(error) for error in result.errors] == ["the end"]


def test_a_retry_that_waits_inside_a_round_fails_with_its_error_when_the_run_stops(backend: Backend) -> None:
    retried = threading.Event()

    class Hears:
        @hookimpl
        def flowbuilder_step_retry(self) -> None:
            retried.set()

    def flaky(ctx: Context) -> None:
        if ctx.round == 2:
            raise OSError("busy")

    def stops() -> None:
        retried.wait(5)
        raise ValueError("the end")

    flow = FlowBuilder("loop").step(stops)
    flow.step(flaky, until=Until(lambda: False, every=0), retries=Retry(1, delay=600))
    result = run(flow.build(), config=ParallelConfig(fail_fast=True), backend=backend, plugins=[Hears()])
    poll = result.steps["flaky"]
    assert (poll.status, poll.attempts, poll.rounds, str(poll.error)) == (Status.FAILED, 2, 2, "busy")
    assert poll.reason == "the run ended before its next attempt"


def test_a_round_that_ends_after_the_stop_is_the_last(backend: Backend, recorder: Recorder) -> None:
    stopped = threading.Event()

    class Hears:
        @hookimpl
        def flowbuilder_step_error(self) -> None:
            stopped.set()

    def poll() -> None:
        stopped.wait(5)

    flow = FlowBuilder("loop").step(poll, until=Until(lambda: False, every=0)).step(lambda: 1 / 0, name="stops")
    config = ParallelConfig(fail_fast=True)
    result = run(flow.build(), config=config, backend=backend, plugins=[recorder, Hears()])
    assert (result.steps["poll"].status, result.steps["poll"].rounds) == (Status.CANCELLED, 1)
    assert isinstance(result.steps["poll"].error, StepCancelledError)
    assert recorder.of("poll") == ["start poll 1", "error poll cancelled"]


def test_a_scheduler_says_when_the_next_round_is_and_cancels_it(in_loop: InLoop, recorder: Recorder) -> None:
    async def main() -> tuple[str, RunResult[object]]:
        flow = FlowBuilder("loop").step(lambda: 1, name="poll", until=Until(lambda: False, every=600)).build()
        async with WorkflowScheduler(plugins=[recorder]) as scheduler:
            handle = scheduler.submit(flow)
            while "repeat poll 1" not in recorder.told:
                await anyio.sleep(0.001)
            (waiting,) = scheduler.active()[0].waiting
            handle.cancel()
            return waiting.waits_for, await handle.wait()

    waits_for, result = in_loop(main)
    assert waits_for in ("its next round in 600.0 s", "its next round in 599.9 s")
    assert (result.status, result.steps["poll"].status) == (Status.CANCELLED, Status.CANCELLED)
    assert recorder.of("poll")[-1] == "error poll cancelled"


def test_of_what_all_rounds_say_the_last_ones_is_kept(backend: Backend) -> None:
    class Says:
        @hookimpl
        def flowbuilder_step_call(self, call: Any) -> Any:
            call.add_section("said", f"attempt {call.attempt}")
            yield

    body, _ = counting("thread")
    flow = FlowBuilder("loop").step(body, name="count", until=Until(lambda count: count == 3, every=0)).build()
    sections = run(flow, backend=backend, plugins=[Says()]).steps["count"].sections
    assert [part.text for part in sections] == ["attempt 3"]
