"""Timeline: a FlowBuilder plugin; ``--timeline FILE`` writes a run as a trace to open in Perfetto or chrome://tracing.

The file is in the Trace Event Format's JSON array form. Each run is a process of the trace; each
slot of an executor ("thread 1", "process 2", "loop 1") is a row in it, and each attempt of a step
or item a slice in the row of the slot it held. A run and a mapped step as a whole are spans of
their own, and a step whose body was never called is an instant in the row "did not run".

Slices are written as steps end, so what is kept in memory grows with the slots, not with the steps.
"""

from __future__ import annotations

import heapq
import json
import os
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import click

from flowbuilder import Call, RunInfo, RunResult, Settings, StepInfo, StepResult, Terminal, hookimpl
from flowbuilder.errors import SettingsError, error_line, shown

__all__ = ["Timeline", "flowbuilder_add_options", "flowbuilder_configure"]
__version__ = "0.1.0"

NO_ROW = 0
LONGEST_TEXT = 500
COLORS = {"retried": "bad", "failed": "terrible", "timed_out": "terrible", "cancelled": "grey"}


@hookimpl
def flowbuilder_add_options(command: click.Command) -> None:
    """Add ``--timeline``."""
    command.params.append(
        click.Option(["--timeline"], metavar="FILE", help="Write a trace to open in Perfetto or chrome://tracing.")
    )


@hookimpl
def flowbuilder_configure(config: Settings) -> None:
    """Register a timeline, if one is wanted of a run.

    Raises:
        SettingsError: when the file cannot be written.
    """
    path = config.options.get("timeline")
    if path and config.command == "run":
        config.plugins.register(Timeline(_writable(Path(path))), "timeline-writer")


def _writable(path: Path) -> Path:
    what = "--timeline cannot be written"
    if path.is_dir():
        raise SettingsError(what, got=f"{shown(path)}, a folder", hint="name a file in it")
    if not path.parent.is_dir():
        raise SettingsError(what, got=f"{shown(path)}, in no folder", hint=f"mkdir -p {shown(path.parent)}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise SettingsError(what, got=f"{shown(path)}, permission denied")
    return path


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
        rows = self._runs[run.run_id] = RunRows(self._trace, number=self._started, origin=self._origin)
        rows.named("process_name", NO_ROW, name=f"{run.workflow} ({run.run_id})")
        rows.named("process_sort_index", NO_ROW, sort_index=self._started)

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


class RunRows:
    """The rows of one run: which slot of which executor each running step holds.

    The lowest free row of an executor is found on a heap. Hooks are told in the order things
    happened, so a row is freed before the next step that starts in its slot asks for it.
    """

    def __init__(self, trace: TraceFile, *, number: int, origin: int) -> None:
        self._trace = trace
        self._number = number
        self._origin = origin
        self._held: dict[str, tuple[str, int]] = {}
        self._free: dict[str, list[int]] = {}
        self._counts: dict[str, int] = {}
        self._last = NO_ROW
        self._name_row(NO_ROW, "did not run")

    def take(self, name: str, executor: str) -> None:
        """Let a step hold the lowest free row of its executor."""
        free = self._free.setdefault(executor, [])
        self._held[name] = executor, heapq.heappop(free) if free else self._new_row(executor)

    def slice(self, name: str, start: int, end: int, facts: dict[str, Any]) -> None:
        """Write a slice in the row the step holds, and free the row."""
        self._write(name, self._freed(name), start, facts, ph="X", dur=max(end - start, 0) / 1000, cat="step")

    def instant(self, name: str, at: int, facts: dict[str, Any]) -> None:
        """Write an instant in the row of what did not run, and free the row the step holds, if any."""
        self._freed(name)
        self._write(name, NO_ROW, at, facts, ph="i", s="t", cat="step")

    def span(self, name: str, start: int, end: int, facts: dict[str, Any]) -> None:
        """Write what lies around slices of several rows, beside them."""
        mark = {"id": f"{self._number} {name}", "cat": "span"}
        self._write(name, NO_ROW, start, facts, ph="b", **mark)
        self._write(name, NO_ROW, end, {}, ph="e", **mark)

    def named(self, what: str, row: int, **facts: Any) -> None:
        """Name the run or a row, or say where it stands."""
        self._trace.write({"ph": "M", "pid": self._number, "tid": row, "name": what, "args": facts})

    def _freed(self, name: str) -> int:
        executor, row = self._held.pop(name, ("", NO_ROW))
        if row != NO_ROW:
            heapq.heappush(self._free[executor], row)
        return row

    def _new_row(self, executor: str) -> int:
        self._last += 1
        self._counts[executor] = self._counts.get(executor, 0) + 1
        self._name_row(self._last, f"{executor} {self._counts[executor]}")
        return self._last

    def _name_row(self, row: int, name: str) -> None:
        self.named("thread_name", row, name=name)
        self.named("thread_sort_index", row, sort_index=row)

    def _write(self, name: str, row: int, at: int, facts: dict[str, Any], **words: Any) -> None:
        color = COLORS.get(facts.get("status", ""))
        if color:
            words["cname"] = color
        micros = (at - self._origin) / 1000
        self._trace.write({"name": name, "pid": self._number, "tid": row, "ts": micros, **words, "args": facts})


class TraceFile:
    """A JSON array, written entry by entry; one that was cut off can still be opened by the viewers.

    The file is opened for the first entry; one that comes after ``complete`` goes on where it ended.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.failure = ""
        self._file: IO[bytes] | None = None
        self._end = 0

    def write(self, entry: dict[str, Any]) -> None:
        """Write one entry."""
        line = json.dumps(entry, separators=(",", ":")).encode()
        if not self.failure:
            try:
                self._opened().write((b",\n" if self._end else b"[\n") + line)
                self._end = 1
            except OSError as error:
                self._fail(error)

    def complete(self) -> None:
        """Close the array and the file."""
        if self._file is None or self.failure:
            return
        try:
            with self._file as file:
                self._end = file.tell()
                file.write(b"\n]\n")
        except OSError as error:
            self._fail(error)
        self._file = None

    def _opened(self) -> IO[bytes]:
        if self._file is None:
            self._file = self.path.open("r+b" if self._end else "wb")
            self._file.seek(self._end)
        return self._file

    def _fail(self, error: OSError) -> None:
        self.failure = f"{shown(self.path)} cannot be written: {shown(error_line(error))}"


def _nanoseconds(result: StepResult[Any] | RunResult[Any]) -> tuple[int, int]:
    """Return when a step or run began and ended."""
    start = result.started_at or 0.0
    return round(start * 1e9), round((start + (result.duration or 0.0)) * 1e9)


def _executor(run: RunInfo, step: StepInfo) -> str:
    planned = step.name if step.item is None else step.name.rpartition("[")[0]
    return run.plan.by_name[planned].executor


def _line(error: BaseException) -> str:
    return shown(error_line(error), LONGEST_TEXT)
