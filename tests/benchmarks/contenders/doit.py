"""doit: one dictionary a step, run in the process itself, one after another or in threads."""

from __future__ import annotations

import io
import os
import tempfile
from contextlib import redirect_stdout
from importlib import import_module
from typing import Any

from tests.benchmarks.graph import Graph, Run, plain_body

main, loaders = import_module("doit.doit_cmd"), import_module("doit.cmd_base")


def plain(graph: Graph) -> Run:
    """Run a step after the steps it names; values are kept by the steps themselves."""
    body, values = plain_body(graph), [0] * len(graph)

    def work(number: int) -> None:
        values[number] = body(number, *[values[one] for one in graph.upstream[number]])

    def task_steps() -> Any:
        for number, above in enumerate(graph.upstream):
            before = [f"steps:s{one}" for one in above]
            yield {"name": f"s{number}", "actions": [(work, [number])], "task_dep": before}

    words = ["run", "--reporter", "zero"] + (["-n", str(graph.slots), "-P", "thread"] if graph.slots else [])

    def run() -> list[int]:
        with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
            found = {"task_steps": task_steps, "DOIT_CONFIG": {"dep_file": f"{folder}{os.sep}steps", "backend": "json"}}
            code = main.DoitMain(loaders.ModuleTaskLoader(found)).run(words)
        assert code == 0
        return values

    return run
