"""The graph of a plan; networkx is met here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import networkx

from flowbuilder.plan.pieces import PlannedStep


def build_graph(steps: Iterable[PlannedStep]) -> networkx.DiGraph[str]:
    """Return the steps and what each waits for as a directed graph that cannot be changed, in plan order."""
    graph: networkx.DiGraph[str] = networkx.DiGraph()
    for step in steps:
        graph.add_node(step.name, step=step)
        graph.add_edges_from((upstream, step.name) for upstream in step.upstream)
    frozen: networkx.DiGraph[str] = networkx.freeze(graph)
    return frozen


def generations(graph: networkx.DiGraph[str], order: Callable[[str], Any]) -> tuple[tuple[str, ...], ...]:
    """Return the topological generations, each in order: a step is in the batch after its last upstream."""
    return tuple(tuple(sorted(batch, key=order)) for batch in networkx.topological_generations(graph))


def longest_path(graph: networkx.DiGraph[str]) -> tuple[str, ...]:
    """Return the longest chain of steps, each counted as one."""
    return tuple(networkx.dag_longest_path(graph))
