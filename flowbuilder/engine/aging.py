"""Aging: what has waited for long enough to go next, whatever others are better; pure."""

from __future__ import annotations

from collections import OrderedDict
from heapq import heappop, heappush
from typing import NamedTuple, Protocol

from flowbuilder.engine.limits import Entry, Line

PATIENCE = 200  # starts of others that a request sees before it counts as aged
STRIDE = 10  # of so many starts one goes to what is aged


class Aged(NamedTuple):
    """A waiting unit whose turn it is, and its line."""

    entry: Entry
    line: Line


class Aging(Protocol):
    """Finds what is aged. ``waiting`` is empty where there is nothing that may be."""

    @property
    def waiting(self) -> object:
        """What waits, as something that is false where it is empty."""

    def came(self, entry: Entry, line: Line) -> None:
        """Hear that a unit waits."""

    def parked(self, entry: Entry, line: Line) -> None:
        """Hear that the best unit of a line needs more than there is."""

    def went(self, entry: Entry) -> None:
        """Hear that a unit waits no longer."""

    def closed(self) -> None:
        """Hear that a run is closed, of which units may wait."""

    def due(self, starts: int) -> Aged | None:
        """Return what may go next, after so many starts; None where there is nothing, or it is not its turn."""


class Parked:
    """For policies under which every unit comes to be the best: only what needs much could wait for ever."""

    def __init__(self) -> None:
        self.waiting: list[tuple[int, int, Entry, Line]] = []

    def came(self, entry: Entry, line: Line) -> None:
        """Nothing follows: it is not overtaken for ever while it fits."""

    def parked(self, entry: Entry, line: Line) -> None:
        """Count from when it came."""
        heappush(self.waiting, (entry[4], entry[1], entry, line))

    def went(self, entry: Entry) -> None:
        """It is left out when it is met."""

    def closed(self) -> None:
        """What waited of it is left out when it is met."""

    def due(self, starts: int) -> Aged | None:
        """Return the one that came first of those that still are parked, once it is aged."""
        while self.waiting:
            born, _, entry, line = self.waiting[0]
            if line.parked_at is None or line.head() is not entry:
                heappop(self.waiting)
            elif starts - born <= PATIENCE:
                return None
            else:
                heappop(self.waiting)
                return Aged(entry, line)
        return None


class Turns:
    """For policies under which better ones may come for ever: the one that came first has a turn now and then.

    One start in ``STRIDE`` goes to it, once it is aged. So who finds n others waiting waits for at most
    ``PATIENCE`` + ``STRIDE`` × (n + 1) starts, if it then fits, and the best have nine starts in ten, however many
    are aged.
    """

    def __init__(self) -> None:
        # In the order they came. A plain dict would be looked through from its first entry ever each time.
        self.waiting: OrderedDict[int, Aged] = OrderedDict()
        self._next = 0

    def came(self, entry: Entry, line: Line) -> None:
        """Put it last."""
        self.waiting[entry[1]] = Aged(entry, line)

    def parked(self, entry: Entry, line: Line) -> None:
        """Nothing follows: it waits as before."""

    def went(self, entry: Entry) -> None:
        """Take it out."""
        self.waiting.pop(entry[1], None)

    def due(self, starts: int) -> Aged | None:
        """Return the one that came first, where it is its turn."""
        first = self._first() if starts >= self._next else None
        if first is None:
            return None
        aged_at = first.entry[4] + PATIENCE + 1
        is_aged = starts >= aged_at
        self._next = starts + STRIDE if is_aged else aged_at
        return first if is_aged else None

    def closed(self) -> None:
        """Leave out what waited of it, where nothing older does."""
        self._first()

    def _first(self) -> Aged | None:
        while self.waiting:
            first = next(iter(self.waiting.values()))
            if not first.entry[2].is_closed:
                return first
            self.waiting.popitem(last=False)
        return None
