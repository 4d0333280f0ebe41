"""Retries: how many, after which errors, how far apart, and that a waiting one holds nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from flowbuilder import Context, FlowBuilder, ParallelConfig, Registry, Retry, Status, StepInfo, hookimpl, run
from flowbuilder.runner import Backend
from flowbuilder.testing import Recorder


class Delays:
    """A plugin that keeps the delay of each retry."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    @hookimpl
    def flowbuilder_step_retry(self, delay: float) -> None:
        self.seconds.append(delay)


def failing(times: int, kind: str) -> Callable[..., Any]:
    """Return a body, plain or async, that fails in its first ``times`` attempts."""

    def plain(ctx: Context) -> int:
        if ctx.attempt <= times:
            raise OSError(f"attempt {ctx.attempt}")
        return ctx.attempt

    async def looped(ctx: Context) -> int:
        await anyio.sleep(0)
        return plain(ctx)

    return looped if kind == "loop" else plain


@pytest.mark.parametrize("kind", ["thread", "inline", "loop"])
def test_a_step_is_tried_again_until_it_succeeds(backend: Backend, recorder: Recorder, kind: str) -> None:
    flow = FlowBuilder("retried")
    flow.step(failing(2, kind), name="flaky", retries=3, executor=None if kind == "loop" else kind)

    result = run(flow.build(), backend=backend, plugins=[recorder])
    assert result.value == {"flaky": 3}
    assert result.steps["flaky"].attempts == 3
    assert recorder.of("flaky") == [
        "start flaky 1", "retry flaky 1 OSError", "start flaky 2", "retry flaky 2 OSError", "start flaky 3",
        "finish flaky",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["thread", "inline", "loop"])
def test_n_retries_are_at_most_n_more_attempts(backend: Backend, recorder: Recorder, kind: str) -> None:
    flow = FlowBuilder("retried")
    flow.step(failing(9, kind), name="broken", retries=2, executor=None if kind == "loop" else kind)

    result = run(flow.build(), backend=backend, plugins=[recorder])
    assert result.steps["broken"].status is Status.FAILED
    assert result.steps["broken"].attempts == 3
    assert str(result.steps["broken"].error) == "attempt 3"
    assert recorder.of("broken").count("error broken failed") == 1
    assert result.errors[0].__notes__ == [f"step broken, attempt 3, run {result.run_id}"]


def test_without_retries_there_is_one_attempt(backend: Backend) -> None:
    result = run(FlowBuilder("once").step(failing(1, "thread"), name="broken").build(), backend=backend)

    assert result.steps["broken"].attempts == 1


@pytest.mark.parametrize(
    ("error", "on", "attempts"),
    [
        (OSError(), (OSError,), 3),
        (FileNotFoundError(), (OSError,), 3),
        (ValueError(), (OSError,), 1),
        (ValueError(), (OSError, ValueError), 3),
        (SystemExit(1), (Exception,), 1),
        (KeyboardInterrupt(), (Exception,), 1),
        (SystemExit(1), (SystemExit,), 3),
    ],
)
def test_only_the_errors_of_on_are_worth_another_attempt(
    backend: Backend, error: BaseException, on: tuple[type[BaseException], ...], attempts: int
) -> None:
    def broken() -> None:
        raise error

    result = run(FlowBuilder("on").step(broken, retries=Retry(2, on=on)).build(), backend=backend)
    assert result.steps["broken"].attempts == attempts


def test_delays_grow_by_the_backoff_up_to_the_largest(backend: Backend) -> None:
    heard = Delays()
    retries = Retry(5, delay=0.001, backoff=2.0, max_delay=0.005)
    run(FlowBuilder("slower").step(failing(9, "thread"), name="broken", retries=retries).build(),
        plugins=[heard], backend=backend)  # fmt: skip

    assert heard.seconds == [0.001, 0.002, 0.004, 0.005, 0.005]


def test_jitter_is_added_to_each_delay_and_drawn_from_the_seed() -> None:
    flow = FlowBuilder("jitter")
    flow.step(failing(9, "inline"), name="broken", retries=Retry(6, delay=0.001, jitter=0.002), executor="inline")
    heard = [Delays(), Delays(), Delays()]
    for plugin, seed in zip(heard, (1, 1, 2), strict=True):
        run(flow.build(), plugins=[plugin], seed=seed)

    assert all(0.001 <= delay <= 0.003 for delay in heard[0].seconds)
    assert len(set(heard[0].seconds)) > 1
    assert heard[0].seconds == heard[1].seconds != heard[2].seconds


def test_a_delay_is_really_waited_for(backend: Backend) -> None:
    times: list[float] = []

    def broken() -> None:
        times.append(time.monotonic())
        raise OSError

    run(FlowBuilder("slow").step(broken, retries=Retry(2, delay=0.05, backoff=2.0)).build(), backend=backend)
    assert times[1] - times[0] >= 0.05
    assert times[2] - times[1] >= 0.1


def test_nothing_is_waited_for_after_the_last_attempt(backend: Backend) -> None:
    started = time.monotonic()
    retries = Retry(1, delay=0.001, backoff=100_000.0)
    run(FlowBuilder("last").step(failing(9, "thread"), name="broken", retries=retries).build(), backend=backend)

    assert time.monotonic() - started < 5


