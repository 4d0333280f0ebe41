"""Inner steps: what a body runs by ctx.run and ctx.map, on the loop and in threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from flowbuilder import Context, FlowBuilder, ParallelConfig, Registry, RunResult, StepResult, run
from flowbuilder.errors import StepTimeoutError
from flowbuilder.runner import Backend
from flowbuilder.testing import Recorder
from tests.conftest import InLoop

ONE = ParallelConfig(max_concurrency=1)


def ran(body: Any, backend: Backend, *plugins: Any, config: ParallelConfig | None = None) -> RunResult[Any]:
    """Run a step alone."""
    built = FlowBuilder("flow").step(body, name="crawl").build()
    return run(built, backend=backend, plugins=plugins, config=config)


async def later(n: int) -> int:
    await anyio.sleep(0)
    return n * 2


def plain(n: int) -> int:
    return n * 2


async def async_crawl(ctx: Context) -> Any:
    one, two = await ctx.run(later, 1), await ctx.run(plain, n=2)
    return one, two, await ctx.map(later, range(3)), await ctx.map(plain, [3, 4])


def thread_crawl(ctx: Context) -> Any:
    one, two = ctx.run_sync(later, 1), ctx.run_sync(plain, n=2)
    return one, two, ctx.map_sync(later, range(3)), ctx.map_sync(plain, [3, 4])


@pytest.mark.parametrize("body", [async_crawl, thread_crawl])
@pytest.mark.parametrize("config", [None, ONE])
def test_a_body_runs_functions_on_the_loop_and_in_threads(body: Any, config: Any, backend: Backend) -> None:
    result = ran(body, backend, config=config).raise_for_errors()
    assert result.steps["crawl"].value == (2, 4, [0, 2, 4], [6, 8])


@pytest.mark.parametrize("body", [async_crawl, thread_crawl])
def test_hooks_hear_of_each_by_a_name_that_says_where_it_belongs(body: Any, backend: Backend) -> None:
    recorder = Recorder()
    ran(body, backend, recorder, config=ONE)
    inside = [line for line in recorder.told if "/" in line and "plain" in line]
    assert inside == [
        "start crawl/plain 1",
        "finish crawl/plain",
        "start crawl/plain~2 1",
        "start crawl/plain~2[0] 1",
        "finish crawl/plain~2[0]",
        "start crawl/plain~2[1] 1",
        "finish crawl/plain~2[1]",
        "finish crawl/plain~2",
    ]
    assert recorder.results["crawl/plain~2"].value == [6, 8]


# One slot, any depth.


async def dive(ctx: Context, depth: int) -> int:
    return 0 if not depth else 1 + await ctx.run(sink, depth=depth - 1)


def sink(ctx: Context, depth: int) -> int:
    return 0 if not depth else 1 + ctx.run_sync(dive, depth=depth - 1)


@pytest.mark.parametrize("body", [dive, sink])
def test_one_slot_is_lent_from_depth_to_depth(body: Any, backend: Backend) -> None:
    flow = FlowBuilder("flow").step(body, name="top").build()
    result = run(flow, params={"depth": 12}, config=ONE, backend=backend)
    assert result.steps["top"].value == 12


def test_one_slot_serves_several_calls_that_wait_at_once(backend: Backend) -> None:
    async def crawl(ctx: Context) -> list[int]:
        found: list[int] = []

        async def one(n: int) -> None:
            found.append(await (ctx.run(plain, n) if n % 2 else ctx.run(later, n)))

        async with anyio.create_task_group() as group:
            for n in range(10):
                group.start_soon(one, n)
        found.append(await ctx.run(later, 100))
        return sorted(found)

    assert ran(crawl, backend, config=ONE).steps["crawl"].value == [*range(0, 20, 2), 200]


class Counted:
    """Counts how many bodies run, and how many are open, at once."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.running = self.most = 0
        self.threads: set[int] = set()

    def __enter__(self) -> None:
        with self.lock:
            self.threads.add(threading.get_ident())
            self.running += 1
            self.most = max(self.most, self.running)

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.running -= 1


