"""Remembering: what one body is told of its calls before it makes them, asked for when it makes the first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowbuilder.engine.attempt import Attempt
from flowbuilder.engine.calls import Calls
from flowbuilder.engine.recollection import Look, Recollection, look_nowhere
from flowbuilder.engine.run import Run
from flowbuilder.plan.inner import InnerStep


class Remembering:
    """The recollection of a body, from its run's journal; without one, nothing is known of any call.

    Args:
        attempt: the attempt whose body it is.
        run: the run, or the call of another body, that the attempt belongs to.
        engine: what all runs share.
    """

    def __init__(self, attempt: Attempt, run: Run, engine: Calls) -> None:
        self._attempt = attempt
        self._run = run
        self._engine = engine
        self._found: Recollection | None = None

    def of(self, planned: InnerStep, fixed: Mapping[str, Any]) -> Look:
        """Return what tells of calls whether they were made before the run was resumed; without the lock."""
        if self._engine.journal is None:
            return look_nowhere
        found = self._found or self._recollection()
        return look_nowhere if found is None else found.of(planned, fixed)

    def inside(self, attempt: Attempt) -> Recollection | None:
        """Return what is known of the calls that the body of such a call makes."""
        return self._found.inside(attempt) if self._found is not None else None

    def _recollection(self) -> Recollection | None:
        made = self._run.recollection(self._attempt)
        with self._engine.lock:
            # A body may call from threads of its own: all have one.
            self._found = self._found or made
            return self._found
