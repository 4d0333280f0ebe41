"""The inline lane: plain bodies on the loop thread itself, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from flowbuilder.engine.attempt import Attempt
from flowbuilder.engine.lanes.base import Source

TURNS = 20


class InlineLane:
    """Runs plain bodies on the loop thread: for what must stay there, or is too short for a thread."""

    enforces_timeouts = True

    def __init__(self, limit: int | None = None) -> None:
        self.limit = 1
        self._asked = False
        self._working = False

    def start(self, source: Source, number: int, notify: Callable[[], None]) -> None:
        """Begin to serve; called on the loop."""
        self._source = source
        self._number = number
        self._notify = notify

    def wake(self) -> None:
        """Ask for a turn; from any thread."""
        if not self._asked:
            self._asked = True
            self._notify()

    def turn(self, group: TaskGroup) -> None:
        """Start the worker that was asked for."""
        if self._asked and not self._working:
            self._working = True
            group.start_soon(self._work, name="flowbuilder inline worker")

    def cancel(self, attempts: Iterable[Attempt]) -> None:
        """Nothing can be cancelled: while a body runs, nothing else does."""

    def close(self) -> None:
        """Nothing is left to end."""

    async def _work(self) -> None:
        self._asked = self._working = False
        turns = 0
        attempt = self._source.take(self._number)
        while attempt is not None:
            attempt.execute()
            attempt = self._source.done(attempt, self._number)
            turns += 1
            if turns % TURNS == 0:
                await anyio.lowlevel.checkpoint()
