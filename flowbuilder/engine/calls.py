"""Calls: the engine, as bodies that run something use it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import anyio

from flowbuilder.results import RunResult


class Nested(Protocol):
    """The conduct of a run that is nested in a body."""

    run: Any
    finished: anyio.Event
    stop_reason: str

    @property
    def result(self) -> RunResult[Any]:
        """The result, when it has finished."""

    def cancel(self, reason: str) -> None:
        """Cancel the run for good; from any thread."""

    def stop_with(self, outer: Any) -> None:
        """Stop in the way that the run around it is stopped."""


class Calls(Protocol):
    """The engine, as bodies that run something use it."""

    lock: Any
    journal: Any  # None where runs are not kept
    nest: Callable[[Any], Nested]  # begins the run that a ``NestedRun`` is; on the loop

    def lane_anywhere(self, executor: str) -> int:
        """Return the number of an executor's lane, from any thread."""

    def window(self, lane: int) -> int:
        """Return how many units of a lane run at once."""

    def attend(self, call: Callable[[], None]) -> None:
        """Have the loop call ``call``."""

    def wake_lanes(self) -> None:
        """Wake every lane that could start something."""
