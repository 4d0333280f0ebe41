"""Cancellation: by whoever awaits the run, or by a signal; what was started is ended, told and torn down."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import anyio.to_thread
import pytest

from flowbuilder import Context, FlowBuilder, ParallelConfig, Registry, Retry, Status, arun, run
from flowbuilder.errors import StepCancelledError
from flowbuilder.runner import Backend
from flowbuilder.testing import Recorder
from tests.conftest import InLoop
from tests.engine.endings import assert_each_step_ended_once

LONG = 6.0

pytestmark = pytest.mark.timeout(20)


class Running:
    """Says when the bodies that report to it have all begun."""

    def __init__(self, wanted: int) -> None:
        self._left = threading.Semaphore(0)
        self._wanted = wanted

    def report(self) -> None:
        self._left.release()

    def wait(self) -> None:
        for _ in range(self._wanted):
            assert self._left.acquire(timeout=10)

    async def wait_async(self) -> None:
        await anyio.to_thread.run_sync(self.wait)


def mixed(running: Running, cleaned: list[str]) -> Registry:
    """Return a workflow "whole" with an async and a plain step that run for long, each with a provider."""
    flows = Registry()

    @flows.provider
    def plain_api() -> Iterator[str]:
        yield "api"
        cleaned.append("plain_api")

    @flows.provider
    async def async_api(plain_api: str) -> AsyncIterator[str]:
        yield plain_api
        await anyio.sleep(0.001)
        cleaned.append("async_api")

    @flows.step
    async def looped(async_api: str) -> None:
        running.report()
        try:
            await anyio.sleep(LONG)
        finally:
            cleaned.append("looped")

    @flows.step
    def plain(plain_api: str, ctx: Context) -> None:
        running.report()
        while True:
            ctx.check_cancelled()
            time.sleep(0.001)

    @flows.step(after=(looped,))
    def below() -> None:
        raise AssertionError("nothing new starts")

    @flows.workflow(steps=[plain, below])
    def whole() -> None: ...

    return flows


def assert_all_ended(recorder: Recorder, cleaned: list[str]) -> None:
    assert cleaned == ["looped", "async_api", "plain_api"]
    assert recorder.of("looped") == ["start looped 1", "error looped cancelled"]
    assert recorder.of("plain") == ["start plain 1", "error plain cancelled"]
    assert recorder.told[-1] == "run_finish whole cancelled"


@pytest.fixture
def cleaned() -> list[str]:
    return []


# By whoever awaits.


def test_an_anyio_scope_cancels_a_run_which_ends_in_order(
    in_loop: InLoop, recorder: Recorder, cleaned: list[str]
) -> None:
    running = Running(2)
    flows = mixed(running, cleaned)

    async def main() -> bool:
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: arun("whole", registry=flows, plugins=[recorder]))
            await running.wait_async()
            group.cancel_scope.cancel()
        return group.cancel_scope.cancelled_caught

    in_loop(main)
    assert_all_ended(recorder, cleaned)
    (result,) = recorder.runs
    assert result.steps["below"].reason == "the run was cancelled: its caller was cancelled"
    assert result.notes == ("cancelled: its caller was cancelled",)


def test_a_deadline_of_the_callers_cancels_a_run(in_loop: InLoop, recorder: Recorder, cleaned: list[str]) -> None:
    flows = mixed(Running(2), cleaned)

    async def main() -> bool:
        with anyio.move_on_after(0.3) as scope:
            await arun("whole", registry=flows, plugins=[recorder])
        return scope.cancelled_caught

    assert in_loop(main) is True
    assert_all_ended(recorder, cleaned)


def in_asyncio(main: Callable[[], Any]) -> Any:
    async def body() -> Any:
        found = await main()
        assert len(asyncio.all_tasks()) == 1
        return found

    return asyncio.run(body())


def test_a_native_cancel_of_an_asyncio_task_cancels_a_run(recorder: Recorder, cleaned: list[str]) -> None:
    running = Running(2)
    flows = mixed(running, cleaned)

    async def main() -> None:
        task = asyncio.create_task(arun("whole", registry=flows, plugins=[recorder]))
        await asyncio.to_thread(running.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()

    in_asyncio(main)
    assert_all_ended(recorder, cleaned)


def test_an_impatient_caller_who_cancels_again_and_again_still_gets_an_orderly_end(
    recorder: Recorder, cleaned: list[str]
) -> None:
    running = Running(2)
    flows = mixed(running, cleaned)

    async def main() -> None:
        task = asyncio.create_task(arun("whole", registry=flows, plugins=[recorder]))
        await asyncio.to_thread(running.wait)
        while not task.done():
            task.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await task

    in_asyncio(main)
    assert_all_ended(recorder, cleaned)


def test_asyncio_timeout_around_a_run_raises_a_time_out(recorder: Recorder, cleaned: list[str]) -> None:
    flows = mixed(Running(2), cleaned)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await arun("whole", registry=flows, plugins=[recorder])

    in_asyncio(main)
    assert_all_ended(recorder, cleaned)


def test_asyncio_wait_for_around_a_run_raises_a_time_out(recorder: Recorder, cleaned: list[str]) -> None:
    flows = mixed(Running(2), cleaned)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(arun("whole", registry=flows, plugins=[recorder]), 0.3)

    in_asyncio(main)
    assert_all_ended(recorder, cleaned)


def test_a_failing_neighbour_in_a_task_group_cancels_a_run(
    in_loop: InLoop, recorder: Recorder, cleaned: list[str]
) -> None:
    running = Running(2)
    flows = mixed(running, cleaned)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: arun("whole", registry=flows, plugins=[recorder]))
            await running.wait_async()
            raise ValueError("the neighbour")

    with pytest.raises(ExceptionGroup) as caught:
        in_loop(main)
    assert [str(error) for error in caught.value.exceptions] == ["the neighbour"]
    assert_all_ended(recorder, cleaned)


def test_a_run_that_is_cancelled_before_it_starts_starts_nothing(in_loop: InLoop, recorder: Recorder) -> None:
    flow = FlowBuilder("never").step(lambda: 1, name="one").build()

    async def main() -> None:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await arun(flow, plugins=[recorder])

    in_loop(main)
    assert not [line for line in recorder.told if line.startswith("start")]


def test_two_runs_on_one_loop_are_cancelled_apart(in_loop: InLoop) -> None:
    flow = FlowBuilder("twin").step(lambda: 1, name="one").build()

    async def waits() -> None:
        await anyio.sleep(LONG)

    async def main() -> tuple[bool, Any]:
        with anyio.move_on_after(0.05) as scope:
            await arun(FlowBuilder("long").step(waits).build())
        return scope.cancelled_caught, (await arun(flow)).value

    assert in_loop(main) == (True, {"one": 1})


@pytest.mark.parametrize("kind", ["thread", "loop"])
def test_a_step_whose_provider_is_still_set_up_at_the_stop_never_runs(
    in_loop: InLoop, recorder: Recorder, kind: str
) -> None:
    flows, running, release, ran = Registry(), Running(1), threading.Event(), list[str]()

    @flows.provider
    def api() -> Iterator[str]:
        running.report()
        release.wait(10)
        yield "api"
        ran.append("torn down")

    @flows.step
    def plain(api: str) -> None:
        ran.append("plain")

    @flows.step
    async def looped(api: str) -> None:
        ran.append("looped")

    async def main() -> None:
        async with anyio.create_task_group() as group:
            flow = FlowBuilder("early").step(plain if kind == "thread" else looped).build()
            group.start_soon(lambda: arun(flow, registry=flows, plugins=[recorder]))
            await running.wait_async()
            group.cancel_scope.cancel()
            threading.Timer(0.1, release.set).start()

    in_loop(main)
    assert ran == ["torn down"]
    assert_each_step_ended_once(recorder)
    assert recorder.runs[0].status is Status.CANCELLED


# At random moments.


def busy_flow(choose: random.Random) -> Any:
    """Return a random workflow of steps of every kind with retries, maps, rescues and time-outs."""

    async def looped(ctx: Context) -> int:
        await anyio.sleep(choose.random() / 500)
        if ctx.attempt == 1 and len(ctx.step) % 2:
            raise OSError(ctx.step)
        return 1

    def plain(ctx: Context) -> int:
        time.sleep(choose.random() / 500)
        ctx.check_cancelled()
        return 1

    flow = FlowBuilder("busy")
    names: list[str] = []
    for number in range(30):
        after = tuple(choose.sample(names, min(len(names), choose.randrange(3))))
        name = f"step_{number}"
        retries = Retry(choose.randrange(3), delay=0.001)
        on_error: Any = choose.choice(["fail", "continue"])
        if choose.randrange(4) == 0:
            flow.step(lambda n, ctx: plain(ctx), name=name, each={"n": [1, 2, 3]}, after=after, on_error=on_error)
        else:
            body = choose.choice([looped, plain])
            flow.step(body, name=name, after=after, retries=retries, on_error=on_error, timeout=5)
        names.append(name)
    return flow.build()


@pytest.mark.parametrize("seed", range(25))
def test_at_any_moment_every_step_ends_exactly_once(in_loop: InLoop, recorder: Recorder, seed: int) -> None:
    choose = random.Random(seed)
    flow, moment = busy_flow(choose), choose.random() * 0.06

    async def main() -> bool:
        with anyio.move_on_after(moment) as scope:
            await arun(flow, plugins=[recorder], config=ParallelConfig(max_concurrency=choose.choice([None, 1, 3])))
        return scope.cancelled_caught

    was_cancelled = in_loop(main)
    assert_each_step_ended_once(recorder)
    # A cancellation that comes between the end of the run and its return finds a run that is complete.
    assert was_cancelled or recorder.runs[0].status is not Status.CANCELLED


# By a signal.


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_a_run_and_run_raises_keyboard_interrupt(
    backend: Backend, recorder: Recorder, cleaned: list[str], number: signal.Signals
) -> None:
    running, before = Running(2), [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    flows = mixed(running, cleaned)

    def interrupts() -> None:
        running.wait()
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=interrupts)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run("whole", registry=flows, backend=backend, plugins=[recorder])
    thread.join()
    assert_all_ended(recorder, cleaned)
    assert recorder.runs[0].notes == (f"cancelled: {number.name}",)
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_cancelled_run_counts_its_cancellations_among_its_errors(recorder: Recorder, cleaned: list[str]) -> None:
    running = Running(2)
    flows = mixed(running, cleaned)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: arun("whole", registry=flows, plugins=[recorder]))
            await running.wait_async()
            group.cancel_scope.cancel()

    anyio.run(main)
    (result,) = recorder.runs
    assert {type(error) for error in result.errors} == {StepCancelledError}
    assert result.failed_count == 0
    with pytest.raises(ExceptionGroup):
        _ = result.value


def test_a_run_in_another_thread_leaves_signals_alone(backend: Backend) -> None:
    found: list[Any] = []
    before = signal.getsignal(signal.SIGINT)

    def body() -> bool:
        return signal.getsignal(signal.SIGINT) is before

    flow = FlowBuilder("aside").step(body).build()
    thread = threading.Thread(target=lambda: found.append(run(flow, backend=backend).value))
    thread.start()
    thread.join(10)
    assert found == [{"body": True}]


SECOND_SIGNAL = """
import os, signal, sys, threading, time
from flowbuilder import FlowBuilder, run

