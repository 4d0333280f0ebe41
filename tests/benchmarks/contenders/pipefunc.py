"""pipefunc: one function an output, wired by name; a map where all steps are independent."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

from tests.benchmarks.graph import Graph, Run, named, plain_body

pipefunc: Any = import_module("pipefunc")


def plain(graph: Graph) -> Run:
    """Run a pipeline, one step after another, or in threads where the steps take time."""
    is_map = not any(graph.upstream)
    made = _map(graph) if is_map else pipeline(graph)
    names = ["value"] if is_map else [f"s{number}" for number in range(len(graph))]
    numbers = range(len(graph))
    inputs = {"number": list(numbers)} if is_map else {f"n{number}": number for number in numbers}

    def run() -> Iterable[int]:
        words: dict[str, Any] = {"parallel": False, "storage": "dict"}
        if not graph.seconds:
            outputs = made.map(inputs, **words)
        else:
            with ThreadPoolExecutor(graph.slots) as pool:
                words |= {"parallel": True, "executor": pool, "scheduling_strategy": "eager"}
                outputs = made.map(inputs, **words, **({"chunksizes": 1} if is_map else {}))
        found = (outputs[name].output for name in names)
        return next(found) if is_map else found

    return run


def _map(graph: Graph) -> Any:
    step = pipefunc.PipeFunc(named(plain_body(graph), 0, False), "value", mapspec="number[i] -> value[i]")
    return pipefunc.Pipeline([step])


def pipeline(graph: Graph) -> Any:
    """Return the graph as a pipeline of functions that are renamed to fit."""
    body, steps = plain_body(graph), []
    for number, above in enumerate(graph.upstream):
        renames = {"number": f"n{number}"} | {f"a{place}": f"s{one}" for place, one in enumerate(above)}
        steps.append(pipefunc.PipeFunc(named(body, len(above), False), f"s{number}", renames=renames))
    return pipefunc.Pipeline(steps)
