"""Admission: which waiting unit of which run starts next, within every limit; pure.

Requests that need the same stand in one line; the best of each line are compared, and a line whose
best does not fit is parked at the limit it does not fit. So a decision looks at what might start,
not at all that waits.
"""

from __future__ import annotations

from heapq import heappop, heappush, heapreplace
from typing import Any
from weakref import WeakValueDictionary

from flowbuilder.engine.limits import NO_NEEDS, Clock, Closable, Entry, Limit, Line, Needs
from flowbuilder.engine.policies import Policy

PATIENCE = 200  # starts of others that a request sees before it reserves what it needs


class Admission:
    """Grants slots and resources: all that a unit needs, or nothing.

    Args:
        policy: in which order waiting units start.
        limit: how many units run at once, over all lanes and runs; None for no limit.
        clock: times how long units wait.

    ``starts`` counts what has started in lanes that take slots, ``waited`` how long all of it waited to start, in the
    clock's seconds, and ``longest_wait`` the longest of it.
    """

    def __init__(self, policy: Policy, limit: int | None = None, clock: Clock = lambda: 0.0) -> None:
        self.limit = limit
        self.held = 0
        self.starts = 0
        self.waited = 0.0
        self.longest_wait = 0.0
        self.policy = policy
        self._clock = clock
        self._order = 0
        self._lane_limits: list[int] = []
        self._held_in: list[int] = []
        self._slots_for: list[int] = []
        self._heads: list[list[tuple[Entry, Line]]] = []
        # Held by the shares of runs that use them, so that what only one run needs goes with it.
        self._lines: WeakValueDictionary[tuple[int, Needs], Line] = WeakValueDictionary()
        self._aging: list[tuple[int, int, Entry, Line]] = []
        self._reserver: Line | None = None

    def add_lane(self, limit: int, *, takes_slots: bool = True) -> int:
        """Add a lane of which ``limit`` units run at once, and return its number."""
        self._lane_limits.append(limit)
        self._held_in.append(0)
        self._heads.append([])
        self._slots_for.append(int(takes_slots))
        return len(self._lane_limits) - 1

    # Starting.

    @property
    def is_asked(self) -> bool:
        """Whether any unit waits that is not known to need more than there is."""
        return any(self._heads) or self._reserver is not None

    def startable(self, lane: int) -> bool:
        """Return whether ``take(lane)`` would give a unit."""
        return self._startable(lane) is not None

    def take(self, lane: int) -> tuple[Any, int] | None:
        """Give the best unit of a lane a slot and all it needs, and return it with its run's share.

        None where nothing may start.
        """
        line = self._startable(lane)
        if line is None:
            return None
        key, _, share, unit, _, since = line.pop()
        self.hold(line)
        if self._slots_for[lane]:
            waited = self._clock() - since
            self.starts += 1
            self.waited += waited
            if waited > self.longest_wait:
                self.longest_wait = waited
        self.policy.started(key)
        self._list_again(line)
        if line.needs:
            self._granted(line)
        if self._aging:
            self._age()
        return share, unit

    def _startable(self, lane: int) -> Line | None:
        if self._held_in[lane] >= self._lane_limits[lane]:
            return None
        if self.limit is None:
            return self._best(lane)
        if self.held >= self.limit and self._slots_for[lane]:
            return None
        line = self._best(lane)
        return None if line is None or self._better_elsewhere(lane, line) else line

    def _best(self, lane: int) -> Line | None:
        """Return the line with the best unit that fits; those that do not fit are parked on the way."""
        if self._reserver is not None and self._reserver.lane == lane and self._fits_reserver(self._reserver):
            return self._reserver
        heads = self._heads[lane]
        while heads:
            entry, line = heads[0]
            if line.listed is not entry or entry[2].is_closed:
                heappop(heads)
                if line.listed is entry:
                    self._list(line)
                continue
            blocker = line.blocker(is_reserver=False) if line.needs else None
            if blocker is None:
                return line
            heappop(heads)
            self._park(line, entry, *blocker)
        return None

    def _fits_reserver(self, line: Line) -> bool:
        return line.head() is not None and line.blocker(is_reserver=True) is None

    def _better_elsewhere(self, lane: int, line: Line) -> bool:
        """With a common limit the best unit goes first, whatever lane it is in."""
        for other in range(len(self._heads)):
            if other != lane and self._slots_for[other] and self._held_in[other] < self._lane_limits[other]:
                best = self._best(other)
                if best is not None and self._rank(best) < self._rank(line):
                    return True
        return False

    def _rank(self, line: Line) -> tuple[bool, Entry | None]:
        return line is not self._reserver, line.head()

    def _list(self, line: Line) -> None:
        """List a line by its best unit, where it has one."""
        head = line.listed = line.head()
        if head is not None:
            heappush(self._heads[line.lane], (head, line))

    def _list_again(self, line: Line) -> None:
        """List a line whose best unit was taken by its next."""
        heads = self._heads[line.lane]
        line.parked_at = None
        if not heads or heads[0][1] is not line:
            self._list(line)
            return
        head = line.listed = line.head()
        if head is None:
            heappop(heads)
        else:
            heapreplace(heads, (head, line))

    def hold(self, line: Line) -> None:
        """Count a slot and what goes with it as held by a unit of a line, whether or not there is one."""
        self.held += self._slots_for[line.lane]
        self._held_in[line.lane] += 1
        for limit, amount in line.needs:
            limit.change(amount)

    # Waiting for limits.

    def _park(self, line: Line, entry: Entry, limit: Limit, amount: int) -> None:
        line.listed = None
        limit.park(line, entry, amount)
        heappush(self._aging, (entry[4], entry[1], entry, line))
        # The limit that woke this line may have something for another one.
        for other, needed in line.needs:
            if other is not limit and other.fits(needed, is_reserver=False):
                self._wake(other)

    def _wake(self, limit: Limit) -> None:
        for line in limit.awaken():
            self._list(line)

    def _granted(self, line: Line) -> None:
        if line is self._reserver:
            self._end_reservation()
        for limit, _ in line.needs:
            self._wake(limit)

    def _age(self) -> None:
        """Let the request that has waited longest reserve what it needs, once it has seen enough others start."""
        while self._aging:
            born, _, entry, line = self._aging[0]
            if line.parked_at is None or line.head() is not entry:
                heappop(self._aging)
            elif self._reserver is not None or self.starts - born <= PATIENCE:
                return
            else:
                heappop(self._aging)
                self._reserver = line
                for limit, amount in line.needs:
                    limit.reserved = amount
                return

    def _end_reservation(self) -> None:
        line, self._reserver = self._reserver, None
        for limit, _ in line.needs if line else NO_NEEDS:
            limit.reserved = 0
            self._wake(limit)

    # Looking.

    def places(self) -> dict[tuple[Closable, int], int]:
        """Return for each waiting unit of a share how many of its lane would start before it, as it looks now."""
        found: dict[tuple[Closable, int], int] = {}
        for lane in range(len(self._heads)):
            waiting = sorted(entry for line in self._lines.values() if line.lane == lane for entry in line)
            found |= {(entry[2], entry[3]): place for place, entry in enumerate(waiting)}
        return found

    # Called by shares.

    def enqueue(self, share: Closable, line: Line, unit: int, key: Any) -> None:
        """Let a unit wait in a line, at the place that its policy's key gives it."""
        entry: Entry = (key, self._order, share, unit, self.starts, self._clock())
        self._order += 1
        if line.add(entry):
            # Where it was parked, what it waits for may be free by now, and lent to a worse one.
            line.parked_at = None
            self._list(line)

    def line(self, lane: int, needs: Needs) -> Line:
        """Return the line of a lane and needs."""
        found = self._lines.get((lane, needs))
        if found is None:
            found = self._lines[lane, needs] = Line(lane, needs)
        return found

    def release(self, line: Line) -> None:
        """Take back a slot and what was held with it by a unit of a line."""
        self.held -= self._slots_for[line.lane]
        self._held_in[line.lane] -= 1
        for limit, amount in line.needs:
            limit.change(-amount)
            self._wake(limit)

    def close(self, lines: list[Line]) -> None:
        """Drop what waits in ``lines`` and belongs to a share that is closed."""
        if self._reserver is not None and self._reserver.head() is None:
            self._end_reservation()
        for line in lines:
            if line.listed is not None and line.head() is not line.listed:
                self._list(line)
            elif line.parked_at is not None:
                line.parked_at = None
                self._list(line)
            for limit, _ in line.needs:
                self._wake(limit)
