"""Cancellation by whoever awaits a run: what was started is ended, told and torn down."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import pytest

from flowbuilder import FlowBuilder, Registry, Status, arun
from flowbuilder.errors import StepCancelledError
from flowbuilder.runner import Backend
from flowbuilder.testing import Recorder
from tests.conftest import InLoop
from tests.engine.endings import assert_each_step_ended_once
from tests.engine.long_run import LONG, Running, assert_all_ended, mixed

pytestmark = pytest.mark.timeout(20)


@pytest.fixture
def cleaned() -> list[str]:
    return []


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
    place = recorder.told.index("run_cancel whole its caller was cancelled")
    ended = [number for number, line in enumerate(recorder.told) if line.startswith(("error", "skip"))]
    assert place < min(ended)


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
