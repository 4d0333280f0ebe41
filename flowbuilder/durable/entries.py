"""Entries: what the engine tells, as the rows that are kept of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flowbuilder.durable.failures import failure_data, of_no_step
from flowbuilder.durable.prints import CodeMarks, wiring_of
from flowbuilder.durable.resumption import Resumption
from flowbuilder.durable.units import is_inner, is_nested, sections_of, undone_row, unit_of
from flowbuilder.engine.attempt import Attempt
from flowbuilder.engine.relay import Facts
from flowbuilder.engine.views import RunInfo, StepInfo
from flowbuilder.errors import StepLostError, shown
from flowbuilder.plan.plan import PlannedStep
from flowbuilder.results import NO_INNER, Status, StepResult
from flowbuilder.store.rows import (
    BEGUN,
    LOST,
    NOT_STORED,
    SUCCESS,
    UNDONE,
    AttemptMade,
    AttemptRow,
    CacheKept,
    Encoded,
    Entry,
    InnerForgotten,
    InnerMade,
    InnerRow,
    RunBegan,
    RunEnded,
    RunRow,
    Unit,
    UnitEnded,
    UnitRow,
)
from flowbuilder.store.values import encode

if TYPE_CHECKING:
    from flowbuilder.durable.body_calls import Mark

PRINTS = 2_000  # steps whose prints are remembered


class Entries:
    """Makes the entries of the runs of one engine, on any thread; ``tell`` is told which run has a value left out."""

    def __init__(self, tell: Callable[[str, str], None]) -> None:
        self._tell = tell
        self._noted: set[tuple[str, str]] = set()
        self._rows: dict[str, tuple[Entry, ...]] = {}
        self._of_undos: dict[str, list[BaseException]] = {}
        self.marks = CodeMarks()
        self._inside: dict[str, dict[str, dict[bytes, InnerRow]]] = {}
        self._prints: dict[int, tuple[PlannedStep, str, str]] = {}
        self._started: dict[str, set[tuple[Unit, int]]] = {}
        self._clock = time.monotonic() - time.time()

    def expect(self, row: RunRow, resumption: Resumption | None) -> None:
        """Keep the row of a run, and what else is to be written of it, until it starts."""
        if resumption is None:
            self._rows[row.run_id] = (RunBegan(row),)
            return
        self._inside[row.run_id] = dict(resumption.inside)
        self._rows[row.run_id] = (
            RunBegan(row, is_resumed=True, forgotten=resumption.forgotten),
            *(AttemptMade(row.run_id, one) for one in resumption.begun),
            *(InnerForgotten(row.run_id, one) for one in resumption.unmade),
        )

    def take_inside(self, run_id: str, name: str) -> dict[bytes, InnerRow]:
        """Return the calls that the body of a step or item does not make again; to who asks first."""
        return self._inside.get(run_id, {}).pop(name, {})

    def of(self, name: str, facts: Facts, at: float) -> Sequence[Entry]:
        """Return what is written of a hook that was called at ``at``, seconds since the epoch."""
        make = getattr(self, f"_{name}", None)
        if make is None or is_nested(facts("run")) or (name.startswith("step_") and is_inner(facts("step"))):
            return ()
        entries: Sequence[Entry] = make(facts, at)
        return entries

    # What is told, by the names of the hooks.

    def _run_start(self, facts: Facts, at: float) -> Sequence[Entry]:
        return self._rows.pop(facts("run").run_id)

    def _step_start(self, facts: Facts, at: float) -> Sequence[Entry]:
        step = facts("step")
        if step.item is None and getattr(step.definition, "each", None):
            return ()  # the items have attempts
        if facts("status") is Status.SUCCESS:
            return ()  # it is over already, and its success is right behind
        run_id, unit, number = facts("run").run_id, unit_of(step), facts("attempt")
        self._started.setdefault(run_id, set()).add((unit, number))
        if facts("status") is Status.SUCCESS:
            return ()  # looked at again: whoever made it a success before that was noted does not know of it
        return (AttemptMade(run_id, AttemptRow(unit, number, at)),)

    def _step_retry(self, facts: Facts, at: float) -> Sequence[Entry]:
        unit, number, due_at = unit_of(facts("step")), facts("attempt"), at + facts("delay")
        row = AttemptRow(unit=unit, number=number, started_at=at, status=Status.FAILED, due_at=due_at)
        run_id = facts("run").run_id
        # The body begins anew, with all that it runs.
        return AttemptMade(run_id, row), InnerForgotten(run_id, unit)

    def _step_finish(self, facts: Facts, at: float) -> Sequence[Entry]:
        step = facts("step")
        # Any other success was written with its value before it was told.
        return (self._ended(facts("run"), step, facts("result")),) if step.total is not None else ()

    def _step_error(self, facts: Facts, at: float) -> Sequence[Entry]:
        run, step, result = facts("run"), facts("step"), facts("result")
        ended = self._ended(run, step, result)
        if result.status is not Status.CANCELLED or result.items is not None:
            return (ended,)
        row = AttemptRow(unit=unit_of(step), number=result.attempts, started_at=at, status=result.status)
        return AttemptMade(run.run_id, row), ended

    def _step_skip(self, facts: Facts, at: float) -> Sequence[Entry]:
        row = UnitRow(unit=unit_of(facts("step")), status=Status.SKIPPED, reason=facts("reason"))
        return (UnitEnded(facts("run").run_id, row),)

    def _step_undo(self, facts: Facts, at: float) -> Sequence[Entry]:
        result: StepResult[Any] = facts("result")
        if not result.undone:
            return ()  # it never began
        run_id, error = facts("run").run_id, facts("error")
        if error is not None:
            self._of_undos.setdefault(run_id, []).append(error)
        return (UnitEnded(run_id, undone_row(result, error)),)

    def undone(self, run: RunInfo, results: Iterable[StepResult[Any]]) -> Sequence[Entry]:
        """Return that those of some steps and items that were undone no longer count, nor what ran inside them."""
        rows = [] if is_nested(run) else [undone_row(result) for result in results]
        return [entry for row in rows for entry in (UnitEnded(run.run_id, row), InnerForgotten(run.run_id, row.unit))]

    def _run_finish(self, facts: Facts, at: float) -> Sequence[Entry]:
        result = facts("result")
        self._inside.pop(result.run_id, None)
        self._started.pop(result.run_id, None)
        found = Counter(UNDONE if step.undone else str(step.status) for step in result.steps.values())
        counts = {status: found[status] for status in (*map(str, Status), UNDONE) if found[status]}
        own = of_no_step(result, self._of_undos.pop(result.run_id, ()))
        errors = tuple(data for error in own if (data := failure_data(error)) is not None)
        return (RunEnded(result.run_id, str(result.status), result.duration, counts, errors),)

    def _ended(self, run: RunInfo, step: StepInfo, result: StepResult[Any]) -> UnitEnded:
        row = UnitRow(
            unit=unit_of(step),
            status=str(result.status),
            attempts=result.attempts,
            started_at=result.started_at,
            duration=result.duration,
            reason=result.reason,
            error=failure_data(result.error),
            sections=sections_of(result.sections),
            inside=result.inner.to_dict() or None,
        )
        if isinstance(result.error, StepLostError):
            row = row._replace(status=LOST)
        return UnitEnded(run.run_id, row)

    # Attempts, which are written before they are told.

    def began(self, attempt: Attempt) -> Sequence[Entry]:
        """Return that an attempt begins; of what runs inside a body, where it must not be repeated."""
        if is_inner(attempt.info):
            begun = () if attempt.mark is None else (_inner_row(attempt.mark)._replace(status=BEGUN),)
            return [InnerMade(attempt.source.info.run_id, row) for row in begun]
        return self.of("step_start", attempt.fact, attempt.started - self._clock)

    def outcome(self, attempt: Attempt) -> Sequence[Entry]:
        """Return how an attempt ended; for a success with its value, which user code may have a part in."""
        if attempt.phase not in ("body", "rescue") or attempt.passed or is_nested(attempt.source.info):
            return ()
        if is_inner(attempt.info):
            return () if attempt.mark is None else self._inner_outcome(attempt, attempt.mark)
        run_id, unit = attempt.source.info.run_id, unit_of(attempt.info)
        if attempt.wants_more and attempt.status is Status.SUCCESS:
            repeated = AttemptMade(run_id, self._made(attempt, unit, "repeated"))
            return (repeated, *self._unmade(attempt, unit))
        if attempt.status is Status.SUCCESS:
            ended = UnitEnded(
                run_id, self._success(attempt, unit, self._value(attempt)), self._has_begun(run_id, unit, attempt)
            )
            is_kept = ended.row.value != NOT_STORED
            return (ended, *self._cached(attempt, ended.row), *(self._unmade(attempt, unit) if is_kept else ()))
        if attempt.status not in (Status.FAILED, Status.TIMED_OUT):
            return ()
        return (AttemptMade(run_id, self._made(attempt, unit, str(attempt.status))),)

    def _has_begun(self, run_id: str, unit: Unit, attempt: Attempt) -> bool:
        """Return whether the start of an attempt may have been written."""
        return (unit, attempt.number) in self._started.get(run_id, ())

    def _inner_outcome(self, attempt: Attempt, mark: Mark) -> Sequence[Entry]:
        """Return how a call inside a body ended: with its value, where it succeeded and can be known again."""
        run_id = attempt.source.info.run_id
        kept = self.kept_call(run_id, mark, attempt.value) if attempt.status is Status.SUCCESS else ()
        return kept or ((InnerForgotten(run_id, mark.unit, mark.key),) if mark.is_once else ())

    def kept_call(self, run_id: str, mark: Mark, value: Any) -> Sequence[Entry]:
        """Return that a call inside a body gave a value; nothing where it cannot be stored or known again."""
        encoded = self._encoded(run_id, f"{mark.unit.step}/{mark.name}", value) if mark.is_known else NOT_STORED
        return () if encoded == NOT_STORED else (InnerMade(run_id, _inner_row(mark)._replace(value=encoded)),)

    def _unmade(self, attempt: Attempt, unit: Unit) -> Sequence[Entry]:
        """Return that the calls of a body are not needed any more, where there may be some."""
        run_id = attempt.source.info.run_id
        is_left = bool(self._inside) and bool(self.take_inside(run_id, str(unit)))
        may_be = attempt.inner is not None or attempt.phase == "rescue" or is_left
        return (InnerForgotten(run_id, unit),) if may_be else ()

    def _cached(self, attempt: Attempt, row: UnitRow) -> Sequence[Entry]:
        """Return what of a success stands for later runs, too."""
        kept = attempt.look.kept if attempt.look is not None else None
        if kept is None or attempt.phase != "body" or row.value == NOT_STORED:
            return ()
        return (CacheKept(replace(kept, value=row.value, made_at=time.time(), duration=row.duration or 0.0)),)

    def _made(self, attempt: Attempt, unit: Unit, status: str) -> AttemptRow:
        return AttemptRow(
            unit=unit,
            number=attempt.number,
            started_at=attempt.started - self._clock,
            status=status,
            error=failure_data(attempt.error),
        )

    def _success(self, attempt: Attempt, unit: Unit, value: Encoded) -> UnitRow:
        wiring, code = self._prints_of(attempt.step)
        started, inner = attempt.started, attempt.source.inner_of(attempt)
        return UnitRow(
            unit, SUCCESS, attempt.number, started - self._clock, time.monotonic() - started, "", value,
            failure_data(attempt.error), sections_of(attempt.sections), wiring, code,
            None if inner is NO_INNER else inner.to_dict() or None,
        )  # fmt: skip

    def _value(self, attempt: Attempt) -> Encoded:
        return self._encoded(attempt.source.info.run_id, attempt.step.name, attempt.value)

    def _encoded(self, run_id: str, name: str, value: Any) -> Encoded:
        try:
            return encode(value)
        except ValueError as error:
            self.note_once(run_id, name, f"{name} would run again if this run is resumed: its {shown(error, 300)}")
            return NOT_STORED

    def note_once(self, run_id: str, about: str, text: str) -> None:
        """Say something to the user of a run, and ``about`` one thing only once."""
        if (run_id, about) not in self._noted:
            self._noted.add((run_id, about))
            self._tell(run_id, text)

    def _prints_of(self, step: PlannedStep) -> tuple[str, str]:
        found = self._prints.get(id(step))
        if found is None:
            if len(self._prints) >= PRINTS:
                self._prints.clear()  # whose plans may be long over
            found = self._prints[id(step)] = step, wiring_of(step), self.marks.of(step)
        return found[1:]


def _inner_row(mark: Mark) -> InnerRow:
    return InnerRow(unit=mark.unit, key=mark.key, name=mark.name, attempt=mark.attempt, code=mark.code)
