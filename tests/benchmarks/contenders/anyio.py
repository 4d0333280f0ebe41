"""Bare anyio: a loop task a step, or a few workers that take one step after another."""

from __future__ import annotations

from collections import deque

import anyio
import anyio.lowlevel

from tests.benchmarks.counters import Counters
from tests.benchmarks.graph import Graph, Loop, Run, loop_body

MOST_WORKERS = 1_000
TURNS = 100


def tasks(graph: Graph) -> Run:
    """Run async functions in a task group; each step becomes a loop task when the last it waits for has ended."""
    upstream, values, counters = graph.upstream, [0] * len(graph), Counters(graph)

    async def main() -> list[int]:
        body = loop_body(graph, anyio.sleep)
        if graph.slots:
            body = _limited(body, anyio.CapacityLimiter(graph.slots))

        async def step(number: int) -> None:
            values[number] = await body(number, *[values[one] for one in upstream[number]])
            for below in counters.done(number):
                group.start_soon(step, below)

        async with anyio.create_task_group() as group:
            for number in counters.first:
                group.start_soon(step, number)
        return values

    return lambda: anyio.run(main)


def _limited(body: Loop, slots: anyio.CapacityLimiter) -> Loop:
    async def limited(number: int, *above: int) -> int:
        async with slots:
            return await body(number, *above)

    return limited


def workers(graph: Graph) -> Run:
    """Run async functions in workers that pull from a queue; one more is started only when a body waits."""
    upstream, values, counters = graph.upstream, [0] * len(graph), Counters(graph)
    ready, limit = deque(counters.first), graph.slots or MOST_WORKERS

    async def main() -> list[int]:
        body = loop_body(graph, anyio.sleep)
        working, is_spare_coming = 0, False

        def start() -> None:
            nonlocal working, is_spare_coming
            if not is_spare_coming and working < limit:
                working, is_spare_coming = working + 1, True
                group.start_soon(work)

        async def work() -> None:
            nonlocal working, is_spare_coming
            is_spare_coming, turns = False, 0
            while ready:
                number = ready.popleft()
                if ready:
                    start()
                values[number] = await body(number, *[values[one] for one in upstream[number]])
                ready.extend(counters.done(number))
                turns += 1
                if turns % TURNS == 0:
                    await anyio.lowlevel.checkpoint()
            working -= 1

        async with anyio.create_task_group() as group:
            start()
        return values

    return lambda: anyio.run(main)