@pytest.mark.parametrize("kind", ["thread", "inline", "loop"])
def test_a_waiting_retry_holds_no_slot(backend: Backend, recorder: Recorder, kind: str) -> None:
    retries = Retry(1, delay=0.1)
    flow = FlowBuilder("waits")
    flow.step(failing(1, kind), name="flaky", retries=retries, executor=None if kind == "loop" else kind)
    flow.step(failing(0, kind), name="between", executor=None if kind == "loop" else kind)

    config = ParallelConfig(max_concurrency=1)
    run(flow.build(), config=config, backend=backend, plugins=[recorder]).raise_for_errors()
    starts = [line for line in recorder.told if line.startswith("start")]
    assert starts == ["start flaky 1", "start between 1", "start flaky 2"]


def test_a_hundred_waiting_retries_hold_no_thread(backend: Backend) -> None:
    waiting, most = threading.Semaphore(0), list[int]()

    class Counts:
        @hookimpl
        def flowbuilder_step_retry(self) -> None:
            waiting.release()

    def counted() -> None:
        for _ in range(100):
            waiting.acquire(timeout=5)
        most.append(threading.active_count())

    flow = FlowBuilder("many")
    flow.step(lambda n, ctx: failing(1, "thread")(ctx), name="flaky", each={"n": list(range(100))},
              retries=Retry(1, delay=0.2))  # fmt: skip
    flow.step(counted)
    run(flow.build(), backend=backend, plugins=[Counts()]).raise_for_errors()
    assert most[0] < 50


@pytest.mark.parametrize("kind", ["loop", "thread"])
def test_a_time_out_may_be_retried_and_each_attempt_has_the_whole_limit(backend: Backend, kind: str) -> None:
    flows = Registry()

    @flows.step(timeout=0.3, retries=Retry(1, on=(TimeoutError,)))
    async def looped(ctx: Context) -> int:
        await anyio.sleep(30 if ctx.attempt == 1 else 0.05)
        return ctx.attempt

    @flows.step(timeout=0.3, retries=Retry(1, on=(TimeoutError,)))
    def plain(ctx: Context) -> int:
        give_up = time.monotonic() + 0.4
        while ctx.attempt == 1 and time.monotonic() < give_up:
            time.sleep(0.001)
        return ctx.attempt

    result = run(looped if kind == "loop" else plain, registry=flows, backend=backend)
    assert result.value == 2
    assert result.status is Status.SUCCESS


def test_the_retry_of_a_timed_out_thread_starts_only_after_the_thread_has_ended(
    backend: Backend, recorder: Recorder
) -> None:
    release, ended = threading.Event(), list[int]()

    class Releases:
        @hookimpl
        def flowbuilder_step_retry(self, step: StepInfo) -> None:
            # The time-out is told while the thread still lives.
            ended.append(len(ended))
            threading.Timer(0.05, release.set).start()

    def stuck(ctx: Context) -> list[int]:
        if ctx.attempt == 1:
            release.wait(10)
            ended.append(100)
        return list(ended)

    flow = FlowBuilder("again").step(stuck, timeout=0.2, retries=Retry(1, on=(TimeoutError,))).build()
    result = run(flow, backend=backend, plugins=[Releases(), recorder])
    assert result.value == {"stuck": [0, 100]}
    assert recorder.of("stuck") == [
        "start stuck 1", "retry stuck 1 StepTimeoutError", "start stuck 2", "finish stuck",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["thread", "loop"])
def test_a_waiting_retry_is_given_up_when_the_run_stops(backend: Backend, recorder: Recorder, kind: str) -> None:
    heard = threading.Event()

    class Hears:
        @hookimpl
        def flowbuilder_step_retry(self) -> None:
            heard.set()

    def stops() -> None:
        heard.wait(5)
        raise ValueError("the end")

    flow = FlowBuilder("stopped").step(failing(1, kind), name="flaky", retries=Retry(1, delay=600)).step(stops)
    flow.step(lambda flaky: flaky, name="below")
    result = run(flow.build(), config=ParallelConfig(fail_fast=True), backend=backend, plugins=[Hears(), recorder])
    flaky = result.steps["flaky"]
    assert (flaky.status, flaky.attempts, str(flaky.error)) == (Status.FAILED, 1, "attempt 1")
    assert flaky.reason == "the run ended before its next attempt"
    assert recorder.of("flaky") == ["start flaky 1", "retry flaky 1 OSError", "error flaky failed"]
    assert result.steps["below"].status is Status.SKIPPED
    assert {str(error) for error in result.errors} == {"attempt 1", "the end"}


def test_a_retry_does_not_ask_for_a_new_value_of_its_upstream(backend: Backend) -> None:
    calls: list[int] = []

    def source() -> int:
        calls.append(1)
        return 5

    flow = (
        FlowBuilder("kept")
        .step(source)
        .step(lambda source, ctx: source + failing(1, "thread")(ctx), name="flaky", retries=1)
    )
    assert run(flow.build(), backend=backend).value == {"flaky": 7}
    assert calls == [1]


def test_duration_covers_all_attempts_and_the_waits_between_them(backend: Backend) -> None:
    flow = FlowBuilder("long").step(failing(1, "thread"), name="flaky", retries=Retry(1, delay=0.05)).build()

    duration = run(flow, backend=backend).steps["flaky"].duration
    assert duration is not None
    assert duration >= 0.05
