"""Replay a recorded workflow graph with its run times scaled down, and set its makespan beside the critical path.

flowbuilder run examples/flow_replay.py -P scale=0.01
"""

from __future__ import annotations

import json
import time
from functools import partial
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import anyio

from flowbuilder import Context, FlowBuilder, ParallelConfig, step, workflow

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
async def replayed(recorded: Graph, ctx: Context, slots: int | None = None) -> float:
    """Build the workflow that was recorded, run it, at most ``slots`` steps at once, and return the seconds it took."""
    flow = FlowBuilder(recorded.name).with_config(ParallelConfig(max_concurrency=slots))
    for name, seconds in recorded.seconds.items():
        flow.step(partial(wait, seconds=seconds), name=name, after=recorded.parents[name])
    started = time.monotonic()
    await ctx.run(flow.build())
    return time.monotonic() - started


@workflow
def replay(recorded: Graph, critical_path: float, replayed: float) -> str:
    """Compare how long the replay took with the least it could take."""
    work = sum(recorded.seconds.values())
    return (
        f"{recorded.name}, {len(recorded.seconds)} steps\n"
        f"critical path  {critical_path:8.3f} s\n"
        f"makespan       {replayed:8.3f} s, {replayed / critical_path:.2f} times the critical path\n"
        f"one by one     {work:8.3f} s, {work / replayed:.1f} times the makespan"
    )
