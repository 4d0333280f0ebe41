"""Cancellation at random moments: every step ends exactly once, whatever it was at."""

from __future__ import annotations

import random
import time
from typing import Any

import anyio
import pytest

from flowbuilder import Context, FlowBuilder, ParallelConfig, Retry, Status, arun
from flowbuilder.testing import Recorder
from tests.conftest import InLoop
from tests.engine.endings import assert_each_step_ended_once

pytestmark = pytest.mark.timeout(20)


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