@pytest.mark.parametrize("slots", [1, 2, 3])
def test_no_more_bodies_run_than_slots_and_no_more_threads_than_slots_times_depth(slots: int, backend: Backend) -> None:
    counted = Counted()

    def leaf(n: int) -> int:
        with counted:
            time.sleep(0.0005)
        return n

    def branch(n: int, ctx: Context) -> int:
        with counted:
            pass
        found = sum(ctx.map_sync(leaf, range(n, n + 3)))
        with counted:
            time.sleep(0.0005)
        return found

    def root(n: int, ctx: Context) -> int:
        return sum(ctx.map_sync(branch, range(4)))

    flow = FlowBuilder("flow").step(root, each={"n": list(range(6))}).build()
    result = run(flow, config=ParallelConfig(max_concurrency=slots), backend=backend).raise_for_errors()
    assert result.steps["root"].value == [sum(sum(range(n, n + 3)) for n in range(4))] * 6
    assert counted.most <= slots
    assert len(counted.threads) <= slots * 3


def test_a_step_that_waits_for_a_slot_does_not_get_the_one_that_a_body_has_lent(backend: Backend) -> None:
    recorder = Recorder()

    async def one(ctx: Context) -> int:
        return await ctx.run(plain, 1) + await ctx.run(plain, 2)

    async def other() -> int:
        return 0

    flow = FlowBuilder("flow").step(one).step(other).build()
    run(flow, config=ONE, backend=backend, plugins=[recorder]).raise_for_errors()
    assert recorder.told[1:-1] == [
        "start one 1", "start one/plain 1", "finish one/plain", "start one/plain~2 1", "finish one/plain~2",
        "finish one", "start other 1", "finish other",
    ]  # fmt: skip


# What fails.


def test_what_an_inner_step_raises_is_raised_in_the_body(backend: Backend) -> None:
    def broken() -> None:
        raise ValueError("no")

    async def crawl(ctx: Context) -> str:
        try:
            await ctx.run(broken)
        except ValueError as error:
            return str(error) + error.__notes__[0].partition(",")[0]
        return ""

    recorder = Recorder()
    result = ran(crawl, backend, recorder, config=ParallelConfig(fail_fast=True))
    # It failed, and the body made something of it: that is no failure of the run.
    assert result.steps["crawl"].value == "nostep crawl/broken"
    assert recorder.of("crawl/broken") == ["start crawl/broken 1", "error crawl/broken failed"]


@pytest.mark.parametrize("is_async", [True, False])
def test_failing_items_are_raised_as_a_group_when_the_rest_have_ended(is_async: bool, backend: Backend) -> None:
    ended: list[int] = []

    def check(n: int) -> int:
        if n % 2:
            raise ValueError(n)
        ended.append(n)
        return n

    async def crawl(ctx: Context) -> Any:
        return await ctx.map(check, range(6))

    def crawl_plainly(ctx: Context) -> Any:
        return ctx.map_sync(check, range(6))

    recorder = Recorder()
    result = ran(crawl if is_async else crawl_plainly, backend, recorder)
    (error,) = result.errors
    assert isinstance(error, ExceptionGroup)
    assert error.message == "3 of 6 items of crawl/check failed"
    assert [one.args for one in error.exceptions] == [(1,), (3,), (5,)]
    assert sorted(ended) == [0, 2, 4]
    assert recorder.of("crawl/check") == ["start crawl/check 1", "error crawl/check failed"]


def test_what_the_items_raise_ends_a_map_after_those_that_run(backend: Backend) -> None:
    def items() -> Iterator[int]:
        yield 1
        raise LookupError("gone")

    done: list[int] = []

    async def keep(n: int) -> None:
        await anyio.sleep(0)
        done.append(n)

    async def crawl(ctx: Context) -> list[None]:
        return await ctx.map(keep, items())

    (error,) = ran(crawl, backend).errors
    assert isinstance(error, LookupError)
    assert done == [1]


