"""Slots: which ready unit starts next, and how many run at once; pure, as the schedule that uses it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence


class Slots:
    """Queues of ready units, one for each lane, and the slots they wait for.

    Args:
        lane_limits: for each lane how many of its units run at once.
        limit: how many units run at once, all lanes together; None for no limit.
    """

    def __init__(self, lane_limits: Sequence[int], limit: int | None = None) -> None:
        self.held = 0
        self._limit = limit
        self._lane_limits = list(lane_limits)
        self._held_in = [0] * len(lane_limits)
        self._order = 0
        self._ready: list[deque[tuple[int, int]]] = [deque() for _ in lane_limits]

    def add(self, unit: int, lane: int) -> None:
        """Queue a unit that may start as soon as there is a slot."""
        self._ready[lane].append((self._order, unit))
        self._order += 1

    def clear(self) -> None:
        """Drop every unit that waits for a slot."""
        for queue in self._ready:
            queue.clear()

    def startable(self, lane: int) -> bool:
        """Return whether ``take(lane)`` would give a unit."""
        queue = self._ready[lane]
        if not queue or self._held_in[lane] >= self._lane_limits[lane]:
            return False
        if self._limit is None:
            return True
        return self.held < self._limit and not self._older_elsewhere(lane, queue[0][0])

    def _older_elsewhere(self, lane: int, order: int) -> bool:
        """With a common limit the oldest ready unit goes first, whatever lane it is in."""
        for other, queue in enumerate(self._ready):
            has_slot = other != lane and self._held_in[other] < self._lane_limits[other]
            if queue and has_slot and queue[0][0] < order:
                return True
        return False

    def take(self, lane: int) -> int | None:
        """Give the next unit of a lane a slot and return it; None where nothing may start."""
        if not self.startable(lane):
            return None
        self.hold(lane)
        return self._ready[lane].popleft()[1]

    def hold(self, lane: int) -> None:
        """Count one slot more as held, whether or not there is one."""
        self.held += 1
        self._held_in[lane] += 1

    def release(self, lane: int) -> None:
        """Give a slot back."""
        self.held -= 1
        self._held_in[lane] -= 1
