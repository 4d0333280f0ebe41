"""Rehearsal: a run played through with the durations that are expected, to see how long it will take; pure."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Mapping, Sequence

from flowbuilder.engine.forecast import forecast


class Rehearsal:
    """What a run is expected to take.

    Args:
        upstream: the steps that each step comes after, by number.
        seconds: how long each takes, for a mapped step one item; None for one that is not known, which
            counts as the mean of those that are. At least one is known.
        items: how many items each has, 1 for a step that is not mapped.
    """

    def __init__(
        self, upstream: Sequence[Sequence[int]], seconds: Sequence[float | None], items: Sequence[int]
    ) -> None:
        self.expected, self._remaining = forecast(upstream, seconds)
        self.items = items
        self.waits_for = [len(above) for above in upstream]
        self.downstream: list[list[int]] = [[] for _ in upstream]
        for step, above in enumerate(upstream):
            for one in above:
                self.downstream[one].append(step)

    @property
    def critical_path(self) -> tuple[int, ...]:
        """The steps of the longest chain, in order."""
        found: list[int] = []
        below: Sequence[int] = range(len(self.items))
        while below:
            found.append(max(below, key=self._remaining.__getitem__))
            below = self.downstream[found[-1]]
        return tuple(found)

    @property
    def least(self) -> float:
        """The seconds that the critical path takes: no number of slots makes the run shorter."""
        return max(self._remaining, default=0.0)

    def total(self, slots: int | None, lanes: Sequence[str], limits: Mapping[str, int]) -> float:
        """Return the seconds from the first start to the last end, each step starting as soon as it can.

        A mapped step has ended when all of its items have.

        Args:
            slots: how many steps and items run at once; None for what the lanes allow.
            lanes: where each step runs.
            limits: how many run at once in a lane; one that is not named has no limit of its own.
        """
        return _Play(self, slots, lanes, limits).through()


class _Play:
    """One rehearsal under way: what waits in each lane, and what runs until when."""

    def __init__(
        self, rehearsal: Rehearsal, slots: int | None, lanes: Sequence[str], limits: Mapping[str, int]
    ) -> None:
        self._of = rehearsal
        self._lanes = lanes
        everything = sum(rehearsal.items)
        self._free = everything if slots is None else slots
        self._room = {lane: limits.get(lane, everything) for lane in lanes}
        self._ready: dict[str, deque[int]] = {lane: deque() for lane in lanes}
        self._running: list[tuple[float, int]] = []
        self._waits_for = list(rehearsal.waits_for)
        self._left = list(rehearsal.items)

    def through(self) -> float:
        """Return when the last one ends."""
        now = 0.0
        for step, others in enumerate(self._waits_for):
            if not others:
                self._enter(step)
        self._start(now)
        while self._running:
            now, step = heapq.heappop(self._running)
            self._end(step)
            self._start(now)
        return now

    def _enter(self, step: int) -> None:
        self._ready[self._lanes[step]].extend([step] * self._of.items[step])

    def _start(self, now: float) -> None:
        for lane, ready in self._ready.items():
            while ready and self._free and self._room[lane]:
                step = ready.popleft()
                self._free -= 1
                self._room[lane] -= 1
                heapq.heappush(self._running, (now + self._of.expected[step], step))

    def _end(self, step: int) -> None:
        self._free += 1
        self._room[self._lanes[step]] += 1
        self._left[step] -= 1
        if self._left[step]:
            return
        for below in self._of.downstream[step]:
            self._waits_for[below] -= 1
            if not self._waits_for[below]:
                self._enter(below)
