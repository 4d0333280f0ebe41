"""Monitor: a plugin that prints live progress of a run, a line for each step that ends."""

from __future__ import annotations

import sys
from typing import Any, TextIO

from flowbuilder.engine.views import RunInfo, StepInfo
from flowbuilder.errors import error_line, shown
from flowbuilder.hookspecs import hookimpl
from flowbuilder.results import RunResult, StepResult
from flowbuilder.terminal import Terminal


class Monitor:
    """Prints to ``stream`` (stderr if left out) how many steps are done, and how each ended."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._terminal = Terminal(stream or sys.stderr)
        self._done = 0
        self._total = 0

    @hookimpl
    def flowbuilder_run_start(self, run: RunInfo) -> None:
        """Note how many steps there are."""
        if run.parent is not None:
            return
        self._done, self._total = 0, len(run.plan.steps)

    @hookimpl
    def flowbuilder_step_finish(self, run: RunInfo, step: StepInfo, result: StepResult[Any]) -> None:
        """Print a success."""
        self._ended(run, step, f"success in {result.duration or 0:.2f} s")

    @hookimpl
    def flowbuilder_step_error(self, run: RunInfo, step: StepInfo, result: StepResult[Any]) -> None:
        """Print a failure with its error."""
        error = shown(error_line(result.error), 120) if result.error else ""
        self._ended(run, step, f"{result.status} after {result.duration or 0:.2f} s: {error}")

    @hookimpl
    def flowbuilder_step_skip(self, run: RunInfo, step: StepInfo, reason: str) -> None:
        """Print a skip with its reason."""
        self._ended(run, step, f"skipped: {shown(reason)}")

    @hookimpl
    def flowbuilder_run_finish(self, run: RunInfo, result: RunResult[Any]) -> None:
        """Print the counts."""
        if run.parent is not None:
            return
        self._terminal.print(
            f"{result.success_count} succeeded, {result.failed_count} failed,"
            f" {result.skipped_count} skipped in {result.duration:.2f} s"
        )

    def _ended(self, run: RunInfo, step: StepInfo, how: str) -> None:
        if step.item is None and step.parent is None and run.parent is None:
            self._done += 1
        self._terminal.print(f"[{self._done}/{self._total}] {shown(run.full_name(step))} {how}")