def stuck():
    print("running", flush=True)
    time.sleep(600)

run(FlowBuilder("stuck").step(stuck).build(), backend=sys.argv[1])
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_ends_the_process_at_once_by_the_signal(backend: Backend, number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SECOND_SIGNAL, backend],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "running\n"
    process.send_signal(number)
    time.sleep(0.1)
    assert process.poll() is None
    process.send_signal(number)
    _, err = process.communicate(timeout=10)
    assert process.returncode == -number
    assert err == ""


IGNORES = """
import sys, anyio
from flowbuilder import FlowBuilder, ParallelConfig, run

async def stubborn():
    while True:
        try:
            await anyio.sleep(600)
        except BaseException:
            pass

async def broken():
    await anyio.sleep(0.05)
    raise ValueError

timeout = 0.1 if sys.argv[2] == "timeout" else None
flow = FlowBuilder("stubborn").step(stubborn, timeout=timeout).step(broken)
result = run(flow.build(), backend=sys.argv[1], config=ParallelConfig(fail_fast=timeout is None, grace=0.2))
print(result.steps["stubborn"].status)
"""


@pytest.mark.parametrize(("how", "status"), [("timeout", "timed_out"), ("fail_fast", "cancelled")])
def test_an_async_step_that_ignores_its_cancellation_for_ever_is_left_behind_after_the_grace_period(
    backend: Backend, how: str, status: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IGNORES, backend, how], stdout=subprocess.PIPE, text=True, timeout=8, check=False
    )
    assert (done.returncode, done.stdout) == (0, f"{status}\n")
