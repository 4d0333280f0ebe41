"""Records: how the units of a run ended, in flat rows, and what hooks call each unit."""

from __future__ import annotations

import time
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from flowbuilder.engine.attempt import MISSING, Attempt
from flowbuilder.engine.kept import KeptResult
from flowbuilder.engine.views import StepInfo
from flowbuilder.errors import StepCancelledError
from flowbuilder.plan.plan import PlannedStep
from flowbuilder.results import FAILURES, NO_INNER, CacheNote, InnerCounts, Section, Status, StepResult


class Ended(NamedTuple):
    """What is to be said of a unit that did not simply succeed."""

    status: Status
    error: BaseException | None = None
    attempts: int = 0
    reason: str = ""
    sections: tuple[Section, ...] = ()
    rounds: int = 0
    cache: CacheNote | None = None
    inner: InnerCounts = NO_INNER


PLAIN = Ended(Status.SUCCESS, attempts=1)  # what most units come to: they have no row of their own
KEPT = PLAIN._replace(reason="kept")


class Records:
    """A row for each unit; its owner, the run, holds the lock while it writes.

    A StepResult is made of a row when somebody reads it. ``values`` has what each unit that
    succeeded returned, MISSING for all others; a unit is read only after it has ended, which takes no lock.
    """

    def __init__(self, steps: Sequence[PlannedStep], run_id: str) -> None:
        count = len(steps)
        self._run_id = run_id
        self.stop_reason = ""
        self.values: list[Any] = [MISSING] * count
        self._steps = steps
        self._started = array("d", bytes(8 * count))  # monotonic seconds
        self._lasted = array("d", bytes(8 * count))  # seconds
        self._ended: dict[int, Ended] = {}
        self._earlier: dict[int, tuple[float, Ended]] = {}
        self._items: dict[int, range] = {}
        self._maps: list[PlannedStep] = []
        self._firsts: list[int] = []
        self._made: WeakValueDictionary[int, StepResult[Any]] = WeakValueDictionary()
        self._undone: dict[int, str] = {}
        self._made_since: WeakValueDictionary[int, StepResult[Any]] = WeakValueDictionary()
        self._clock = time.monotonic() - time.time()

    def info_of(self, unit: int) -> StepInfo:
        """Return what hooks see of a unit; an item is called ``step[index]``."""
        if unit < len(self._steps):
            step, items = self._steps[unit], self._items.get(unit)
            return StepInfo(step.name, step.definition, None, None if items is None else len(items))
        # Items stand behind all steps, and behind those of the maps that came before.
        place = bisect_right(self._firsts, unit) - 1
        step, index = self._maps[place], unit - self._firsts[place]
        return StepInfo(f"{step.name}[{index}]", step.definition, index)

    # Reading.

    def of(self, unit: int) -> StepResult[Any]:
        """Return the result of a unit that has ended; the same one as long as somebody has it."""
        ended = self.as_ended(unit)
        if not self._undone or not self._is_touched(unit):
            return ended
        made = self._made_since.get(unit)
        return made if made is not None else self._made_since.setdefault(unit, self._since(unit, ended))

    def as_ended(self, unit: int) -> StepResult[Any]:
        """Return the result of a unit as it was when it ended, whatever was undone since."""
        made = self._made.get(unit)
        return made if made is not None else self._made.setdefault(unit, self._result(unit))

    def _is_touched(self, unit: int) -> bool:
        return unit in self._undone or any(item in self._undone for item in self.items(unit))

    def _since(self, unit: int, ended: StepResult[Any]) -> StepResult[Any]:
        items = None if ended.items is None else tuple(map(self.of, self.items(unit)))
        reason = self._undone.get(unit)
        return replace(ended, items=items, undone=reason is not None, reason=ended.reason if reason is None else reason)

    def _result(self, unit: int) -> StepResult[Any]:
        ended = self._ended.get(unit, PLAIN)
        has_started = ended.attempts > 0
        items = self._items.get(unit)
        return StepResult(
            self.info_of(unit).name,
            ended.status,
            self.values[unit] if ended.status is Status.SUCCESS else None,
            ended.error,
            ended.attempts,
            self._started[unit] - self._clock if has_started else None,
            self._lasted[unit] if has_started else None,
            ended.reason,
            None if items is None else tuple(map(self.as_ended, items)),
            ended.sections,
            ended.rounds,
            cache=ended.cache,
            inner=ended.inner if items is None else self._inside(items),
        )

    def _inside(self, items: range) -> InnerCounts:
        """Return what ran inside the bodies of a mapped step's items."""
        counts = (self._ended[item].inner for item in items if item in self._ended)
        return sum((one for one in counts if one is not NO_INNER), NO_INNER)

    def others(self) -> Iterator[tuple[int, Status]]:
        """Yield the steps, in plan order, that did not simply succeed, and how they ended."""
        return ((unit, self._ended[unit].status) for unit in sorted(self._ended) if unit < len(self._steps))

    @property
    def has_failed(self) -> bool:
        """Whether a unit failed or timed out."""
        return any(one.status in FAILURES for one in self._ended.values())

    def reason(self, unit: int) -> str:
        """Return why a unit is skipped."""
        return self._ended[unit].reason

    def keep(self, unit: int, result: KeptResult) -> None:
        """Keep the result of a unit that succeeded before the run was resumed."""
        value, attempts, started_at, duration, inner = result
        self.values[unit] = value
        self._started[unit], self._lasted[unit] = (started_at or 0.0) + self._clock, duration or 0.0
        is_plain = attempts == 1 and inner is NO_INNER
        self._ended[unit] = KEPT if is_plain else KEPT._replace(attempts=attempts, inner=inner)

    def last_error(self, unit: int) -> BaseException | None:
        """Return what the last attempt of a unit raised."""
        return self._earlier[unit][1].error

    # Writing.

    def succeeded(self, attempt: Attempt) -> None:
        """Record the end of a unit of which there is nothing to say but when, and its value; as of most."""
        unit, started = attempt.unit, attempt.started
        self.values[unit] = attempt.value
        self._started[unit] = started
        self._lasted[unit] = time.monotonic() - started

    def ended(self, attempt: Attempt, *, rescued: bool = False) -> None:
        """Record the end of a unit by its last attempt."""
        unit = attempt.unit
        status = Status.SUCCESS if rescued else attempt.status or Status.FAILED
        self.values[unit] = attempt.value if status is Status.SUCCESS else MISSING
        is_first = attempt.number == 1 and attempt.until is None and unit not in self._earlier
        is_plain = not ((attempt.call and attempt.sections) or attempt.look or attempt.inner)
        if is_first and attempt.status is Status.SUCCESS and is_plain:
            self.succeeded(attempt)
        else:
            self._time(unit, self._earlier[unit][0] if unit in self._earlier else attempt.started)
            self._ended[unit] = self._whole(attempt, status)

    def _whole(self, attempt: Attempt, status: Status) -> Ended:
        """Return what is to be said of a unit, over all its attempts."""
        sections, error, inner = attempt.sections, attempt.error, _inside(attempt)
        if attempt.unit in self._earlier:
            _, earlier = self._earlier.pop(attempt.unit)
            sections, inner = earlier.sections + sections, earlier.inner + inner
            # A rescued success keeps the error it was rescued from; one that a retry cured has none.
            if attempt.phase == "rescue" and attempt.status is Status.SUCCESS:
                error = earlier.error
            elif attempt.phase == "rescue" and error is not None and error is not earlier.error:
                error.__context__ = error.__context__ or earlier.error
        rounds = attempt.round if attempt.until is not None else 0
        note = attempt.look.note if attempt.look is not None else None
        return Ended(status, error, attempt.number, "", sections, rounds, note, inner)

    def _time(self, unit: int, started: float) -> None:
        self._started[unit] = started
        self._lasted[unit] = time.monotonic() - started

    def tried(self, attempt: Attempt) -> None:
        """Keep what a failed attempt leaves to the next, or to its rescue."""
        started, earlier = self._earlier.get(attempt.unit, (attempt.started, PLAIN))
        sections = earlier.sections + attempt.sections
        status, inner = attempt.status or Status.FAILED, earlier.inner + _inside(attempt)
        ended = Ended(status, attempt.error, attempt.number, "", sections, inner=inner)
        self._earlier[attempt.unit] = started, ended

    def repeated(self, attempt: Attempt) -> None:
        """Keep what a round leaves to the next: when it all started, and its value.

        Of what rounds printed, the last one's is kept.
        """
        unit = attempt.unit
        self.values[unit] = attempt.value
        started, earlier = self._earlier.get(unit, (attempt.started, PLAIN))
        inner = earlier.inner + _inside(attempt)
        self._earlier[unit] = started, Ended(Status.CANCELLED, attempts=attempt.number, inner=inner)

    def inner_of(self, attempt: Attempt) -> InnerCounts:
        """Return how what the bodies of a unit ran has ended, up to an attempt."""
        inside = _inside(attempt)
        return self._earlier[attempt.unit][1].inner + inside if attempt.unit in self._earlier else inside

    def gave_up(self, unit: int, rounds: int) -> None:
        """Record the end of a unit that waited for an attempt, or a round, that the stopped run does not make."""
        started, ended = self._earlier.pop(unit)
        waited_for, error = "attempt", ended.error
        if error is None:
            # No attempt has failed: what is missing is a round.
            name = self.info_of(unit).name
            waited_for, error = "round", StepCancelledError(f"{name} was cancelled before its next round")
            error.add_note(f"step {name}, attempt {ended.attempts}, run {self._run_id}")
        self._time(unit, started)
        self.values[unit] = MISSING
        reason = f"the run ended before its next {waited_for}"
        self._ended[unit] = ended._replace(error=error, reason=reason, rounds=rounds)

    def skip(self, unit: int, reason: str) -> None:
        """Record that a unit is skipped."""
        self._ended[unit] = Ended(Status.SKIPPED, reason=reason)

    def skip_because(self, unit: int, cause: int, cancelled: str) -> None:
        """Record that a unit is skipped because of another, or with the whole run."""
        if cause < 0:
            reason = self.stop_reason or (f"the run was cancelled: {cancelled}" if cancelled else "the run was stopped")
            self.skip(unit, reason)
            return
        name = self.info_of(cause).name
        ended = self._ended.get(cause)
        if ended is None:
            self.skip(unit, f"{name} did not succeed")
        elif ended.status is Status.SKIPPED:
            self.skip(unit, f"{name} was skipped: {ended.reason}")
        else:
            self.skip(unit, f"{name} {_ENDED[ended.status]}")

    def undo(self, unit: int, step: int, reason: str) -> None:
        """Record that a unit of a step succeeded and no longer counts, and why."""
        self._undone[unit] = reason
        self._made_since.pop(unit, None)
        # Which has the results of its items.
        self._made_since.pop(step, None)

    def is_undone(self, unit: int) -> bool:
        """Return whether a unit no longer counts."""
        return unit in self._undone

    # Mapped steps.

    def items(self, unit: int) -> range:
        """Return the units of a mapped step's items; empty while they are not known."""
        return self._items.get(unit, _NONE)

    def expanded(self, attempt: Attempt, items: range) -> None:
        """Keep when a mapped step started, and which units are its items."""
        self._items[attempt.unit] = items
        if items:
            self._maps.append(attempt.step)
            self._firsts.append(items.start)
        self._started[attempt.unit] = attempt.started
        self.values += [MISSING] * len(items)
        more = bytes(8 * len(items))
        self._started.frombytes(more)
        self._lasted.frombytes(more)

    def map_ended(self, unit: int, skipped: int | None) -> Status:
        """Record the end of a mapped step from its items, of which ``skipped`` was, but by no ``when``; return how.

        It failed when an item failed, is skipped when one was ``skipped``, and else is a success whose
        value leaves skipped items out.
        """
        items = self._items[unit]
        self._time(unit, self._started[unit])
        ends = [self._ended.get(item, PLAIN) for item in items]
        status, reason = _map_status(ends)
        if status is Status.SUCCESS and skipped is not None:
            status, reason = Status.SKIPPED, self._ended[skipped].reason
        if status is Status.SUCCESS:
            self.values[unit] = [value for item in items if (value := self.values[item]) is not MISSING]
        errors = [one.error for one in ends if one.status in FAILURES and one.error is not None]
        name = self._steps[unit].name
        error = errors[0] if len(errors) == 1 else BaseExceptionGroup(f"items of {name}", errors) if errors else None
        self._ended[unit] = Ended(status, error, 1, reason)
        return status


def _inside(attempt: Attempt) -> InnerCounts:
    """Return how what an attempt's body ran has ended."""
    return NO_INNER if attempt.inner is None else InnerCounts(**attempt.inner.counts)


def _map_status(ends: Sequence[Ended]) -> tuple[Status, str]:
    for status in (Status.FAILED, Status.TIMED_OUT, Status.CANCELLED):
        count = sum(one.status is status for one in ends)
        if count:
            return status, f"{count} of {len(ends)} items {_ENDED[status]}"
    return Status.SUCCESS, ""


_NONE = range(0)
_ENDED = {
    Status.FAILED: "failed",
    Status.TIMED_OUT: "timed out",
    Status.CANCELLED: "was cancelled",
    Status.SUCCESS: "succeeded",
}
