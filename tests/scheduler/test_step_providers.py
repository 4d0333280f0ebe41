"""Providers of a step hold its slot and resources until they are torn down, and nothing is left whatever happens.

Whether slots and resources are back is looked at after every test of this folder.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from flowbuilder import Context, FlowBuilder, ParallelConfig, Registry, Retry, WorkflowDefinition, WorkflowScheduler
from flowbuilder.testing import Recorder
from tests.conftest import InLoop
from tests.engine.endings import assert_each_step_ended_once


class Count:
    """Counts providers: how many stand, the most at once, and those closed in another task than their own."""

    def __init__(self) -> None:
        self.standing = 0
        self.most = 0
        self.made = 0
        self.strayed = 0
        self._lock = threading.Lock()

    def add(self, amount: int) -> None:
        with self._lock:
            self.standing += amount
            self.made += amount > 0
            self.most = max(self.most, self.standing)


def with_sessions(count: Count) -> Registry:
    flows = Registry()

    @flows.provider
    def whole() -> Iterator[str]:
        count.add(1)
        yield "whole"
        count.add(-1)

    @flows.provider(scope="step")
    def plain(whole: str) -> Iterator[str]:
        count.add(1)
        yield "plain"
        count.add(-1)

    @flows.provider(scope="step")
    async def looped(plain: str) -> AsyncIterator[str]:
        mine = anyio.get_current_task().id
        count.add(1)
        try:
            yield "looped"
        finally:
            count.add(-1)
            count.strayed += mine != anyio.get_current_task().id

    return flows


@pytest.mark.parametrize("is_async", [True, False])
def test_a_resource_is_held_until_all_is_torn_down(in_loop: InLoop, is_async: bool) -> None:
    count, flows = Count(), Registry()

    @flows.provider(scope="step")
    def session() -> Iterator[str]:
        count.add(1)
        yield "session"
        time.sleep(0.002)
        count.add(-1)

    async def looped(session: str, n: int) -> None: ...

    def plain(session: str, n: int) -> None: ...

    body: Any = looped if is_async else plain
    flow = FlowBuilder("many").step(body, name="one", each={"n": list(range(10))}, resources={"db": 2}).build()

    async def main() -> None:
        async with WorkflowScheduler(resources={"db": 2}) as scheduler:
            handles = [scheduler.submit(flow, registry=flows) for _ in range(2)]
            for handle in handles:
                (await handle.wait()).raise_for_errors()

    in_loop(main)
    assert (count.made, count.most, count.standing) == (20, 1, 0)


def busy(choose: random.Random) -> WorkflowDefinition:
    """Return a random workflow of steps that end in every way, all with sessions."""

    async def looped(looped: str, ctx: Context) -> int:
        await anyio.sleep(choose.random() / 300)
        if ctx.attempt == 1 and choose.randrange(3) == 0:
            raise OSError(ctx.step)
        return 1

    def on_loop(looped: str, ctx: Context) -> int:
        time.sleep(choose.random() / 300)
        ctx.check_cancelled()
        return 1

    def in_thread(plain: str, ctx: Context) -> int:
        return on_loop(plain, ctx)

    flow = FlowBuilder("busy")
    for number in range(12):
        body: Any = choose.choice([looped, on_loop, in_thread])
        on_error: Any = choose.choice(["fail", "continue", lambda looped: 0, lambda plain: 0])
        timeout = choose.choice([None, 5, 0.003])
        retries = Retry(choose.randrange(3), delay=0.001)
        flow.step(body, name=f"step_{number}", on_error=on_error, retries=retries, timeout=timeout)
    each: Any = lambda n, plain: n  # noqa: E731  # a body of one line
    return flow.step(each, name="each", each={"n": [1, 2, 3]}, when=lambda n, plain: n > 1).build()


@pytest.mark.timeout(20)
@pytest.mark.parametrize("seed", range(20))
def test_at_any_moment_nothing_is_left(in_loop: InLoop, recorder: Recorder, seed: int) -> None:
    choose, count = random.Random(seed), Count()
    flows, flow, moment = with_sessions(count), busy(choose), choose.random() * 0.08

    async def main() -> None:
        limit = choose.choice([None, 1, 3])
        async with WorkflowScheduler(limit, plugins=[recorder]) as scheduler:
            config = ParallelConfig(fail_fast=choose.choice([True, False, False]))
            handle = scheduler.submit(flow, registry=flows, config=config)
            with anyio.move_on_after(moment):
                await handle.wait()
            handle.cancel()
            await handle.wait()

    in_loop(main)
    assert (count.standing, count.strayed) == (0, 0)
    assert_each_step_ended_once(recorder)


def test_a_thread_that_outlives_the_scheduler_gives_all_back(in_loop: InLoop) -> None:
    count, release = Count(), threading.Event()
    flows = with_sessions(count)
    flow = FlowBuilder("late").step(lambda looped: release.wait(20), name="user", timeout=0.05, resources={"db": 1})

    async def main() -> None:
        async with WorkflowScheduler(resources={"db": 1}) as scheduler:
            await scheduler.submit(flow.build(), registry=flows).wait()

    in_loop(main)
    assert count.standing == 0
    release.set()
