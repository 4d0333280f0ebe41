"""Dask: delayed functions, in threads."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from tests.benchmarks.graph import Graph, Run, plain_body

dask: Any = import_module("dask")
THREADS = 2


def plain(graph: Graph) -> Run:
    """Run delayed functions with the threaded scheduler."""
    steps = delayed(graph)
    return lambda: list(dask.compute(*steps, scheduler="threads", num_workers=graph.slots or THREADS))


def delayed(graph: Graph) -> list[Any]:
    """Return the graph as delayed calls."""
    step = dask.delayed(plain_body(graph), pure=False)
    steps: list[Any] = []
    for number, above in enumerate(graph.upstream):
        steps.append(step(number, *[steps[one] for one in above]))
    return steps
