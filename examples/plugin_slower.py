"""A plugin that remembers how long steps take and tells, at the end of a run, which took much longer than usual.

flowbuilder run examples/flow_weather.py -p examples.plugin_slower

To have it in every run of a project, import its hook in the project's ``flowconf.py``::

    from examples.plugin_slower import flowbuilder_configure
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from flowbuilder import RunInfo, RunResult, Settings, StepInfo, StepResult, Terminal, hookimpl

FILE = Path(".flowbuilder", "step-times.csv")
MUCH = 2.0
TOO_SHORT = 0.05
RUNS = 20


@hookimpl
def flowbuilder_configure(config: Settings) -> None:
    """Register a watcher with the times of earlier runs; it lives as long as this command."""
    config.plugins.register(SlowerSteps(config.root / FILE), "slower-steps")


class SlowerSteps:
    """Compares the steps of each run with the same steps of the last ``RUNS`` runs, kept in a CSV file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._times: dict[tuple[str, str], list[float]] = defaultdict(list)
        self._slower: list[str] = []
        if path.exists():
            with path.open(encoding="utf-8", newline="") as file:
                for workflow, step, *times in csv.reader(file):
                    self._times[workflow, step] = [float(time) for time in times]

    @hookimpl
    def flowbuilder_step_finish(self, run: RunInfo, step: StepInfo, result: StepResult[Any]) -> None:
        """Compare a step that succeeded, a mapped one as a whole, with its usual time, and keep its time."""
        if step.item is not None or result.duration is None:
            return
        times = self._times[run.workflow, step.name]
        usual = max(median(times), TOO_SHORT) if times else result.duration
        if result.duration > MUCH * usual:
            self._slower.append(f"{step.name} took {result.duration:.2f} s, usually {usual:.2f} s")
        times.append(round(result.duration, 3))

    @hookimpl
    def flowbuilder_summary(self, terminal: Terminal, results: Sequence[RunResult[Any]]) -> None:
        """Tell which steps were slow, and write the file."""
        if self._slower:
            terminal.section("slower than usual")
        for line in self._slower:
            terminal.print(line)
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        beside = self._path.with_suffix(".part")  # a command that is killed here leaves the old file whole
        with beside.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows((*step, *times[-RUNS:]) for step, times in self._times.items())
        beside.replace(self._path)
