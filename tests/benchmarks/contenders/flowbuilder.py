"""FlowBuilder: steps added to a builder, wired by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio

from flowbuilder import FlowBuilder, ParallelConfig, Plan, WorkflowDefinition, hookimpl
from flowbuilder.durable.keeping import Keeping
from flowbuilder.durable.opening import Durability
from flowbuilder.host import host_of
from flowbuilder.runner import make_run_plan, run_planned
from tests.benchmarks.cpu import PROCESSES, Pieces, burn
from tests.benchmarks.graph import Graph, Run, join, loop_body, named, plain_body


class TwoHooks:
    """Listens to the start and the end of each step."""

    def __init__(self) -> None:
        self.started = self.finished = 0

    @hookimpl
    def flowbuilder_step_start(self) -> None:
        """Count a start."""
        self.started += 1

    @hookimpl
    def flowbuilder_step_finish(self) -> None:
        """Count an end."""
        self.finished += 1


def plain(graph: Graph) -> Run:
    """Run plain functions in the default lane, in threads."""
    return _prepared(declared(graph, plain_body(graph), is_async=False))


def loop(graph: Graph) -> Run:
    """Run async functions on the loop."""
    return _prepared(declared(graph, loop_body(graph, anyio.sleep), is_async=True))


def heard(graph: Graph) -> Run:
    """Run plain functions while two hooks listen, and check that they heard of each step."""
    hooks = TwoHooks()
    run = _prepared(declared(graph, plain_body(graph), is_async=False), hooks)

    def run_and_count() -> Iterable[int]:
        values = run()
        assert hooks.started == hooks.finished == len(graph)
        return values

    return run_and_count


def mapped(graph: Graph) -> Run:
    """Run one plain step mapped over the numbers of a fan, while two hooks listen."""
    flow = FlowBuilder("map").step(_one, name="items", each={"number": list(range(len(graph)))})
    return _prepared(flow.build(), TwoHooks())


def _one(number: int) -> int:
    return join(number)


def durable(graph: Graph) -> Run:
    """Run plain functions, each result synced in a run store before the next step starts."""
    return _kept(graph, "full")


def durable_normal(graph: Graph) -> Run:
    """Run plain functions, each result committed in a run store before the next step starts."""
    return _kept(graph, "normal")


def processes(pieces: Pieces) -> Run:
    """Map a process step over pieces of work."""
    flow = FlowBuilder("pieces").with_config(ParallelConfig(max_concurrency=PROCESSES))
    flow.step(burn, name="items", each={"number": list(pieces.numbers)}, executor="process")
    return _prepared(flow.build())


def declared(graph: Graph, body: Callable[..., Any], *, is_async: bool) -> WorkflowDefinition:
    """Return a graph as a workflow."""
    flow = FlowBuilder("graph")
    if graph.slots:
        flow.with_config(ParallelConfig(max_concurrency=graph.slots))
    for number, above in enumerate(graph.upstream):
        step = partial(named(body, len(above), is_async), number=number)
        needs = {f"a{place}": f"s{one}" for place, one in enumerate(above)}
        flow.step(step, name=f"s{number}", needs=needs)
    return flow.build()


def planned(workflow: WorkflowDefinition) -> Plan:
    """Return the plan of a run."""
    return make_run_plan(workflow, None, None, None, host_of(None))


def _kept(graph: Graph, durability: Durability) -> Run:
    folder = TemporaryDirectory()
    workflow = declared(graph, plain_body(graph), is_async=False)
    host = host_of(None)
    plan = make_run_plan(workflow, None, None, None, host)
    keeping = Keeping(Path(folder.name) / "runs.db", host, durability)

    def run() -> Iterable[int]:
        with keeping:
            result, _ = run_planned(plan, host, keeping=keeping)
        folder.cleanup()
        return (step.raw_value for step in result.raise_for_errors().steps.values())

    return run


def _prepared(workflow: WorkflowDefinition, *plugins: object) -> Run:
    host = host_of(plugins)
    plan = make_run_plan(workflow, None, None, None, host)

    def run() -> Iterable[int]:
        result, _ = run_planned(plan, host)
        # Steps come in plan order, which is that of their numbers; a map has all values in one.
        steps = result.raise_for_errors().steps
        return steps["items"].value if "items" in steps else (step.raw_value for step in steps.values())

    return run
