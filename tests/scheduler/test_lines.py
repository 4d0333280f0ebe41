"""A scheduler that lives for long keeps nothing of the runs that are over."""

from __future__ import annotations

import gc

from flowbuilder import FlowBuilder, ParallelConfig, WorkflowScheduler
from flowbuilder.engine.limits import Line
from tests.conftest import InLoop


def lines() -> int:
    """Return how many lines there are, those of other tests too."""
    gc.collect()
    return sum(type(one) is Line for one in gc.get_objects())


def test_lines_of_runs_that_are_over_are_gone(in_loop: InLoop) -> None:
    flow = FlowBuilder("own").step(lambda: 1, name="one").step(lambda: 2, name="two", resources={"db": 1})
    flow.with_config(ParallelConfig(max_concurrency=1))

    async def main() -> int:
        before = lines()
        async with WorkflowScheduler(4, resources={"db": 1}) as scheduler:
            handles = [scheduler.submit(flow.build()) for _ in range(20)]
            for handle in handles:
                await handle.wait()
            del handles, handle
            # One more run comes by, so that no worker holds on to what it did last.
            await scheduler.submit(flow.build()).wait()
            return lines() - before

    assert in_loop(main) <= 10
