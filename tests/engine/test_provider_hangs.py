"""Providers that hang: cancelled with the run where they can be, left behind where not."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Iterator

import anyio
import anyio.lowlevel
import pytest

from flowbuilder import FlowBuilder, ParallelConfig, Registry, Status, arun, hookimpl, run
from flowbuilder.runner import Backend
from flowbuilder.testing import Recorder
from tests.conftest import InLoop

# Set-up and tear-down that hang.


def test_an_async_set_up_that_hangs_is_cancelled_with_the_run(in_loop: InLoop, recorder: Recorder) -> None:
    flows, said = Registry(), list[str]()
    hanging = threading.Event()

    @flows.provider
    async def api() -> AsyncIterator[str]:
        try:
            hanging.set()
            await anyio.sleep(30)
        finally:
            said.append("cancelled")
        yield "api"

    @flows.step
    async def user(api: str) -> None: ...

    async def main() -> None:
        async with anyio.create_task_group() as group:
            flow = FlowBuilder("hangs").step(user).build()
            group.start_soon(lambda: arun(flow, registry=flows, plugins=[recorder]))
            await anyio.to_thread.run_sync(hanging.wait, 5)
            group.cancel_scope.cancel()

    started = time.monotonic()
    in_loop(main)
    assert time.monotonic() - started < 5
    assert said == ["cancelled"]
    assert recorder.runs[0].status is Status.CANCELLED


def test_a_set_up_in_a_thread_that_hangs_is_left_behind_after_the_grace_period_and_undone_when_it_ends(
    in_loop: InLoop, recorder: Recorder
) -> None:
    flows, release, hanging, undone = Registry(), threading.Event(), threading.Event(), threading.Event()

    @flows.provider
    def api() -> Iterator[str]:
        hanging.set()
        release.wait(30)
        try:
            yield "api"
        finally:
            undone.set()

    @flows.step
    async def user(api: str) -> None: ...

    async def main() -> None:
        async with anyio.create_task_group() as group:
            flow = FlowBuilder("hangs").step(user).with_config(ParallelConfig(grace=0.1)).build()
            group.start_soon(lambda: arun(flow, registry=flows, plugins=[recorder]))
            await anyio.to_thread.run_sync(hanging.wait, 5)
            group.cancel_scope.cancel()

    started = time.monotonic()
    in_loop(main)
    assert time.monotonic() - started < 5
    assert recorder.runs[0].status is Status.CANCELLED
    release.set()
    assert undone.wait(5)


@pytest.mark.parametrize("kind", ["plain", "looped"])
def test_a_step_that_times_out_while_its_provider_is_set_up_says_so_and_its_body_is_never_called(
    backend: Backend, recorder: Recorder, kind: str
) -> None:
    flows, release, called = Registry(), threading.Event(), list[str]()

    class Releases:
        @hookimpl
        def flowbuilder_step_error(self) -> None:
            release.set()

    @flows.provider
    def api() -> str:
        assert release.wait(20)
        return "api"

    async def looped(api: str) -> None:
        called.append(api)

    def plain(api: str) -> None:
        called.append(api)

    flow = FlowBuilder("slow").step(looped if kind == "looped" else plain, name="user", timeout=0.1).build()
    result = run(flow, registry=flows, backend=backend, plugins=[Releases(), recorder])
    step = result.steps["user"]
    assert step.status is Status.TIMED_OUT
    assert str(step.error) == "user timed out after 0.1 s; its providers were still being set up"
    assert set(result.notes) <= {"user overran while its providers were set up"}
    assert called == []
    assert recorder.of("user") == ["start user 1", "error user timed_out"]


def test_nothing_more_is_set_up_for_a_step_that_timed_out_when_its_run_has_ended(backend: Backend) -> None:
    flows, release, said = Registry(), threading.Event(), list[str]()

    class Releases:
        @hookimpl
        def flowbuilder_step_error(self) -> None:
            release.set()

    @flows.provider
    def first() -> Iterator[str]:
        release.wait(20)
        said.append("first up")
        yield "first"
        said.append("first down")

    @flows.provider
    def second() -> Iterator[str]:
        said.append("second up")
        yield "second"
        said.append("second down")

    flow = FlowBuilder("slow").step(lambda first, second: None, name="user", timeout=0.1).build()
    run(flow, registry=flows, backend=backend, plugins=[Releases()])
    assert said == ["first up", "first down"]


def test_the_time_that_the_set_up_took_is_not_left_for_the_body(backend: Backend) -> None:
    flows = Registry()

    @flows.provider
    async def api() -> str:
        await anyio.sleep(0.8)
        return "api"

    async def user(api: str) -> None:
        await anyio.sleep(20)

    step = run(FlowBuilder("slow").step(user, timeout=1.0).build(), registry=flows, backend=backend).steps["user"]
    assert str(step.error) == "user timed out after 1 s"
    assert (step.duration or 0) < 1.6


@pytest.mark.parametrize("kind", ["plain", "looped"])
def test_a_tear_down_that_hangs_after_the_stop_is_left_behind_after_the_grace_period(
    in_loop: InLoop, recorder: Recorder, kind: str
) -> None:
    flows, release, running = Registry(), threading.Event(), threading.Event()

    @flows.provider
    def plain() -> Iterator[str]:
        yield "api"
        release.wait(30)

    @flows.provider
    async def looped() -> AsyncIterator[str]:
        yield "api"
        await anyio.sleep(30)

    @flows.step
    async def of_plain(plain: str) -> None:
        running.set()
        await anyio.sleep(30)

    @flows.step
    async def of_looped(looped: str) -> None:
        running.set()
        await anyio.sleep(30)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            flow = FlowBuilder("hangs").step(of_plain if kind == "plain" else of_looped)
            flow.with_config(ParallelConfig(grace=0.2))
            group.start_soon(lambda: arun(flow.build(), registry=flows, plugins=[recorder]))
            await anyio.to_thread.run_sync(running.wait, 5)
            group.cancel_scope.cancel()

    started = time.monotonic()
    in_loop(main)
    took = time.monotonic() - started
    release.set()
    assert took < 5
    (result,) = recorder.runs
    assert result.status is Status.CANCELLED
    assert any("it did not end within the grace period" in str(error) for error in result.errors)


@pytest.mark.parametrize("checkpoints", range(32))
def test_a_cancellation_at_any_checkpoint_of_a_set_up_ends_in_order(
    in_loop: InLoop, recorder: Recorder, checkpoints: int
) -> None:
    flows, said = Registry(), list[str]()

    @flows.provider
    async def first() -> AsyncIterator[str]:
        said.append("first up")
        for _ in range(10):
            await anyio.lowlevel.checkpoint()
        try:
            yield "first"
        finally:
            said.append("first down")

    @flows.provider
    async def server(first: str) -> AsyncIterator[str]:
        try:
            async with anyio.create_task_group():
                said.append("server up")
                yield "server"
        finally:
            said.append("server down")

    @flows.step
    async def user(server: str) -> None:
        await anyio.sleep(30)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: arun(FlowBuilder("one").step(user).build(), registry=flows, plugins=[recorder]))
            while not said:
                await anyio.lowlevel.checkpoint()
            for _ in range(checkpoints):
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()

    in_loop(main)
    assert said.count("server up") == said.count("server down")
    assert recorder.runs[0].status is Status.CANCELLED
    assert {str(step.status) for step in recorder.runs[0].steps.values()} <= {"cancelled", "skipped", "failed"}
