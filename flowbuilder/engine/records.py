"""Records: the results of a run's units as they come, and what hooks call each unit."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from flowbuilder.engine.attempt import Attempt
from flowbuilder.engine.entries import State
from flowbuilder.engine.schedule import Schedule
from flowbuilder.engine.views import RunInfo, StepInfo
from flowbuilder.errors import StepCancelledError
from flowbuilder.results import FAILURES, Section, Status, StepResult


class Records:
    """One StepResult for each unit that has ended; its owner, the run, holds the lock."""

    def __init__(self, info: RunInfo, schedule: Schedule) -> None:
        self.stop_reason = ""
        self._info = info
        self._schedule = schedule
        self._steps = info.plan.steps
        self._results: dict[int, StepResult[Any]] = {}
        self._infos: dict[int, StepInfo] = {}
        self._earlier: dict[int, tuple[float, BaseException | None, Status, int, tuple[Section, ...]]] = {}
        self._clock = time.monotonic() - time.time()

    def info_of(self, unit: int) -> StepInfo:
        """Return what hooks see of a unit; an item is called ``step[index]``."""
        parent = self._schedule.parent(unit)
        if parent >= 0:
            index = unit - self._schedule.items(parent).start
            step = self._steps[parent]
            return StepInfo(f"{step.name}[{index}]", step.definition, index)
        step = self._steps[unit]
        known = self._infos.get(unit)
        return known or StepInfo(step.name, step.definition)

    def of(self, unit: int) -> StepResult[Any]:
        """Return the result of a unit that has ended."""
        return self._results[unit]

    def last_error(self, unit: int) -> BaseException | None:
        """Return what the last attempt of a unit raised."""
        return self._earlier[unit][1]

    def tried(self, attempt: Attempt) -> None:
        """Keep what a failed attempt leaves to the next, or to its rescue."""
        started, _, _, _, sections = self._earlier.get(attempt.unit, (attempt.started, None, None, 0, ()))
        self._earlier[attempt.unit] = (
            started,
            attempt.error,
            attempt.status or Status.FAILED,
            attempt.number,
            sections + attempt.sections,
        )

    def repeated(self, attempt: Attempt) -> None:
        """Keep what a round leaves to the next: when it all started. Of what rounds printed, the last one's is kept."""
        started = self._earlier[attempt.unit][0] if attempt.unit in self._earlier else attempt.started
        self._earlier[attempt.unit] = (started, None, Status.CANCELLED, attempt.number, ())

    def ended(self, attempt: Attempt, *, rescued: bool = False) -> StepResult[Any]:
        """Record the end of a unit by its last attempt."""
        unit = attempt.unit
        started, sections, error = attempt.started, attempt.sections, attempt.error
        if unit in self._earlier:
            started, last, _, _, earlier = self._earlier.pop(unit)
            sections = earlier + sections
            # A rescued success keeps the error it was rescued from; one that a retry cured has none.
            if attempt.phase == "rescue" and attempt.status is Status.SUCCESS:
                error = last
            elif attempt.phase == "rescue" and error is not None and error is not last:
                error.__context__ = error.__context__ or last
        status = Status.SUCCESS if rescued else attempt.status or Status.FAILED
        result = self._results[unit] = StepResult(
            attempt.info.name,
            status,
            attempt.value if status is Status.SUCCESS else None,
            error,
            attempt.number,
            started - self._clock,
            time.monotonic() - started,
            "",
            None,
            sections,
            attempt.round if attempt.until is not None else 0,
        )
        return result

    def gave_up(self, unit: int, rounds: int) -> StepResult[Any]:
        """Record the end of a unit that waited for an attempt, or a round, that the stopped run does not make."""
        started, error, status, number, sections = self._earlier.pop(unit)
        info, waited_for = self.info_of(unit), "attempt"
        if error is None:
            # No attempt has failed: what is missing is a round.
            waited_for, error = "round", StepCancelledError(f"{info.name} was cancelled before its next round")
            error.add_note(f"step {info.name}, attempt {number}, run {self._info.run_id}")
        result = self._results[unit] = StepResult(
            info.name,
            status,
            error=error,
            attempts=number,
            started_at=started - self._clock,
            duration=time.monotonic() - started,
            reason=f"the run ended before its next {waited_for}",
            sections=sections,
            rounds=rounds,
        )
        return result

    def skip(self, unit: int, reason: str) -> None:
        """Record that a unit is skipped."""
        self._results[unit] = StepResult(self.info_of(unit).name, Status.SKIPPED, reason=reason)

    def skip_because(self, unit: int, cause: int, cancelled: str) -> None:
        """Record that a unit is skipped because of another, or with the whole run."""
        if cause < 0:
            reason = self.stop_reason or (f"the run was cancelled: {cancelled}" if cancelled else "the run was stopped")
            self.skip(unit, reason)
            return
        name = self.info_of(cause).name
        ended = self._results.get(cause)
        if ended is None:
            self.skip(unit, f"{name} did not succeed")
        elif ended.status is Status.SKIPPED:
            self.skip(unit, f"{name} was skipped: {ended.reason}")
        else:
            self.skip(unit, f"{name} {_ENDED[ended.status]}")

    def expanded(self, attempt: Attempt, count: int) -> None:
        """Keep when a mapped step started, and how many items it has."""
        info = attempt.info
        self._earlier[attempt.unit] = (attempt.started, None, Status.SUCCESS, 1, ())
        self._infos[attempt.unit] = StepInfo(info.name, info.definition, None, count)

    def map_ended(self, unit: int) -> StepResult[Any]:
        """Record the end of a mapped step from the results of its items.

        It failed when an item failed, is skipped when an item was for another cause than a false
        ``when``, and else is a success whose value leaves skipped items out.
        """
        items = tuple(self._results[item] for item in self._schedule.items(unit))
        started = self._earlier.pop(unit)[0]
        status, reason = self._map_status(unit, items)
        errors = [item.error for item in items if item.status in FAILURES and item.error is not None]
        name = self._steps[unit].name
        result = self._results[unit] = StepResult(
            name,
            status,
            [item.raw_value for item in items if item.status is Status.SUCCESS] if status is Status.SUCCESS else None,
            errors[0] if len(errors) == 1 else BaseExceptionGroup(f"items of {name}", errors) if errors else None,
            1,
            started - self._clock,
            time.monotonic() - started,
            reason,
            items,
        )
        return result

    def _map_status(self, unit: int, items: tuple[StepResult[Any], ...]) -> tuple[Status, str]:
        for status in (Status.FAILED, Status.TIMED_OUT, Status.CANCELLED):
            count = sum(item.status is status for item in items)
            if count:
                return status, f"{count} of {len(items)} items {_ENDED[status]}"
        for number, item in zip(self._schedule.items(unit), items, strict=True):
            if self._schedule.state(number) is State.SKIPPED:
                return Status.SKIPPED, item.reason
        return Status.SUCCESS, ""

    def all(self) -> Mapping[str, StepResult[Any]]:
        """Return the results of all steps by name, in plan order."""
        return {step.name: self._results[unit] for unit, step in enumerate(self._steps)}


_ENDED = {
    Status.FAILED: "failed",
    Status.TIMED_OUT: "timed out",
    Status.CANCELLED: "was cancelled",
    Status.SUCCESS: "succeeded",
}