def test_retries_time_outs_and_rescues_of_a_step_hold_inside_too(backend: Backend) -> None:
    flows = Registry()
    tries: list[int] = []

    @flows.step(retries=2)
    def shaky(n: int) -> int:
        tries.append(n)
        if len(tries) < 3:
            raise OSError
        return n

    @flows.step(timeout=0.01, on_error=lambda error, url: f"{url}: {type(error).__name__}")
    async def slow(url: str) -> str:
        await anyio.sleep_forever()
        return url

    @flows.step(on_error="continue")
    def sad() -> int:
        raise ValueError

    async def crawl(ctx: Context) -> Any:
        return await ctx.run(shaky, 7), await ctx.run(slow, "a"), await ctx.run(sad)

    recorder = Recorder()
    assert ran(crawl, backend, recorder).steps["crawl"].value == (7, "a: StepTimeoutError", None)
    assert recorder.of("crawl/shaky")[-1] == "finish crawl/shaky"
    assert recorder.results["crawl/shaky"].attempts == 3


def test_an_overdue_thread_inside_is_reported_and_raised_at_its_deadline(backend: Backend) -> None:
    flows, release = Registry(), threading.Event()

    @flows.step(timeout=0.02)
    def stuck() -> None:
        release.wait(5)

    async def crawl(ctx: Context) -> str:
        try:
            await ctx.run(stuck)
        except StepTimeoutError as error:
            return str(error)
        finally:
            release.set()
        return ""

    said = "crawl/stuck timed out after 0.02 s; its thread is still running"
    assert ran(crawl, backend, config=ONE).steps["crawl"].value == said


# Large maps.


def test_items_are_pulled_as_slots_come_free(backend: Backend) -> None:
    pulled, ended, ahead = [0], [0], []

    def items() -> Iterator[int]:
        for n in range(200):
            pulled[0] += 1
            yield n

    async def look(n: int) -> int:
        ahead.append(pulled[0] - ended[0])
        await anyio.sleep(0)
        ended[0] += 1
        return n

    async def crawl(ctx: Context) -> list[int]:
        return await ctx.map(look, items(), limit=3)

    assert ran(crawl, backend).steps["crawl"].value == list(range(200))
    assert max(ahead) <= 3


def test_limit_is_how_many_items_run_at_once(backend: Backend) -> None:
    counted = Counted()

    async def hold(n: int) -> None:
        with counted:
            await anyio.sleep(0.005)

    async def crawl(ctx: Context) -> None:
        await ctx.map(hold, range(20), limit=4)

    ran(crawl, backend).raise_for_errors()
    assert counted.most == 4


def test_a_map_over_nothing_is_an_empty_list(backend: Backend) -> None:
    async def crawl(ctx: Context) -> list[int]:
        return await ctx.map(plain, [])

    assert ran(crawl, backend).steps["crawl"].value == []


def test_fixed_arguments_are_the_same_for_all_items(backend: Backend) -> None:
    def add(n: int, more: int) -> int:
        return n + more

    def crawl(ctx: Context) -> list[int]:
        return ctx.map_sync(add, range(3), more=10)

    assert ran(crawl, backend).steps["crawl"].value == [10, 11, 12]


def test_an_inner_step_of_a_mapped_step_is_called_after_its_item(backend: Backend, in_loop: InLoop) -> None:
    recorder = Recorder()

    async def crawl(n: int, ctx: Context) -> int:
        return await ctx.run(later, n)

    flow = FlowBuilder("flow").step(crawl, each={"n": [5, 6]}).build()
    assert run(flow, plugins=[recorder], backend=backend).steps["crawl"].value == [10, 12]
    assert recorder.results["crawl[1]/later"].value == 12


def test_the_result_of_each_is_what_hooks_are_given(backend: Backend) -> None:
    heard: list[StepResult[Any]] = []
    recorder = Recorder()

    async def crawl(ctx: Context) -> None:
        await ctx.map(later, range(50))

    ran(crawl, backend, recorder)
    heard += [recorder.results[f"crawl/later[{n}]"] for n in range(50)]
    assert [one.value for one in heard] == [n * 2 for n in range(50)]
    assert {one.attempts for one in heard} == {1}
