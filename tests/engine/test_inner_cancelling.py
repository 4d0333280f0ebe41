"""Inner steps end with the body that waits for them, whatever ends it."""

from __future__ import annotations

import threading
from typing import Any

import anyio
import pytest

from flowbuilder import (
    Context,
    FlowBuilder,
    ParallelConfig,
    RunResult,
    Status,
    StepResult,
    WorkflowScheduler,
    arun,
    run,
)
from flowbuilder.errors import StepCancelledError, StepTimeoutError
from flowbuilder.runner import Backend
from flowbuilder.testing import Recorder
from tests.conftest import InLoop

SHORT = ParallelConfig(grace=0.2)


def ran(body: Any, backend: Backend, *plugins: Any, **words: Any) -> StepResult[Any]:
    """Run a step alone, and return its result."""
    built = FlowBuilder("flow").step(body, name="crawl", **words).build()
    return run(built, backend=backend, plugins=plugins, config=SHORT).steps["crawl"]


class Ends:
    """Async bodies that wait for ever, and what ended them."""

    def __init__(self) -> None:
        self.ended: list[str] = []
        self.begun = threading.Event()

    async def ever(self, name: str = "ever") -> None:
        self.begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            self.ended.append(name)


def test_a_time_out_of_the_body_cancels_what_it_waits_for(backend: Backend) -> None:
    ends, recorder = Ends(), Recorder()

    async def crawl(ctx: Context) -> None:
        await ctx.run(ends.ever)

    result = ran(crawl, backend, recorder, timeout=0.05)
    assert isinstance(result.error, StepTimeoutError)
    assert ends.ended == ["ever"]
    assert recorder.of("crawl/ever") == ["start crawl/ever 1", "error crawl/ever cancelled"]


def test_a_time_out_of_a_thread_body_raises_where_it_waits(backend: Backend) -> None:
    ends, raised = Ends(), []

    def crawl(ctx: Context) -> None:
        try:
            ctx.run_sync(ends.ever)
        except StepCancelledError as error:
            raised.append(str(error))

    result = ran(crawl, backend, timeout=0.05)
    assert result.status is Status.TIMED_OUT
    assert ends.ended == ["ever"]
    assert raised == ["crawl was cancelled, and with it crawl/ever"]


def test_a_scope_of_the_body_cancels_that_call_alone(backend: Backend) -> None:
    ends = Ends()

    async def crawl(ctx: Context) -> list[str]:
        with anyio.move_on_after(0.02):
            await ctx.map(ends.ever, ["a", "b"])
        return sorted(ends.ended)

    assert ran(crawl, backend).value == ["a", "b"]


def test_what_was_not_started_is_skipped(backend: Backend) -> None:
    ends, recorder = Ends(), Recorder()

    async def crawl(ctx: Context) -> None:
        with anyio.move_on_after(0.02):
            await ctx.map(ends.ever, ["a", "b"], limit=2)

    flow = FlowBuilder("flow").step(crawl).build()
    config = ParallelConfig(max_concurrency=1)
    run(flow, backend=backend, plugins=[recorder], config=config).raise_for_errors()
    assert [line for line in recorder.told if "/" in line] == [
        "start crawl/ever 1", "start crawl/ever[0] 1", "error crawl/ever[0] cancelled", "error crawl/ever cancelled",
    ]  # fmt: skip


@pytest.mark.parametrize("is_async", [True, False])
def test_cancelling_the_run_cancels_what_is_inside_at_any_depth(is_async: bool, in_loop: InLoop) -> None:
    ends, recorder = Ends(), Recorder()

    async def middle(ctx: Context) -> None:
        await ctx.run(ends.ever)

    def plain_middle(ctx: Context) -> None:
        ctx.run_sync(ends.ever)

    def crawl(ctx: Context) -> None:
        ctx.run_sync(middle if is_async else plain_middle)

    flow = FlowBuilder("flow").step(crawl).build()

    async def main() -> RunResult[Any]:
        async with WorkflowScheduler(plugins=[recorder]) as scheduler:
            handle = scheduler.submit(flow)
            while not ends.begun.is_set():
                await anyio.sleep(0.001)
            handle.cancel()
            return await handle.wait()

    assert in_loop(main).status is Status.CANCELLED
    assert ends.ended == ["ever"]
    name = f"crawl/{'middle' if is_async else 'plain_middle'}"
    assert recorder.of(f"{name}/ever")[-1] == f"error {name}/ever cancelled"
    assert recorder.of(name)[-1] == f"error {name} cancelled"
    assert recorder.of("crawl")[-1] == "error crawl cancelled"


