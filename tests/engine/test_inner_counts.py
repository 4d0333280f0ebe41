"""What ran inside a body is counted in the result of its step."""

from __future__ import annotations

import threading
from typing import Any

import anyio
import pytest

from flowbuilder import Context, FlowBuilder, InnerCounts, ParallelConfig, Registry, RunResult, Until, run
from flowbuilder.results import NO_INNER
from flowbuilder.runner import Backend


def crawled(body: Any, backend: Backend, **words: Any) -> RunResult[Any]:
    return run(FlowBuilder("flow").step(body, name="crawl", **words).build(), backend=backend)


def check(n: int) -> int:
    if n == 3:
        raise ValueError(n)
    return n


async def in_the_loop(ctx: Context) -> None:
    await ctx.run(check, 1)
    try:
        await ctx.map(check, range(5))
    except ExceptionGroup:
        await ctx.run(check, 2)


def in_a_thread(ctx: Context) -> None:
    ctx.run_sync(check, 1)
    try:
        ctx.map_sync(check, range(5))
    except ExceptionGroup:
        ctx.run_sync(check, 2)


@pytest.mark.parametrize("body", [in_the_loop, in_a_thread])
def test_calls_and_items_are_counted_by_how_they_ended(body: Any, backend: Backend) -> None:
    result = crawled(body, backend).steps["crawl"]
    assert (result.inner, result.inner.total) == (InnerCounts(success=6, failed=1), 7)
    assert result.to_dict()["inner"] == {"success": 6, "failed": 1}


def test_a_step_that_runs_nothing_has_the_one_empty_count(backend: Backend) -> None:
    result = crawled(lambda: 1, backend).steps["crawl"]
    assert result.inner is NO_INNER
    assert result.to_dict()["inner"] == {}


def test_attempts_and_rounds_are_added_up(backend: Backend) -> None:
    async def shaky(ctx: Context) -> int:
        await ctx.map(check, range(2))
        if ctx.attempt == 1:
            raise ValueError
        return ctx.round

    until = Until(lambda result: result == 2, every=0)
    assert crawled(shaky, backend, retries=1).steps["crawl"].inner == InnerCounts(success=4)
    assert crawled(shaky, backend, retries=1, until=until).steps["crawl"].inner == InnerCounts(success=6)
    assert crawled(shaky, backend, on_error=lambda error: 0).steps["crawl"].inner == InnerCounts(success=2)


def test_a_mapped_step_has_those_of_all_its_items(backend: Backend) -> None:
    async def crawl(n: int, ctx: Context) -> None:
        await ctx.map(check, range(n))

    found = crawled(crawl, backend, each={"n": [0, 2, 3]}).steps["crawl"]
    assert found.inner == InnerCounts(success=5)
    assert [one.inner.total for one in found.items or ()] == [0, 2, 3]


def test_what_runs_deeper_is_counted_where_it_was_called(backend: Backend) -> None:
    async def branch(n: int, ctx: Context) -> None:
        await ctx.map(check, range(2))

    async def crawl(ctx: Context) -> None:
        await ctx.map(branch, range(3))

    assert crawled(crawl, backend).steps["crawl"].inner == InnerCounts(success=3)


def test_what_was_cut_off_by_a_time_out_is_counted(backend: Backend) -> None:
    flows = Registry()

    # Long enough for two of them to begin.
    @flows.step(timeout=0.5)
    async def crawl(ctx: Context) -> None:
        await ctx.run(check, 1)
        await ctx.map(anyio.sleep, [60, 60, 60], limit=2)

    result = run(FlowBuilder("flow").step(crawl).build(), backend=backend).steps["crawl"]
    assert (result.status, result.inner) == ("timed_out", InnerCounts(success=1, cancelled=2))


def test_what_had_ended_before_a_thread_overran_is_counted(backend: Backend) -> None:
    release = threading.Event()

    def crawl(ctx: Context) -> None:
        ctx.run_sync(check, 1)
        release.wait(5)

    def free(crawl: None) -> None: ...

    flow = FlowBuilder("flow").step(crawl, timeout=0.1).step(free).build()
    config = ParallelConfig(grace=0.1)
    result = run(flow, backend=backend, config=config)
    release.set()
    assert (result.steps["crawl"].status, result.steps["crawl"].inner) == ("timed_out", InnerCounts(success=1))
