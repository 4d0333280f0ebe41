"""Calls: the engine, as bodies that run something use it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class Calls(Protocol):
    """The engine, as bodies that run something use it."""

    lock: Any
    journal: Any  # None where runs are not kept

    def lane_anywhere(self, executor: str) -> int:
        """Return the number of an executor's lane, from any thread."""

    def window(self, lane: int) -> int:
        """Return how many units of a lane run at once."""

    def attend(self, call: Callable[[], None]) -> None:
        """Have the loop call ``call``."""

    def wake_lanes(self) -> None:
        """Wake every lane that could start something."""
