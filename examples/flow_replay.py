"""Replay a recorded workflow graph with its run times scaled down, and set its makespan beside the critical path.

flowbuilder run examples/flow_replay.py -P scale=0.01
"""

from __future__ import annotations

import json
from functools import partial
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, NamedTuple

import anyio

from flowbuilder import FlowBuilder, ParallelConfig, RunResult, arun, step, workflow

MONTAGE = Path(__file__).parent / "data" / "montage-chameleon-2mass-005d-001.json"


class Graph(NamedTuple):
    """A recorded graph: for each step the seconds it takes, and the steps it waits for."""

    name: str
    seconds: dict[str, float]
    parents: dict[str, list[str]]


@step
def recorded(graph: Path = MONTAGE, scale: float = 0.02) -> Graph:
    """Read a graph, its run times multiplied by ``scale``."""
    if not 0 < scale < float("inf"):
        raise ValueError(f"scale={scale} is no number above 0")
    data = json.loads(graph.read_bytes())
    steps = {one["id"]: one for one in data["tasks"]}
    return Graph(
        name=graph.stem,
        seconds={name: one["runtime_s"] * scale for name, one in steps.items()},
        parents={name: one["parents"] for name, one in steps.items()},
    )


@step
def critical_path(recorded: Graph) -> float:
    """Return the seconds of the longest chain: no run can take less."""
    ends: dict[str, float] = {}
    for name in TopologicalSorter(recorded.parents).static_order():
        ends[name] = recorded.seconds[name] + max((ends[parent] for parent in recorded.parents[name]), default=0.0)
    return max(ends.values(), default=0.0)


async def wait(seconds: float) -> None:
    """Stand in for the work of a step."""
    await anyio.sleep(seconds)


@step
async def replayed(recorded: Graph, slots: int | None = None) -> RunResult[Any]:
    """Build the workflow that was recorded, and run it; at most ``slots`` steps at once."""
    flow = FlowBuilder(recorded.name).with_config(ParallelConfig(max_concurrency=slots))
    for name, seconds in recorded.seconds.items():
        flow.step(partial(wait, seconds=seconds), name=name, after=recorded.parents[name])
    return (await arun(flow.build())).raise_for_errors()


@workflow
def replay(recorded: Graph, critical_path: float, replayed: RunResult[Any]) -> str:
    """Compare how long the replay took with the least it could take."""
    work = sum(recorded.seconds.values())
    return (
        f"{recorded.name}, {len(replayed.steps)} steps\n"
        f"critical path  {critical_path:8.3f} s\n"
        f"makespan       {replayed.duration:8.3f} s, {replayed.duration / critical_path:.2f} times the critical path\n"
        f"one by one     {work:8.3f} s, {work / replayed.duration:.1f} times the makespan"
    )
