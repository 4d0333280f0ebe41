"""taskiq: the broker in memory; it knows no graph, so the program sends each step after its upstream."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import Any

from tests.benchmarks.graph import Graph, Run, loop_body

taskiq: Any = import_module("taskiq")
OFTEN = 0.0005


def loop(graph: Graph) -> Run:
    """Run async functions: all at once where they are independent, else each in its place."""
    body = loop_body(graph, asyncio.sleep)
    run = _timed if graph.seconds else _in_order if any(graph.upstream) else _at_once
    return lambda: asyncio.run(run(graph, body))


async def _at_once(graph: Graph, body: Any) -> list[int]:
    broker = taskiq.InMemoryBroker(max_stored_results=len(graph))
    step = broker.task(task_name="step")(body)
    await broker.startup()
    sent = [await step.kiq(number) for number in range(len(graph))]
    await broker.wait_all()
    values = [(await one.get_result()).return_value for one in sent]
    await broker.shutdown()
    return values


async def _in_order(graph: Graph, body: Any) -> list[int]:
    broker = taskiq.InMemoryBroker(await_inplace=True)
    step = broker.task(task_name="step")(body)
    await broker.startup()
    values: list[int] = []
    for number, above in enumerate(graph.upstream):
        sent = await step.kiq(number, *[values[one] for one in above])
        values.append((await sent.get_result()).return_value)
    await broker.shutdown()
    return values


async def _timed(graph: Graph, body: Any) -> list[int]:
    broker, slots = taskiq.InMemoryBroker(max_stored_results=len(graph)), asyncio.Semaphore(graph.slots or len(graph))
    step = broker.task(task_name="step")(body)
    await broker.startup()
    values: list[asyncio.Task[int]] = []

    async def one(number: int) -> int:
        above = [await values[upstream] for upstream in graph.upstream[number]]
        async with slots:
            sent = await step.kiq(number, *above)
            value: int = (await sent.wait_result(check_interval=OFTEN)).return_value
            return value

    async with asyncio.TaskGroup() as group:
        values.extend(group.create_task(one(number)) for number in range(len(graph)))
    await broker.shutdown()
    return [value.result() for value in values]
