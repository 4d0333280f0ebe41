"""Policies: in which order waiting steps start, each a small class that gives a key; the least goes first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

STARTS_FOR_ONE_PRIORITY = 100


class Waiting(NamedTuple):
    """What a policy may know of a step that begins to wait.

    ``run`` counts runs in the order they were submitted, ``starts`` what has started so far in all
    runs. ``expected`` is how long the step takes and ``remaining`` how long the longest chain from
    its start to the end of its run: in seconds where past durations are known, else in steps.
    """

    run: int
    priority: int
    starts: int
    expected: float
    remaining: float


class Policy(Protocol):
    """Orders waiting steps; among equal keys the one that became ready first goes first."""

    def key(self, waiting: Waiting) -> Any:
        """Return the place of a step that begins to wait, as something that compares."""

    def started(self, key: Any) -> None:
        """Hear that the step with this key starts."""


class Priority:
    """Higher priority first, with ageing.

    A step that has seen ``STARTS_FOR_ONE_PRIORITY`` others start is worth one priority more, so it
    waits for at most so many starts for each priority that others have above it.
    """

    def key(self, waiting: Waiting) -> Any:
        """Return starts so far, less what the priority is worth."""
        # Waiting n starts adds the same to all that wait, so the place need not be computed again.
        return waiting.starts - waiting.priority * STARTS_FOR_ONE_PRIORITY

    def started(self, key: Any) -> None:
        """Nothing follows from a start."""


class Fifo:
    """First ready, first started."""

    def key(self, waiting: Waiting) -> Any:
        """Return the same for all."""
        return 0

    def started(self, key: Any) -> None:
        """Nothing follows from a start."""


class Fair:
    """Round-robin over the runs: one step of each in turn (start-time fair queueing, Goyal et al. 1996)."""

    def __init__(self) -> None:
        self._now = 0
        self._last: dict[int, int] = {}

    def key(self, waiting: Waiting) -> Any:
        """Return the round in which it is the run's turn."""
        turn = max(self._now, self._last.get(waiting.run, -1) + 1)
        self._last[waiting.run] = turn
        return turn

    def started(self, key: Any) -> None:
        """Go on to the round of the step that starts."""
        self._now = max(self._now, key)


class Shortest:
    """The shortest expected step first."""

    def key(self, waiting: Waiting) -> Any:
        """Return how long the step takes."""
        return waiting.expected

    def started(self, key: Any) -> None:
        """Nothing follows from a start."""


class CriticalPath:
    """The step with the longest chain behind it first (list scheduling by Hu's levels, 1961)."""

    def key(self, waiting: Waiting) -> Any:
        """Return the length of the longest chain, negative."""
        return -waiting.remaining

    def started(self, key: Any) -> None:
        """Nothing follows from a start."""


POLICIES: Mapping[str, Callable[[], Policy]] = {
    "priority": Priority,
    "fifo": Fifo,
    "fair": Fair,
    "shortest": Shortest,
    "critical-path": CriticalPath,
}
