"""Rows: what runs or waits now, and how far it all is.

Only the hook thread changes rows, by what hooks tell it; the painter reads them without a lock and
may see a number that is a moment old.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from flowbuilder import Plan, RunInfo, StepInfo
from flowbuilder.builtin.wording import amounts_of, in_whole_seconds
from flowbuilder.errors import listed

NOTHING: Mapping[str, int] = {}


@dataclass(slots=True, eq=False)
class Row:
    """A step that runs or waits for its next attempt or round; a mapped step is one row with its items counted.

    Times are seconds of the monotonic clock. A whole run that waits for what it holds is a row too,
    with a ``reason``; ``needs`` are the resources that a step has while it runs.
    """

    name: str
    started: float
    attempt: int = 1
    total: int | None = None
    done: int = 0
    failed: int = 0
    progress: tuple[float, float | None] | None = None
    parent: tuple[str, str] | None = None
    depth: int = 0
    next_attempt: float | None = None
    rounds: int = 0
    waits_for_round: bool = False
    waiting: set[str] = field(default_factory=set)
    needs: Mapping[str, int] = field(default_factory=dict)
    reason: str = ""

    @property
    def word(self) -> str:
        """What the step does."""
        return "running" if self.next_attempt is None and not self.reason else "waiting"

    def detail(self, now: float) -> str:
        """Return what there is to say beside name and time."""
        if self.reason:
            return self.reason
        parts = self._counts()
        if self.failed:
            parts.append(f"{self.failed:,} failed")
        if self.waiting:
            parts.append(f"{len(self.waiting):,} waiting {'for a round' if self.rounds else 'to retry'}")
        elif self.next_attempt is not None:
            what = f"round {self.rounds + 1}" if self.waits_for_round else f"attempt {self.attempt + 1}"
            parts.append(f"{what} in {in_whole_seconds(max(self.next_attempt - now, 0.0))}")
        elif self.rounds and self.total is None:
            parts.append(f"round {self.rounds + 1}")
        elif self.attempt > 1:
            parts.append(f"attempt {self.attempt}")
        return ", ".join(parts)

    def _counts(self) -> list[str]:
        if self.total is not None:
            return [f"{self.done:,}/{self.total:,}"]
        if self.done:
            return [f"{self.done:,} items"]
        if self.progress is None:
            return []
        done, total = self.progress
        return [f"{done:,.15g}" if total is None else f"{done:,.15g}/{total:,.15g}"]


class Rows:
    """The rows of all runs that are under way or planned, and how much of them is done."""

    def __init__(self) -> None:
        self.is_stopping = self.is_shared = False
        self.is_empty = True
        self.done = self.failed = 0
        self._steps = self._items = self._items_done = 0
        self._rows: dict[tuple[str, str], Row] = {}
        self._runs: dict[str, RunInfo] = {}
        self._planned: list[Plan] = []
        self._kept: dict[str, Counter[str]] = {}
        self._started = 0.0

    @property
    def planned(self) -> list[Plan]:
        """The plans of which no run has started yet."""
        return list(self._planned)

    @property
    def total(self) -> int:
        """How many steps there are, in runs that are under way, planned, or have ended beside these."""
        return self._steps + sum(len(plan.steps) for plan in self._planned)

    def name(self, workflow: str, step: str) -> str:
        """Return the name of a step; with its workflow's, where there are several."""
        return f"{workflow} › {step}" if self.is_shared else step

    # What hooks tell.

    def run_planned(self, plan: Plan) -> None:
        """A run will start; the one thing that is told on another thread."""
        self._planned.append(plan)

    def run_started(self, run: RunInfo) -> None:
        """A run has started; a nested one is a row below the step it runs in, which counts its steps."""
        if run.parent is not None:
            outer, step, name = run.parent
            place = self._place(outer, whole_name(step))
            row = self._rows[run.run_id, ""] = Row(
                name.removeprefix(f"{step.name}/"), time.monotonic(), total=len(run.plan.steps)
            )
            self._put_below(row, place)
            return
        if self.is_empty:
            self._started, self.is_empty, self.is_stopping, self.is_shared = time.monotonic(), False, False, False
            self.done = self.failed = self._steps = self._items = self._items_done = 0
        # By identity: one plan may be submitted several times, and plans compare slowly.
        self._planned = [plan for plan in self._planned if plan is not run.plan]
        self._runs[run.run_id] = run
        self._steps += len(run.plan.steps)
        if run.kept is not None:
            self.done += sum("[" not in name for name in run.kept.results)
            self._kept[run.run_id] = Counter(name.partition("[")[0] for name in run.kept.results)
        self.is_shared = self.is_shared or len(self._runs) + len(self._planned) > 1

    def run_ended(self, run: RunInfo) -> None:
        """A run has ended."""
        if run.parent is not None:
            self._rows.pop((run.run_id, ""), None)
            return
        self._runs.pop(run.run_id, None)
        self._kept.pop(run.run_id, None)
        self.is_empty = not self._runs and not self._planned

    def step_started(self, run: RunInfo, step: StepInfo, attempt: int) -> None:
        """An attempt of a step or an item has started."""
        key = self._place(run, whole_name(step))
        row = self._rows.get(key)
        if row is None:
            # What a workflow holds, it holds for its whole run and not for its body.
            needs = NOTHING if step.definition is run.definition else step.definition.resources
            row = self._rows[key] = Row(
                self.name(run.workflow, key[1]), time.monotonic(), total=step.total, needs=needs
            )
            if step.parent is not None:
                outer = step.parent.rpartition("[")[0] if step.parent.endswith("]") else step.parent
                row.name = key[1].removeprefix(f"{step.parent}/")
                self._put_below(row, self._place(run, outer))
                return
            if run.parent is not None:
                row.name = key[1]
                self._put_below(row, (run.run_id, ""))
                return
            self._items += step.total or 0
            if step.total and run.run_id in self._kept:
                row.done = self._kept[run.run_id][step.name]
                self._items_done += row.done
        if step.item is None:
            row.attempt, row.next_attempt = attempt, None
        else:
            row.waiting.discard(step.name)

    def _place(self, run: RunInfo, name: str) -> tuple[str, str]:
        """Return the place of a step; the body of a nested run stands for that run as a whole."""
        return run.run_id, "" if run.parent is not None and name == run.plan.body else name

    def _put_below(self, row: Row, outer: tuple[str, str]) -> None:
        """Let a row stand below another one, further in."""
        row.parent = outer
        row.depth = self._rows[outer].depth + 1 if outer in self._rows else 1
        row.name = "  " * row.depth + row.name

    def step_progressed(self, run: RunInfo, step: StepInfo, done: float, total: float | None) -> None:
        """The body of a step, or of an item, says how far it is."""
        row = self._rows.get(self._place(run, whole_name(step)))
        if row is not None and step.item is None:
            row.progress = done, total

    def step_waits(self, run: RunInfo, step: StepInfo, delay: float, rounds: int = 0) -> None:
        """A step or an item waits for its next attempt, or after so many ``rounds`` for the next of these."""
        row = self._rows.get(self._place(run, whole_name(step)))
        if row is None:
            return
        row.rounds, row.waits_for_round = rounds or row.rounds, bool(rounds)
        if step.item is None:
            row.next_attempt = time.monotonic() + delay
        else:
            row.waiting.add(step.name)

    def step_ended(self, run: RunInfo, step: StepInfo, *, failed: bool) -> None:
        """A step or an item has ended."""
        key = self._place(run, whole_name(step))
        is_inside = step.parent is not None or run.parent is not None
        if step.item is None:
            if run.parent is not None and step.parent is None and (whole := self._rows.get((run.run_id, ""))):
                whole.done += 1
                whole.failed += failed
            if key[1]:
                self._rows.pop(key, None)
            self.done += not is_inside
            self.failed += failed and not is_inside
            return
        self._items_done += not is_inside
        row = self._rows.get(key)
        if row is not None:
            row.done += 1
            row.failed += failed
            row.waiting.discard(step.name)

    # What is shown.

    @property
    def running(self) -> list[Row]:
        """The rows, those that run longest first, each with what runs inside it below."""
        rows = dict(self._rows)
        inside: dict[tuple[str, str] | None, list[tuple[str, str]]] = {}
        for key, row in rows.items():
            inside.setdefault(row.parent if row.parent in rows else None, []).append(key)
        found, waiting = [], inside.get(None, [])[::-1]
        while waiting:
            key = waiting.pop()
            found.append(rows[key])
            waiting += inside.get(key, [])[::-1]
        return found

    @property
    def waiting(self) -> list[Row]:
        """A row for each run that has not started, since it waits for what it holds."""
        return [Row(plan.name, self._started, reason=self._reason(plan)) for plan in self.planned]

    def _reason(self, plan: Plan) -> str:
        needs = plan.workflow.resources
        if not needs:
            return "to start"
        holders = listed(dict.fromkeys(name for resource in needs for name in self._holders(resource)))
        return f"for {amounts_of(needs)}{holders and f', held by {holders}'}"

    def _holders(self, resource: str) -> Iterator[str]:
        yield from (run.workflow for run in list(self._runs.values()) if resource in run.definition.resources)
        yield from (row.name for row in self.running if resource in row.needs)

    @property
    def share(self) -> float:
        """How much is done, from 0 to 1; a mapped step counts by its items."""
        partial = sum(row.done / row.total for row in self.running if row.total and row.parent is None)
        total = self.total
        return min((self.done + partial) / total, 1.0) if total else 1.0

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
