"""Grace: the time that what was stopped gets to end, counted once for each stop."""

from __future__ import annotations

import time
from collections.abc import Callable

from flowbuilder.engine.engine import Engine
from flowbuilder.engine.timers import weakly


class Grace:
    """The grace period of one run; used on the loop.

    ``is_over`` says that what was counted has passed, and nobody has acted on it yet.

    Args:
        engine: whose timers count it.
        seconds: how long it is.
        over: is called on the loop when it has passed.
    """

    def __init__(self, engine: Engine, seconds: float, over: Callable[[], None]) -> None:
        self.is_over = False
        self._engine = engine
        self._seconds = seconds
        self._told = over
        self._number = 0
        self._is_counted = False

    def count(self) -> None:
        """Begin to count, unless that was begun before."""
        if not self._is_counted:
            self._is_counted = True
            with self._engine.lock:
                self._engine.at(time.monotonic() + self._seconds, weakly(self._over, self._number))

    def forget(self) -> None:
        """Let the next count begin anew, whether or not one was going on."""
        self._number += 1
        self.end()

    def end(self) -> None:
        """Note that somebody acts on what has passed: the next count may begin."""
        self._is_counted = self.is_over = False

    def _over(self, number: int) -> None:
        if number == self._number:
            self.is_over = True
            self._engine.attend(self._told)
