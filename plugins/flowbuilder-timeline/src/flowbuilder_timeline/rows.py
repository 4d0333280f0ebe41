"""RunRows: which slot of which executor each running step of a run holds, as rows of a trace."""

from __future__ import annotations

import heapq
from typing import Any

from flowbuilder_timeline.trace_file import TraceFile

NO_ROW = 0
COLORS = {"retried": "bad", "failed": "terrible", "timed_out": "terrible", "cancelled": "grey"}


class RunRows:
    """The rows of one run: which slot of which executor each running step holds.

    The lowest free row of an executor is found on a heap. Hooks are told in the order things
    happened, so a row is freed before the next step that starts in its slot asks for it. ``number``
    is the run's place in the trace, ``origin`` its time 0 in nanoseconds since the epoch.
    """

    def __init__(self, trace: TraceFile, name: str, *, number: int, origin: int) -> None:
        self._trace = trace
        self._number = number
        self._origin = origin
        self._held: dict[str, tuple[str, int]] = {}
        self._free: dict[str, list[int]] = {}
        self._counts: dict[str, int] = {}
        self._last = NO_ROW
        self._named("process_name", NO_ROW, name=name)
        self._named("process_sort_index", NO_ROW, sort_index=number)
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
        self._named("thread_name", row, name=name)
        self._named("thread_sort_index", row, sort_index=row)

    def _named(self, what: str, row: int, **facts: Any) -> None:
        self._trace.write({"ph": "M", "pid": self._number, "tid": row, "name": what, "args": facts})

    def _write(self, name: str, row: int, at: int, facts: dict[str, Any], **words: Any) -> None:
        color = COLORS.get(facts.get("status", ""))
        if color:
            words["cname"] = color
        micros = (at - self._origin) / 1000
        self._trace.write({"name": name, "pid": self._number, "tid": row, "ts": micros, **words, "args": facts})
