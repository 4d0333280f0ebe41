"""The bare standard library: graphlib with threads, asyncio with a loop task a step."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from graphlib import TopologicalSorter
from queue import SimpleQueue

from tests.benchmarks.counters import Counters
from tests.benchmarks.graph import Graph, Loop, Run, loop_body, plain_body

THREADS = 2


def threads(graph: Graph) -> Run:
    """Run plain functions in a ThreadPoolExecutor, in the order of a TopologicalSorter."""
    upstream, body, values = graph.upstream, plain_body(graph), [0] * len(graph)
    sorter = TopologicalSorter(dict(enumerate(upstream)))
    sorter.prepare()
    ended: SimpleQueue[int] = SimpleQueue()

    def work(number: int) -> None:
        values[number] = body(number, *[values[one] for one in upstream[number]])
        ended.put(number)

    def run() -> list[int]:
        with ThreadPoolExecutor(graph.slots or THREADS) as pool:
            while sorter.is_active():
                for number in sorter.get_ready():
                    pool.submit(work, number)
                sorter.done(ended.get())
        return values

    return run


def tasks(graph: Graph) -> Run:
    """Run async functions in a TaskGroup; each step becomes a loop task when the last it waits for has ended."""
    upstream, values, counters = graph.upstream, [0] * len(graph), Counters(graph)

    async def main() -> list[int]:
        body = loop_body(graph, asyncio.sleep)
        if graph.slots:
            body = _limited(body, asyncio.Semaphore(graph.slots))

        async def step(number: int) -> None:
            values[number] = await body(number, *[values[one] for one in upstream[number]])
            for below in counters.done(number):
                group.create_task(step(below))

        async with asyncio.TaskGroup() as group:
            for number in counters.first:
                group.create_task(step(number))
        return values

    return lambda: asyncio.run(main())


def _limited(body: Loop, slots: asyncio.Semaphore) -> Loop:
    async def limited(number: int, *above: int) -> int:
        async with slots:
            return await body(number, *above)

    return limited
