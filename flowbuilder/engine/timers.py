"""Timers: what is due when, in one heap; times are seconds of the monotonic clock."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from typing import Any
from weakref import WeakMethod

Due = Callable[[], None]


class Timers:
    """A heap of calls and the times they are due; whoever uses it holds the run's lock."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Due]] = []
        self._order = 0

    def add(self, when: float, due: Due) -> bool:
        """Add a call due at ``when``; return whether it is now the first."""
        self._order += 1
        heapq.heappush(self._heap, (when, self._order, due))
        return self._heap[0][1] == self._order

    @property
    def next(self) -> float:
        """When the first call is due; infinity where there is none."""
        return self._heap[0][0] if self._heap else math.inf

    def pop_due(self, now: float) -> list[Due]:
        """Remove and return the calls due by ``now``, in order."""
        found = []
        while self._heap and self._heap[0][0] <= now:
            found.append(heapq.heappop(self._heap)[2])
        return found


def weakly(method: Callable[..., Any], *arguments: Any) -> Due:
    """Return a call of a bound method, which is due only if its object is still there: it is not kept until then."""
    kept = WeakMethod(method)

    def due() -> None:
        found = kept()
        if found is not None:
            found(*arguments)

    return due
