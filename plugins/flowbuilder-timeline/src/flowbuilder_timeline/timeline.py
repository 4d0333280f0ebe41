"""Timeline: hears what happens in runs, and writes it as a trace while it happens."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flowbuilder import Call, RunInfo, RunResult, StepInfo, StepResult, Terminal, hookimpl
from flowbuilder.errors import error_line, shown
from flowbuilder_timeline.rows import RunRows
from flowbuilder_timeline.trace_file import TraceFile

LONGEST_TEXT = 500


class Timeline:
    """Writes the runs it hears of to one trace; from code: ``run(report, plugins=[Timeline(path)])``.

    ``slices`` counts the attempts written. A file that cannot be written does not disturb the run:
    ``failure`` says why, and the rest of the trace is lost.
    """

    def __init__(self, path: str | Path) -> None:
        self.slices = 0
        self._trace = TraceFile(Path(path))
        self._runs: dict[str, RunRows] = {}
        self._tries: dict[tuple[str, str, int], Try] = {}
        self._started = 0
        self._origin = 0
        self._epoch = 0

    @property
    def failure(self) -> str:
        """Why the file could not be written; empty if it could."""
        return self._trace.failure

    # Around the body, on the thread that runs it: only there the times are exact.

    @hookimpl
    def flowbuilder_step_call(self, run: RunInfo, step: StepInfo, call: Call) -> Generator[None, Any, None]:
        """Note when the body of an attempt begins and ends."""
        one = self._tries[run.run_id, step.name, call.attempt] = Try()
        try:
            yield
        finally:
            one.end = time.monotonic_ns()

    # Watching, on the hook thread.

    @hookimpl
    def flowbuilder_run_start(self, run: RunInfo) -> None:
        """Give a run its place in the trace; the first run's start is time 0."""
        if not self._runs:
            self._epoch = time.time_ns() - time.monotonic_ns()
        self._origin = self._origin or round(run.started_at * 1e9)
        self._started += 1
        name = f"{run.path} ({run.run_id})"
        self._runs[run.run_id] = RunRows(self._trace, name, number=self._started, origin=self._origin)

    @hookimpl
    def flowbuilder_step_start(self, run: RunInfo, step: StepInfo) -> None:
        """Give an attempt a free row of its executor; a mapped step as a whole holds none."""
        if step.total is None:
            self._runs[run.run_id].take(step.name, _executor(run, step))

    @hookimpl
    def flowbuilder_step_retry(self, run: RunInfo, step: StepInfo, attempt: int, error: BaseException) -> None:
        """Write an attempt that is followed by another."""
        self._attempt_ended(run, step, {"status": "retried", "attempt": attempt, "error": _line(error)})

    @hookimpl
    def flowbuilder_step_repeat(self, run: RunInfo, step: StepInfo, attempt: int, rounds: int) -> None:
        """Write the last attempt of a round that is followed by another."""
        self._attempt_ended(run, step, {"status": "repeated", "attempt": attempt, "round": rounds})

    @hookimpl
    def flowbuilder_step_finish(self, run: RunInfo, step: StepInfo, result: StepResult[Any]) -> None:
        """Write the last attempt of a success."""
        self._ended(run, step, result)

    @hookimpl
    def flowbuilder_step_error(self, run: RunInfo, step: StepInfo, result: StepResult[Any]) -> None:
        """Write the last attempt of a failure, a time-out or a cancellation."""
        self._ended(run, step, result)

    @hookimpl
    def flowbuilder_step_skip(self, run: RunInfo, step: StepInfo, reason: str) -> None:
        """Write an instant."""
        self._runs[run.run_id].instant(
            step.name, self._now(), {"status": "skipped", "reason": shown(reason, LONGEST_TEXT)}
        )

    @hookimpl
    def flowbuilder_run_finish(self, run: RunInfo, result: RunResult[Any]) -> None:
        """Write the span of the run; the file is complete when no other run is going on."""
        rows = self._runs.pop(run.run_id)
        rows.span(run.workflow, *_nanoseconds(result), {"status": str(result.status), "run": run.run_id})
        if not self._runs:
            self._trace.complete()

    # Reporting.

    @hookimpl
    def flowbuilder_summary(self, terminal: Terminal) -> None:
        """Say where the trace is."""
        if self.failure:
            terminal.print(f"timeline: {self.failure}", style="yellow")
        elif self._started:
            slices = f"{self.slices:,} slice{'' if self.slices == 1 else 's'}"
            terminal.print(f"timeline: {self._trace.path}, {slices}; open it at ui.perfetto.dev or in chrome://tracing")

    # Writing.

    def _now(self) -> int:
        """Return nanoseconds since the epoch, by a clock that does not jump during a run."""
        return self._epoch + time.monotonic_ns()

    def _ended(self, run: RunInfo, step: StepInfo, result: StepResult[Any]) -> None:
        facts: dict[str, Any] = {"status": str(result.status), "attempt": result.attempts}
        if result.error is not None:
            facts["error"] = _line(result.error)
        if result.items is None:
            self._attempt_ended(run, step, facts)
        else:
            self._runs[run.run_id].span(step.name, *_nanoseconds(result), {**facts, "items": len(result.items)})

    def _attempt_ended(self, run: RunInfo, step: StepInfo, facts: dict[str, Any]) -> None:
        """Write an attempt from when its body began to when it ended, and free its row."""
        rows = self._runs[run.run_id]
        tried = self._tries.pop((run.run_id, step.name, facts["attempt"]), None)
        if tried is None:  # such as a step whose provider failed, or that was cancelled before its next attempt
            rows.instant(step.name, self._now(), facts)
            return
        # A body that overran in a thread has not ended yet; its slice ends where its deadline was told.
        end = self._epoch + tried.end if tried.end else self._now()
        rows.slice(step.name, self._epoch + tried.start, end, facts)
        self.slices += 1


@dataclass(slots=True)
class Try:
    """When the body of one attempt began and ended, in nanoseconds of the monotonic clock; 0 while it runs."""

    start: int = field(default_factory=time.monotonic_ns)
    end: int = 0


def _nanoseconds(result: StepResult[Any] | RunResult[Any]) -> tuple[int, int]:
    """Return when a step or run began and ended."""
    start = result.started_at or 0.0
    return round(start * 1e9), round((start + (result.duration or 0.0)) * 1e9)


def _executor(run: RunInfo, step: StepInfo) -> str:
    planned = run.plan.by_name.get(step.name if step.item is None else step.name.rpartition("[")[0])
    if planned is not None:
        return planned.executor
    # What a body runs itself is in no plan.
    return getattr(step.definition, "executor", None) or ("loop" if step.definition.is_async else "thread")


def _line(error: BaseException) -> str:
    return shown(error_line(error), LONGEST_TEXT)
