"""The loop lane: workers that take one attempt after another, and what a body may do to its worker."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from flowbuilder import Context, FlowBuilder, ParallelConfig, Status, run
from flowbuilder.engine.execute import Stop, execute
from flowbuilder.engine.lanes.loop import TURN
from flowbuilder.host import make_host
from flowbuilder.results import RunResult
from flowbuilder.runner import Backend, factories, make_run_plan, run_info

pytestmark = pytest.mark.timeout(20)


def stopped_in_turn(backend: Backend, waits: int) -> RunResult[Any]:
    """Run a chain of which the step that ends a worker's turn stops the run, and then waits so often."""
    stop = Stop()

    async def body(ctx: Context) -> None:
        if ctx.step == "s1":
            time.sleep(TURN)
        elif ctx.step == "s2":
            stop("test")
            for _ in range(waits):
                await anyio.lowlevel.checkpoint()
        else:
            await anyio.sleep(30)

    flow = FlowBuilder("chain")
    for number in range(1, 5):
        flow.then(partial(body), name=f"s{number}")
    host = make_host(entry_points=False)
    plan = make_run_plan(flow.build(), None, None, None, host)
    info = run_info(plan, ParallelConfig(grace=5.0))
    return anyio.run(execute, info, host, factories(host), stop, backend=backend)


@pytest.mark.parametrize("waits", range(5))
def test_a_stop_finds_a_worker_also_between_two_of_its_attempts(backend: Backend, waits: int) -> None:
    started = time.monotonic()
    result = stopped_in_turn(backend, waits)
    assert result.status is Status.CANCELLED
    assert result.notes == ("cancelled: test",)
    assert time.monotonic() - started < 5


def cancel_oneself() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()


def test_a_body_that_cancels_its_own_task_and_returns_is_a_success_and_disturbs_no_other() -> None:
    async def rash() -> str:
        cancel_oneself()
        return "rash"

    async def calm() -> str:
        await asyncio.sleep(0.001)
        return "calm"

    assert run(FlowBuilder("alone").step(rash).build()).value == {"rash": "rash"}
    result = run(FlowBuilder("both").step(rash).then(calm).build(), config=ParallelConfig(max_concurrency=1))
    assert result.value == {"calm": "calm"}


def test_the_body_after_one_that_was_cancelled_by_itself_counts_no_cancellation() -> None:
    async def rash() -> None:
        cancel_oneself()
        await asyncio.sleep(30)

    async def calm() -> int:
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    flow = FlowBuilder("both").step(rash, on_error="continue").then(calm).build()
    result = run(flow, config=ParallelConfig(max_concurrency=1))
    assert isinstance(result.steps["rash"].error, asyncio.CancelledError)
    assert result.value == {"calm": 0}


@pytest.mark.parametrize("timeout", [None, 0.02])
def test_a_body_that_is_left_behind_in_scopes_of_its_own_harms_nobody(backend: Backend, timeout: float | None) -> None:
    async def shielded() -> None:
        with anyio.CancelScope(), anyio.CancelScope(shield=True):
            await anyio.sleep(0.3)

    async def fails() -> None:
        raise ValueError

    flow = FlowBuilder("flow").step(shielded, timeout=timeout).step(fails).build()
    result = run(flow, backend=backend, config=ParallelConfig(grace=0.05, fail_fast=timeout is None))
    assert result.steps["shielded"].status is (Status.TIMED_OUT if timeout else Status.CANCELLED)
    assert "still runs" in result.notes[0]