def test_what_runs_inside_is_active_as_long_as_it_runs(in_loop: InLoop) -> None:
    ends = Ends()

    async def crawl(ctx: Context) -> None:
        await ctx.map(ends.ever, ["a", "b"])

    async def main() -> list[str]:
        async with WorkflowScheduler() as scheduler:
            handle = scheduler.submit(FlowBuilder("flow").step(crawl).build())
            while not ends.begun.is_set():
                await anyio.sleep(0.001)
            names = [one.name for one in scheduler.active()[0].running]
            handle.cancel()
            await handle.wait()
            return names

    assert in_loop(main)[:2] == ["crawl", "crawl/ever[0]"]


def test_what_waits_inside_is_listed_with_what_it_waits_for(in_loop: InLoop) -> None:
    ends = Ends()

    async def crawl(ctx: Context) -> None:
        async with anyio.create_task_group() as group:
            for n in range(3):
                group.start_soon(ctx.run, ends.ever, n)

    async def main() -> list[tuple[str, str]]:
        async with WorkflowScheduler(max_concurrency=1) as scheduler:
            handle = scheduler.submit(FlowBuilder("flow").step(crawl).build())
            while not ends.begun.is_set() or len(scheduler.active()[0].waiting) < 2:
                await anyio.sleep(0.001)
            waiting = [(one.name, one.waits_for) for one in scheduler.active()[0].waiting]
            handle.cancel()
            await handle.wait()
            return waiting

    assert in_loop(main) == [("crawl/ever~2", "a slot"), ("crawl/ever~3", "a slot, behind 1 more")]


def test_fail_fast_cancels_what_is_inside(backend: Backend) -> None:
    ends = Ends()

    async def crawl(ctx: Context) -> None:
        await ctx.run(ends.ever)

    def broken() -> None:
        ends.begun.wait(5)
        raise ValueError

    flow = FlowBuilder("flow").step(crawl).step(broken).build()
    result = run(flow, backend=backend, config=ParallelConfig(fail_fast=True))
    assert result.steps["crawl"].status is Status.CANCELLED
    assert ends.ended == ["ever"]


def test_a_thread_inside_that_does_not_end_is_left_after_the_grace_period(backend: Backend) -> None:
    release = threading.Event()

    def stuck() -> None:
        release.wait(10)

    async def crawl(ctx: Context) -> None:
        try:
            with anyio.move_on_after(0.01):
                await ctx.run(stuck)
        finally:
            release.set()

    recorder = Recorder()
    assert ran(crawl, backend, recorder).status is Status.SUCCESS
    assert recorder.of("crawl/stuck") == ["start crawl/stuck 1", "error crawl/stuck cancelled"]


def test_a_call_that_nobody_awaited_ends_with_the_body(in_loop: InLoop) -> None:
    ends = Ends()

    async def crawl(ctx: Context, group: Any) -> str:
        async def forgotten() -> None:
            with pytest.raises(StepCancelledError):
                await ctx.run(ends.ever)

        group.start_soon(forgotten)
        while not ends.begun.is_set():
            await anyio.sleep(0)
        return "returned"

    flow = FlowBuilder("flow").step(crawl).build()

    async def main() -> Any:
        async with anyio.create_task_group() as group:
            result = await arun(flow, params={"group": group})
            group.cancel_scope.cancel()
        return result.steps["crawl"].value

    assert in_loop(main) == "returned"
    assert ends.ended == ["ever"]


def test_slots_are_back_when_all_has_ended(in_loop: InLoop) -> None:
    ends = Ends()

    async def crawl(n: int, ctx: Context) -> None:
        with anyio.move_on_after(0.001 * n):
            await ctx.map(ends.ever, ["a", "b", "c"])

    flow = FlowBuilder("flow").step(crawl, each={"n": list(range(8))}).build()

    async def main() -> tuple[int, int]:
        async with WorkflowScheduler(max_concurrency=2) as scheduler:
            (await scheduler.submit(flow).wait()).raise_for_errors()
            driver = scheduler._driver
            assert driver is not None
            admission = driver._engine.admission
            return admission.held, admission.depths.lent

    assert in_loop(main) == (0, 0)
