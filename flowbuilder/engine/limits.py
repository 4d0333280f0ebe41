"""Limits: a capacity each, what is held of it, and the lines of requests that wait for it; pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from heapq import heappop, heappush
from typing import Any, Protocol

Clock = Callable[[], float]


class Closable(Protocol):
    """Whose units wait: the share of a run, which is closed when nothing of it may start any more."""

    is_closed: bool


class Waiter(Closable, Protocol):
    """Whose units begin to wait: it knows the place of each."""

    def key(self, step: int) -> Any:
        """Return the place of a unit of a step."""


# A waiting unit: its policy's key, its place in order, its run's share, its number, how many had started when it
# came, and when that was.
Entry = tuple[Any, int, Closable, int, int, float]


class Limit:
    """A named capacity, such as a resource.

    Lines whose best request does not fit are parked here by lane and by the amount they need, so
    that what becomes free is offered to the best of each and the others are not looked at.
    """

    __slots__ = ("_clock", "_parked", "_since", "_used", "capacity", "held", "is_of_run", "name", "reserved")

    def __init__(self, name: str, capacity: int, clock: Clock = lambda: 0.0, *, is_of_run: bool = False) -> None:
        self.name = name
        self.is_of_run = is_of_run
        self.capacity = capacity
        self.held = 0
        self.reserved = 0
        self._clock = clock
        self._since = clock()
        self._used = 0.0
        self._parked: dict[tuple[int, int, int], list[tuple[Entry, Line]]] = {}

    def change(self, amount: int) -> None:
        """Hold so much more, or less."""
        self._used = self.used
        self._since = self._clock()
        self.held += amount

    @property
    def used(self) -> float:
        """What has been held so far, in amounts times the clock's seconds."""
        return self._used + self.held * (self._clock() - self._since)

    def fits(self, amount: int, *, is_reserver: bool, depth: int = 0) -> bool:
        """Return whether an amount may be held now.

        What is reserved is for the reserver, and for what runs inside a body: that may be in the reserver's way.
        """
        return self.held + amount + (0 if is_reserver or depth else self.reserved) <= self.capacity

    def park(self, line: Line, head: Entry, amount: int) -> None:
        """Keep a line until its best request might fit."""
        line.parked_at = self
        heappush(self._parked.setdefault((line.lane, line.depth, amount), []), (head, line))

    def awaken(self) -> Iterator[Line]:
        """Yield, no longer parked, the best line of each lane, depth and amount that fits the free capacity."""
        for place, parked in list(self._parked.items()):
            if self.fits(place[2], is_reserver=False, depth=place[1]) and (line := self._best(parked)) is not None:
                line.parked_at = None
                yield line
            if not parked:
                del self._parked[place]

    def _best(self, parked: list[tuple[Entry, Line]]) -> Line | None:
        while parked:
            head, line = heappop(parked)
            if line.parked_at is self and line.head() is head:
                return line
        return None


Needs = tuple[tuple[Limit, int], ...]
NO_NEEDS: Needs = ()


class Line:
    """Waiting units of one lane that need the same, the best first; ``depth`` counts the bodies they run inside.

    One that ``is_plain`` needs nothing but a slot, at no depth.
    """

    __slots__ = (
        "__weakref__",
        "_gone",
        "_others",
        "_sorted",
        "depth",
        "is_plain",
        "lane",
        "listed",
        "needs",
        "parked_at",
    )

    def __init__(self, lane: int, needs: Needs, depth: int = 0) -> None:
        self.lane = lane
        self.depth = depth
        self.needs = needs
        self.is_plain = not (needs or depth)
        self.listed: Entry | None = None
        self.parked_at: Limit | None = None
        # Most policies give keys that grow: appending those is cheaper than a heap.
        self._sorted: deque[Entry] = deque()
        self._others: list[Entry] = []
        # The places in order of those that were taken out of turn, and still lie among the others.
        self._gone: set[int] = set()

    def add(self, entry: Entry) -> bool:
        """Add a waiting unit, and return whether it is the best now."""
        waiting = self._sorted
        if not waiting:
            waiting.append(entry)
            return not self._others or entry < self._others[0]
        if waiting[-1] < entry:
            waiting.append(entry)
            return False
        heappush(self._others, entry)
        return self._others[0] is entry and entry < self._sorted[0]

    def head(self) -> Entry | None:
        """Return the best unit whose run has not stopped; None where there is none."""
        if not (self._others or self._gone):
            # As nearly always.
            while self._sorted:
                first = self._sorted[0]
                if not first[2].is_closed:
                    return first
                self._sorted.popleft()
            return None
        while self._sorted and (self._sorted[0][2].is_closed or self._sorted[0][1] in self._gone):
            self._gone.discard(self._sorted.popleft()[1])
        while self._others and (self._others[0][2].is_closed or self._others[0][1] in self._gone):
            self._gone.discard(heappop(self._others)[1])
        if not self._others:
            return self._sorted[0] if self._sorted else None
        if not self._sorted or self._others[0] < self._sorted[0]:
            return self._others[0]
        return self._sorted[0]

    def pop(self) -> Entry:
        """Remove and return the best unit; there must be one."""
        if self._others and (not self._sorted or self._others[0] < self._sorted[0]):
            return heappop(self._others)
        return self._sorted.popleft()

    def take(self, entry: Entry) -> Entry:
        """Remove and return a unit that is here, in whatever place."""
        if self.head() is entry:
            return self.pop()
        self._gone.add(entry[1])
        return entry

    def __bool__(self) -> bool:
        return bool(self._sorted or self._others)

    def __iter__(self) -> Iterator[Entry]:
        waiting = sorted([*self._sorted, *self._others])
        return (entry for entry in waiting if not (entry[2].is_closed or entry[1] in self._gone))

    def blocker(self, *, is_reserver: bool) -> tuple[Limit, int] | None:
        """Return the first limit that the best unit does not fit, and the amount it needs of it."""
        for limit, amount in self.needs:
            if not limit.fits(amount, is_reserver=is_reserver, depth=self.depth):
                return limit, amount
        return None


def pool_of(capacities: Mapping[str, int], clock: Clock = lambda: 0.0) -> dict[str, Limit]:
    """Return one limit for each named capacity; ``clock`` times how much of it is held."""
    return {name: Limit(name, capacity, clock) for name, capacity in capacities.items()}


def needs_of(wanted: Mapping[str, int], pool: Mapping[str, Limit]) -> Needs:
    """Return amounts of named limits, in the order of names, so that equal needs are equal."""
    return tuple((pool[name], wanted[name]) for name in sorted(wanted))
