"""Lane: the one Protocol behind which bodies run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from anyio.abc import TaskGroup

from flowbuilder.engine.attempt import Attempt


class Source(Protocol):
    """Where a lane takes attempts from and says how they ended: the engine."""

    def take(self, lane: int) -> Attempt | None:
        """Return an attempt to execute, or None when nothing may start now."""

    def look(self, lane: int) -> None:
        """Wake the lane if there is something to take. Safe from any thread."""

    def done(self, attempt: Attempt, lane: int | None = None) -> Attempt | None:
        """Say that an attempt has ended, its outcome is on it; return the next one of ``lane``."""


class Lane(Protocol):
    """A place where bodies run.

    ``enforces_timeouts`` says that the lane itself ends an attempt at its deadline; for one that
    cannot, the run reports the time-out and the slot stays held until the body really ends.
    """

    limit: int
    enforces_timeouts: bool

    def start(self, source: Source, number: int, notify: Callable[[], None]) -> None:
        """Begin to serve as lane ``number``; ``notify`` asks, from any thread, for a ``turn``."""

    def turn(self, group: TaskGroup) -> None:
        """Do on the loop what was asked for; called after each notice."""

    def wake(self) -> None:
        """Hear that there may be something to take. From any thread, never under the schedule's lock."""

    def cancel(self, attempts: Iterable[Attempt]) -> None:
        """Cancel those of ``attempts`` that run here, as far as the lane can; called on the loop."""

    def close(self) -> None:
        """End all that the lane started; called once, when all runs are over."""


LaneFactory = Callable[[int | None], Any]
