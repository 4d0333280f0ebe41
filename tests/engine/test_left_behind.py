"""What attempts and inner steps leave in memory when they have ended: nothing, however far off their deadline is."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from flowbuilder import Context, FlowBuilder, WorkflowScheduler, run, step
from flowbuilder.engine.attempt import Attempt
from flowbuilder.engine.inner_run import InnerRun
from flowbuilder.engine.nested_run import NestedRun
from flowbuilder.engine.run import Run
from flowbuilder.runner import Backend
from tests.conftest import InLoop

CALLS = 20
IN_HAND = 3  # workers that have just settled an attempt may still have it in their hands


@pytest.fixture(autouse=True)
def no_collection() -> Iterator[None]:
    """Let only what nothing refers to go: what waits for the garbage collector counts as kept."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def there_are(kind: type) -> int:
    return sum(type(one) is kind for one in gc.get_objects())


@pytest.fixture
def kept() -> Callable[[type], int]:
    """Return what counts the objects of a kind that came since the test began: other tests may have left some."""
    before: dict[type, int] = {kind: there_are(kind) for kind in (Attempt, InnerRun, NestedRun, Run)}
    return lambda kind: there_are(kind) - before[kind]


@step(timeout=3600)
def plain(n: int) -> int:
    return n


@step(timeout=3600)
async def on_the_loop(n: int) -> int:
    return n


@pytest.mark.parametrize("fn", [plain, on_the_loop])
def test_calls_that_have_ended_are_gone_at_once(fn: Any, backend: Backend, kept: Callable[[type], int]) -> None:
    async def crawl(ctx: Context) -> int:
        for n in range(CALLS):
            await ctx.run(fn, n)
            await ctx.map(fn, [n])
        return kept(InnerRun)

    assert run(FlowBuilder("flow").step(crawl).build(), backend=backend).steps["crawl"].value <= IN_HAND


@pytest.mark.parametrize("fn", [plain, on_the_loop])
def test_calls_from_a_thread_that_have_ended_are_gone_at_once(
    fn: Any, backend: Backend, kept: Callable[[type], int]
) -> None:
    def crawl(ctx: Context) -> int:
        for n in range(CALLS):
            ctx.run_sync(fn, n)
            ctx.map_sync(fn, [n])
        return kept(InnerRun)

    assert run(FlowBuilder("flow").step(crawl).build(), backend=backend).steps["crawl"].value <= IN_HAND


def test_a_deadline_far_off_keeps_no_attempt_and_no_run(in_loop: InLoop, kept: Callable[[type], int]) -> None:
    async def body() -> tuple[int, int]:
        async with WorkflowScheduler() as scheduler:
            for n in range(CALLS):
                await scheduler.submit(FlowBuilder(f"flow{n}").step(plain).build(), params={"n": n}).wait()
            gc.collect()
            return kept(Attempt), kept(Run)

    attempts, runs = in_loop(body)
    assert attempts <= IN_HAND
    assert runs <= IN_HAND


def test_nested_runs_that_have_ended_are_gone(backend: Backend, kept: Callable[[type], int]) -> None:
    fetch = replace(FlowBuilder("fetch").step(plain).build(), timeout=3600)

    async def crawl(ctx: Context) -> tuple[int, int]:
        for n in range(CALLS):
            await ctx.run(fetch, n=n)
        gc.collect()  # a run leads back to itself
        return kept(NestedRun), kept(Run)

    runs = run(FlowBuilder("flow").step(crawl).build(), backend=backend).steps["crawl"].value
    assert runs == (0, 1)
