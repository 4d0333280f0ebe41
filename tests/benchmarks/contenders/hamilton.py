"""Hamilton: functions of a module, wired by name; one after another, or each in a thread from the start."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from tests.benchmarks.graph import Graph, Run, plain_body

os.environ["HAMILTON_TELEMETRY_ENABLED"] = "false"
driver, source, base = map(import_module, ("hamilton.driver", "hamilton.ad_hoc_utils", "hamilton.base"))


def plain(graph: Graph) -> Run:
    """Run the functions that a module of this graph would have."""
    made = built(graph, module(graph))
    names = [f"s{number}" for number in range(len(graph))]
    return lambda: made.execute(names).values()


def module(graph: Graph) -> Any:
    """Return the module of this graph."""
    made = source.module_from_source(written(graph))
    made.body = plain_body(graph)
    return made


def built(graph: Graph, functions: Any) -> Any:
    """Return a driver for the functions of a module."""
    return driver.Builder().with_modules(functions).with_adapters(_adapter(graph)).build()


def _adapter(graph: Graph) -> Any:
    if not graph.seconds:
        return base.DictResult()
    # Every step is submitted at once, and one that waits for another holds its thread.
    has_edges = any(graph.upstream)
    threads = import_module("hamilton.plugins.h_threadpool")
    return threads.FutureAdapter(len(graph) if has_edges else graph.slots, result_builder=base.DictResult())


def written(graph: Graph) -> str:
    """Return the module as a user would write it."""
    lines = []
    for number, above in enumerate(graph.upstream):
        parameters = ", ".join(f"s{one}: int" for one in above)
        values = ", ".join([str(number), *(f"s{one}" for one in above)])
        lines.append(f"def s{number}({parameters}) -> int: return body({values})")
    return "\n".join(lines)
