"""Rows: what runs now and how far it all is.

Only the hook thread changes rows, by what hooks tell it; the painter reads them without a lock and
may see a number that is a moment old.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from flowbuilder import RunInfo, StepInfo
from flowbuilder.builtin.wording import in_whole_seconds


@dataclass(slots=True, eq=False)
class Row:
    """A step that runs or waits for its next attempt; a mapped step is one row with its items counted.

    Times are seconds of the monotonic clock.
    """

    name: str
    started: float
    attempt: int = 1
    total: int | None = None
    done: int = 0
    failed: int = 0
    next_attempt: float | None = None
    waiting: set[str] = field(default_factory=set)

    @property
    def word(self) -> str:
        """What the step does."""
        return "running" if self.next_attempt is None else "waiting"

    def detail(self, now: float) -> str:
        """Return what there is to say beside name and time."""
        parts = [f"{self.done:,}/{self.total:,}"] if self.total is not None else []
        if self.failed:
            parts.append(f"{self.failed:,} failed")
        if self.waiting:
            parts.append(f"{len(self.waiting):,} waiting to retry")
        if self.next_attempt is not None:
            parts.append(f"attempt {self.attempt + 1} in {in_whole_seconds(max(self.next_attempt - now, 0.0))}")
        elif self.attempt > 1:
            parts.append(f"attempt {self.attempt}")
        return ", ".join(parts)


class Rows:
    """The rows of all runs that are under way, and how much of them is done."""

    def __init__(self) -> None:
        self.is_stopping = False
        self.done = self.total = self.failed = 0
        self._items = self._items_done = 0
        self._rows: dict[tuple[str, str], Row] = {}
        self._runs: dict[str, str] = {}
        self._started = 0.0

    @property
    def is_empty(self) -> bool:
        """Whether no run is under way."""
        return not self._runs

    def name(self, run: RunInfo, name: str) -> str:
        """Return the name of a step of a run; with its workflow's, where several are under way."""
        return f"{run.workflow}: {name}" if len(self._runs) > 1 else name

    # What hooks tell.

    def run_started(self, run: RunInfo) -> None:
        """A run has started."""
        if not self._runs:
            self._started, self.is_stopping = time.monotonic(), False
            self.done = self.total = self.failed = self._items = self._items_done = 0
        self._runs[run.run_id] = run.workflow
        self.total += len(run.plan.steps)

    def run_ended(self, run: RunInfo) -> None:
        """A run has ended."""
        self._runs.pop(run.run_id, None)

    def step_started(self, run: RunInfo, step: StepInfo, attempt: int) -> None:
        """An attempt of a step or an item has started."""
        key = run.run_id, whole_name(step)
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = Row(self.name(run, key[1]), time.monotonic(), total=step.total)
            self._items += step.total or 0
        if step.item is None:
            row.attempt, row.next_attempt = attempt, None
        else:
            row.waiting.discard(step.name)

    def step_waits(self, run: RunInfo, step: StepInfo, delay: float) -> None:
        """A step or an item waits for its next attempt."""
        row = self._rows.get((run.run_id, whole_name(step)))
        if row is None:
            return
        if step.item is None:
            row.next_attempt = time.monotonic() + delay
        else:
            row.waiting.add(step.name)

    def step_ended(self, run: RunInfo, step: StepInfo, *, failed: bool) -> None:
        """A step or an item has ended."""
        key = run.run_id, whole_name(step)
        if step.item is None:
            self._rows.pop(key, None)
            self.done += 1
            self.failed += failed
            return
        self._items_done += 1
        row = self._rows.get(key)
        if row is not None:
            row.done += 1
            row.failed += failed
            row.waiting.discard(step.name)

    # What is shown.

    @property
    def running(self) -> list[Row]:
        """The rows, those that run longest first."""
        return list(self._rows.values())

    @property
    def share(self) -> float:
        """How much is done, from 0 to 1; a mapped step counts by its items."""
        partial = sum(row.done / row.total for row in self.running if row.total)
        return min((self.done + partial) / self.total, 1.0) if self.total else 1.0

    def totals(self, now: float) -> str:
        """Return how many steps and items are done, and in what time."""
        parts = [f"{self.done:,}/{self.total:,} steps"]
        if self._items:
            parts.append(f"{self._items_done:,}/{self._items:,} items")
        if self.failed:
            parts.append(f"{self.failed:,} failed")
        parts.append(in_whole_seconds(now - self._started))
        if self.is_stopping:
            parts.append("stopping")
        return ", ".join(parts)


def whole_name(step: StepInfo) -> str:
    """Return the name of a step, for an item that of its mapped step."""
    return step.name if step.item is None else step.name[: step.name.rindex("[")]
