"""BodyCalls: what is known of the calls of one body: a mark for each, or what it returned in an earlier process."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from flowbuilder.durable.marks import KEY, Marks
from flowbuilder.durable.prints import CodeMarks
from flowbuilder.engine.attempt import Attempt
from flowbuilder.engine.recollection import UNKNOWN, Known, Look
from flowbuilder.errors import shown
from flowbuilder.plan.inner import InnerStep
from flowbuilder.plan.plan import Kind
from flowbuilder.store.canonical import UnstableError
from flowbuilder.store.rows import InnerRow, Unit
from flowbuilder.store.values import decode

Note = Callable[[str, str], None]


class Mark(NamedTuple):
    """What one call is kept by.

    ``is_known`` says that it is found again by its ``key``, ``is_once`` that it must not be repeated: then it is
    also kept that it has begun.
    """

    unit: Unit
    attempt: int
    key: bytes
    name: str
    code: str
    is_known: bool
    is_once: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OfUnit:
    """What all bodies have in common that run for one attempt of a step or item: its own, and those inside it.

    ``kept`` are the calls that are not made again, by their keys, until they are asked for; ``note`` says something
    once of what has a name, ``codes`` makes marks of code.
    """

    unit: Unit
    attempt: int
    kept: dict[bytes, InnerRow]
    note: Note
    codes: CodeMarks


class BodyCalls:
    """What is known of the calls of one body; of none where ``marks`` is None, since its own call cannot be known."""

    def __init__(self, of_unit: OfUnit, marks: Marks | None) -> None:
        self._of_unit = of_unit
        self._marks = marks

    def of(self, planned: InnerStep, fixed: Mapping[str, Any]) -> Look:
        """Return what tells of the calls of a function, each by its arguments; those ``fixed`` are the same for all."""
        definition, base = planned.step.definition, b""
        is_once = not getattr(definition, "idempotent", True)
        mark = Mark(self._of_unit.unit, self._of_unit.attempt, b"", definition.name, "", False, is_once)
        if self._marks is None:
            return lambda given: _unknown(mark)
        try:
            base = self._marks.base(planned, fixed)
        except UnstableError as error:
            self._note_unstable(mark, error)
            return lambda given: _unknown(mark)
        return partial(self._look, self._marks, mark._replace(code=self._of_unit.codes.of(planned.step)), base, fixed)

    def inside(self, attempt: Attempt) -> BodyCalls:
        """Return what is known of the calls that the body of such a call makes."""
        mark: Mark | None = attempt.mark
        if self._marks is None or mark is None or not mark.is_known:
            return BodyCalls(self._of_unit, None)
        # Its attempts are counted anew in each process: so each finds again what it did itself.
        above = hashlib.sha256(b"%s %d" % (mark.key, attempt.number)).digest()[:KEY]
        return BodyCalls(self._of_unit, Marks(above, partial(tools_of, attempt), self._of_unit.codes))

    def _look(self, marks: Marks, mark: Mark, base: bytes, fixed: Mapping[str, Any], given: Mapping[str, Any]) -> Known:
        try:
            key = marks.key(base, {name: value for name, value in given.items() if name not in fixed})
        except UnstableError as error:
            self._note_unstable(mark, error)
            return _unknown(mark)
        row = self._of_unit.kept.pop(key, None)
        if row is not None:
            try:
                value = decode(row.value)
            except ValueError:  # of classes that are no more, say: then it is made again
                pass
            else:
                self._note_changed(mark, row)
                return Known(None, True, value)
        return Known(mark._replace(key=key, is_known=True))

    def _note_unstable(self, mark: Mark, error: UnstableError) -> None:
        name = f"{self._of_unit.unit.step}/{mark.name}"
        self._of_unit.note(name, f"{name} would run again if this run is resumed: {shown(str(error), 300)}")

    def _note_changed(self, mark: Mark, row: InnerRow) -> None:
        if row.code != mark.code:
            step = self._of_unit.unit.step
            text = f"{step}/{mark.name} is kept although changed since; --rerun {step} runs it again"
            self._of_unit.note(f"{step}/{mark.name} changed", text)


def tools_of(attempt: Attempt) -> Mapping[int, str]:
    """Return the names of what a body got from providers, by the id of each."""
    names = [one.source for one in attempt.step.bindings if one.kind is Kind.PROVIDER]
    return {id(attempt.source.providers.value(name, attempt)): name for name in names}


def _unknown(mark: Mark) -> Known:
    """Return what there is of a call that is not found again: nothing, unless it must not be repeated."""
    return Known(mark._replace(key=os.urandom(KEY))) if mark.is_once else UNKNOWN
