"""A nested run ends with the body that waits for it, whatever ends that; what it completed may be undone."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

import anyio
import pytest

from flowbuilder import Context, FlowBuilder, ParallelConfig, Registry, RunResult, Status, WorkflowScheduler, run
from flowbuilder.errors import StepCancelledError
from flowbuilder.runner import Backend
from flowbuilder.testing import Recorder
from tests.conftest import InLoop

SHORT = ParallelConfig(grace=0.2)


class Long:
    """A workflow that books, then waits for ever; ``told`` has what was undone and what ended."""

    def __init__(self, *, is_plain: bool = False) -> None:
        self.told: list[str] = []
        self.begun = threading.Event()
        flow = FlowBuilder("trip").step(lambda: 1, name="book", undo=self._undo)
        self.workflow = flow.step(self._wait_plainly if is_plain else self._wait, name="wait").build()

    def _undo(self, ctx: Context) -> None:
        self.told.append(f"undo {ctx.step}")

    async def _wait(self, book: int) -> None:
        self.begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            self.told.append("ended")

    def _wait_plainly(self, book: int, ctx: Context) -> None:
        self.begun.set()
        try:
            while True:
                ctx.check_cancelled()
        finally:
            self.told.append("ended")

    def crawl(self, *, is_sync: bool = False) -> Any:
        """Return a step that runs the workflow."""

        async def crawl(ctx: Context) -> None:
            await ctx.run(self.workflow)

        def plain_crawl(ctx: Context) -> None:
            ctx.run_sync(self.workflow)

        return plain_crawl if is_sync else crawl

    def submitted(self, scheduler: WorkflowScheduler, crawl: Any) -> Any:
        """Submit a flow of one step."""
        flow = FlowBuilder("flow").step(crawl, name="crawl").with_config(SHORT).build()
        return scheduler.submit(flow)

    async def run_until_begun(self) -> None:
        while not self.begun.is_set():
            await anyio.sleep(0.001)


@pytest.mark.parametrize("is_sync", [False, True])
@pytest.mark.parametrize("is_plain", [False, True])
def test_cancelling_the_run_cancels_and_undoes_what_is_nested(is_sync: bool, is_plain: bool, in_loop: InLoop) -> None:
    long, recorder = Long(is_plain=is_plain), Recorder()

    async def main() -> RunResult[Any]:
        async with WorkflowScheduler(plugins=[recorder]) as scheduler:
            handle = long.submitted(scheduler, long.crawl(is_sync=is_sync))
            await long.run_until_begun()
            handle.cancel("enough")
            return await handle.wait()  # type: ignore[no-any-return]  # of any flow

    result = in_loop(main)
    assert result.status is Status.CANCELLED
    assert long.told == ["ended", "undo book"]
    assert [one.status for one in recorder.runs + recorder.nested] == [Status.CANCELLED] * 2
    assert recorder.told.index("run_finish trip cancelled") < recorder.told.index("run_finish flow cancelled")
    assert recorder.of("crawl")[-1] == "error crawl cancelled"


@pytest.mark.parametrize("is_sync", [False, True])
def test_a_time_out_of_the_body_cancels_and_undoes_what_is_nested(is_sync: bool, backend: Backend) -> None:
    long, recorder = Long(), Recorder()
    flow = FlowBuilder("flow").step(long.crawl(is_sync=is_sync), name="crawl", timeout=0.1).build()
    result = run(flow, backend=backend, config=SHORT, plugins=[recorder])
    assert result.steps["crawl"].status is Status.TIMED_OUT
    assert long.told == ["ended", "undo book"]
    assert "run_finish trip cancelled" in recorder.told


def test_a_scope_of_the_body_cancels_that_run_alone(backend: Backend) -> None:
    long = Long()

    async def crawl(ctx: Context) -> list[str]:
        with anyio.move_on_after(0.05):
            await ctx.run(long.workflow)
        return list(long.told)

    flow = FlowBuilder("flow").step(crawl).build()
    result = run(flow, backend=backend)
    assert result.steps["crawl"].value == ["ended", "undo book"]


def test_a_body_that_was_cancelled_hears_so_where_it_waits(in_loop: InLoop) -> None:
    long, raised = Long(), []

    def crawl(ctx: Context) -> None:
        try:
            ctx.run_sync(long.workflow)
        except StepCancelledError as error:
            raised.append(str(error))

    async def main() -> None:
        async with WorkflowScheduler() as scheduler:
            handle = long.submitted(scheduler, crawl)
            await long.run_until_begun()
            handle.cancel()

    in_loop(main)
    assert raised == ["crawl was cancelled, and with it crawl/trip"]


def test_the_time_out_of_the_whole_run_cancels_and_undoes_what_is_nested(backend: Backend) -> None:
    long, flows = Long(), Registry()
    flows.step(name="crawl")(long.crawl())
    outer = flows.workflow(name="outer", timeout=0.05)(lambda crawl: crawl)
    result = run(outer, registry=flows, backend=backend)
    assert result.status is Status.TIMED_OUT
    assert long.told == ["ended", "undo book"]


def test_fail_fast_cancels_and_undoes_what_is_nested(backend: Backend) -> None:
    long = Long()

    def broken() -> None:
        long.begun.wait(5)
        raise ValueError

    flow = FlowBuilder("flow").step(long.crawl(), name="crawl").step(broken).build()
    result = run(flow, backend=backend, config=ParallelConfig(fail_fast=True))
    assert result.steps["crawl"].status is Status.CANCELLED
    assert long.told == ["ended", "undo book"]


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("is_sync", [False, True])
def test_ctrl_c_undoes_nothing_since_the_run_may_go_on(is_sync: bool, backend: Backend) -> None:
    long, recorder = Long(), Recorder()

    def interrupts() -> None:
        long.begun.wait(5)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupts)
    thread.start()
    flow = FlowBuilder("flow").step(long.crawl(is_sync=is_sync), name="crawl").build()
    with pytest.raises(KeyboardInterrupt):
        run(flow, backend=backend, plugins=[recorder], config=SHORT)
    thread.join()
    assert long.told == ["ended"]
    assert "run_finish trip cancelled" in recorder.told


def test_ctrl_c_breaks_off_the_undo_of_a_nested_run(in_loop: InLoop) -> None:
    begun, told = threading.Event(), []

    async def late(early: int) -> None: ...

    async def slow_undo() -> None:
        begun.set()
        await anyio.sleep_forever()

    def fails(late: None) -> None:
        raise ValueError

    flow = FlowBuilder("trip").step(lambda: 1, name="early", undo=lambda: told.append("undone"))
    trip = flow.step(late, undo=slow_undo).step(fails).build()

    async def crawl(ctx: Context) -> None:
        await ctx.run(trip)

    async def main() -> RunResult[Any]:
        async with WorkflowScheduler() as scheduler:
            flow = FlowBuilder("flow").step(crawl).with_config(SHORT).build()
            handle = scheduler.submit(flow)
            while not begun.is_set():
                await anyio.sleep(0.001)
            scheduler.cancel("SIGINT")
            return await handle.wait()

    result = in_loop(main)
    assert told == []
    assert result.status is Status.CANCELLED
    assert "trip: the run was interrupted before all was undone; not undone: early" in result.notes


def test_too_many_failures_elsewhere_undo_nothing(in_loop: InLoop) -> None:
    long = Long()

    async def broken() -> None:
        await long.run_until_begun()
        raise ValueError

    async def main() -> Status:
        async with WorkflowScheduler(max_failures=1) as scheduler:
            handle = long.submitted(scheduler, long.crawl())
            await scheduler.submit(FlowBuilder("other").step(broken).build()).wait()
            return (await handle.wait()).status  # type: ignore[no-any-return]  # of any flow

    assert in_loop(main) is Status.CANCELLED
    assert long.told == ["ended"]


def test_a_nested_run_that_fails_undoes_what_it_completed(backend: Backend) -> None:
    flows, told = Registry(), []
    flows.step(name="book", undo=lambda: told.append("undone"))(lambda: 1)

    @flows.step
    def pay(book: int) -> None:
        raise ValueError

    trip = flows.workflow(name="trip")(lambda pay: pay)

    async def crawl(ctx: Context) -> list[str]:
        with pytest.raises(ExceptionGroup):
            await ctx.run(trip)
        return list(told)

    flow = FlowBuilder("flow").step(crawl).build()
    assert run(flow, registry=flows, backend=backend).steps["crawl"].value == ["undone"]


def test_a_thread_of_a_nested_run_that_does_not_end_is_named_by_the_run_around_it(backend: Backend) -> None:
    flows, release, begun = Registry(), threading.Event(), threading.Event()

    @flows.step(timeout=0.02)
    def stuck() -> None:
        begun.set()
        release.wait(10)

    @flows.workflow
    def trip(stuck: None) -> None: ...

    async def crawl(ctx: Context) -> str:
        with pytest.raises(ExceptionGroup):
            await ctx.run(trip)
        return "went on"

    flow = FlowBuilder("flow").step(crawl).build()
    try:
        result = run(flow, registry=flows, backend=backend, config=SHORT.with_max_concurrency(1))
    finally:
        release.set()
    assert result.steps["crawl"].value == "went on"
    assert result.notes == ("trip: stuck overran and its thread still runs",)


def test_a_run_that_was_asked_for_too_late_never_starts(in_loop: InLoop) -> None:
    long, recorder = Long(), Recorder()
    has_begun, may_go_on = threading.Event(), threading.Event()

    def crawl(ctx: Context) -> None:
        has_begun.set()
        may_go_on.wait(5)
        ctx.run_sync(long.workflow)

    async def main() -> None:
        async with WorkflowScheduler(plugins=[recorder]) as scheduler:
            handle = long.submitted(scheduler, crawl)
            while not has_begun.is_set():
                await anyio.sleep(0.001)
            handle.cancel()
            while "run_cancel flow its handle was cancelled" not in recorder.told:
                await anyio.sleep(0.001)
            may_go_on.set()

    in_loop(main)
    assert "run_start trip" not in recorder.told
    assert recorder.of("crawl")[-1] == "error crawl cancelled"
