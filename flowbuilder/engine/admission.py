"""Admission: which waiting unit of which run starts next, within every limit; pure.

Requests that need the same stand in one line; the best of each line are compared, and a line whose
best does not fit is parked at the limit it does not fit. So a decision looks at what might start,
not at all that waits. The plain line of each lane, where most units wait, is always looked at, and never
listed or parked.
"""

from __future__ import annotations

from heapq import heappop
from typing import Any
from weakref import WeakValueDictionary

from flowbuilder.engine.aging import Aged, Aging, Parked, Turns
from flowbuilder.engine.lane_slots import LaneSlots
from flowbuilder.engine.lending import Depths, Loans
from flowbuilder.engine.limits import NO_NEEDS, Clock, Closable, Entry, Limit, Line, Needs, Waiter
from flowbuilder.engine.policies import Fifo, Policy
from flowbuilder.engine.waiting_times import WaitingTimes


class Admission:
    """Grants slots and resources: all that a unit needs, or nothing.

    Units that run inside the body of another one have lines of their own for each depth. A body that
    waits for such units lends them its slot.

    Args:
        policy: in which order waiting units start.
        limit: how many units run at once, over all lanes and runs; None for no limit.
        clock: times how long units wait; None where nobody asks.

    ``starts`` counts what has started in lanes that take slots, ``waits`` how long all of it waited to start, where
    there is a clock.
    """

    def __init__(self, policy: Policy, limit: int | None = None, clock: Clock | None = None) -> None:
        self.limit = limit
        self.held = 0
        self.starts = 0
        self.waits = WaitingTimes()
        self.policy = policy
        # One run alone is first in, first out, and that costs nothing.
        self._asks = not isinstance(policy, Fifo)
        self._clock = clock
        self._order = 0
        self.lanes: list[LaneSlots] = []
        self.depths = Depths()
        self.loans = Loans(self)
        # Held by the shares of runs that use them, so that what only one run needs goes with it.
        self._lines: WeakValueDictionary[tuple[int, int, Needs], Line] = WeakValueDictionary()
        self._aging: Aging = Turns() if getattr(policy, "starves", True) else Parked()
        self._has_turns = isinstance(self._aging, Turns)
        self._reserver: Aged | None = None

    def add_lane(self, limit: int, *, takes_slots: bool = True) -> int:
        """Add a lane of which ``limit`` units run at once, and return its number."""
        number = len(self.lanes)
        lane = LaneSlots(number, limit, takes=takes_slots)
        self.lanes.append(lane)
        self._lines[number, 0, NO_NEEDS] = lane.plain
        return number

    # Starting.

    @property
    def is_asked(self) -> bool:
        """Whether any unit waits that is not known to need more than there is."""
        for lane in self.lanes:
            if lane.plain or any(lane.heads):
                return True
        return self._reserver is not None

    def startable(self, lane: int) -> bool:
        """Return whether ``take(lane)`` would give a unit."""
        return self._startable(self.lanes[lane]) is not None

    def take(self, lane: int) -> tuple[Any, int] | None:
        """Give the best unit of a lane a slot and all it needs, and return it with its run's share.

        None where nothing may start.
        """
        slots = self.lanes[lane]
        line = self._startable(slots)
        if line is None:
            return None
        if line.is_plain and self._reserver is None:
            entry = line.pop()
            self.held += slots.takes
            slots.held += 1
        else:
            entry = self._take_from(line)
        key, _, share, unit, _, since = entry
        if slots.takes:
            self.starts += 1
            if self._clock is not None:
                self.waits.add(self._clock() - since)
        if self._asks:
            self.policy.started(key)
            self._aging.went(entry)
        if self._aging.waiting:
            self._age()
        return share, unit

    def _take_from(self, line: Line) -> Entry:
        """Take the unit that goes next from a line that may be listed or parked, or of which one has its turn."""
        reserver = self._reserver
        is_reserved = reserver is not None and reserver.line is line
        entry = line.take(reserver.entry) if reserver is not None and is_reserved else line.pop()
        self.hold(line)
        if not line.is_plain and (line.listed is entry or line.parked_at is not None):
            self.lanes[line.lane].list_again(line)
        if is_reserved:
            self._end_reservation()
        for limit, _ in line.needs:
            self._wake(limit)
        return entry

    def _startable(self, lane: LaneSlots) -> Line | None:
        """Return the line whose best unit is the next to start in a lane."""
        if lane.held >= lane.limit:
            return None
        limit = self.limit
        if limit is not None and lane.takes and self.held >= limit:
            return None
        if not any(lane.heads) and self._reserver is None and not self.depths.lent:
            line = lane.plain if lane.plain.head() is not None else None
        else:
            line = self._best_of(lane)
        # Who takes no slot leaves it to others.
        is_outdone = limit is not None and line is not None and lane.takes and self._better_elsewhere(lane, line)
        return None if is_outdone else line

    def _best_of(self, lane: LaneSlots) -> Line | None:
        """Return the line with the best unit of a lane, of whatever depth, that may have one of its free slots."""
        if len(lane.heads) == 1 and not self.depths.lent:
            return self._best(lane, 0)
        depths = range(len(lane.heads))
        lines = [line for one in depths if self._may_start(lane, one) and (line := self._best(lane, one)) is not None]
        return min(lines, key=self._rank, default=None)

    def _may_start(self, lane: LaneSlots, depth: int) -> bool:
        """Return whether a start at a depth leaves the slots that waiting bodies have lent to what is deeper."""
        lent = self.depths.lent
        room = lane.limit - lane.held
        if room <= lent and room <= lane.depths.kept(depth):
            return not lane.held and self._is_stuck_below(depth)
        if self.limit is None or not lane.takes:
            return True
        room = self.limit - self.held
        return room > lent or room > self.depths.kept(depth) or (not self.held and self._is_stuck_below(depth))

    def _is_stuck_below(self, depth: int) -> bool:
        """Return whether what is deeper waits for a resource: a body that holds it may have to wait for this start."""
        deeper = (line for line in self._lines.values() if line.depth > depth and line.head() is not None)
        blockers = (line.blocker(is_reserver=False) for line in deeper)
        # The limit of a run itself is held by what runs, and that ends.
        is_stuck = any(blocker is not None and not blocker[0].is_of_run for blocker in blockers)
        return is_stuck and (depth > 0 or self._is_held_by_runs)

    @property
    def _is_held_by_runs(self) -> bool:
        """Whether whole runs hold something: then their steps, which stand at no depth, may have to start first."""
        return any(lane.held and not lane.takes for lane in self.lanes)

    def _best(self, lane: LaneSlots, depth: int) -> Line | None:
        """Return the line with the best unit that fits; those that do not fit are parked on the way."""
        aged = self._reserver.line if self._reserver is not None else None
        is_here = aged is not None and self.lanes[aged.lane] is lane and aged.depth == depth
        if aged is not None and is_here and aged.blocker(is_reserver=True) is None:
            return aged
        heads = lane.heads[depth]
        plain = None if depth else lane.plain.head()
        while heads:
            entry, line = heads[0]
            if plain is not None and plain < entry:
                break
            if line.listed is not entry or entry[2].is_closed:
                heappop(heads)
                if line.listed is entry:
                    lane.list(line)
                continue
            blocker = line.blocker(is_reserver=False) if line.needs else None
            if blocker is None:
                return line
            heappop(heads)
            self._park(line, entry, *blocker)
        return None if plain is None else lane.plain

    def _better_elsewhere(self, lane: LaneSlots, line: Line) -> bool:
        """With a common limit the best unit goes first, whatever lane it is in."""
        for other in self.lanes:
            if other is not lane and other.takes and other.held < other.limit:
                best = self._best_of(other)
                if best is not None and self._rank(best) < self._rank(line):
                    return True
        return False

    def _rank(self, line: Line) -> tuple[bool, Entry | None]:
        return self._reserver is None or line is not self._reserver.line, line.head()

    def hold(self, line: Line) -> None:
        """Count a slot and what goes with it as held by a unit of a line, whether or not there is one."""
        lane = self.lanes[line.lane]
        self.held += lane.takes
        lane.held += 1
        self._change(line, 1)

    def _change(self, line: Line, sign: int) -> None:
        """Count what goes with a slot as held once more, or once less."""
        if line.depth:
            lane = self.lanes[line.lane]
            lane.depths.hold(line.depth, sign)
            self.depths.hold(line.depth, sign * lane.takes)
        for limit, amount in line.needs:
            limit.change(sign * amount)

    # Waiting for limits.

    def _park(self, line: Line, entry: Entry, limit: Limit, amount: int) -> None:
        line.listed = None
        limit.park(line, entry, amount)
        self._aging.parked(entry, line)
        # The limit that woke this line may have something for another one.
        for other, needed in line.needs:
            if other is not limit and other.fits(needed, is_reserver=False, depth=line.depth):
                self._wake(other)

    def _wake(self, limit: Limit) -> None:
        for line in limit.awaken():
            self.lanes[line.lane].list(line)

    def _age(self) -> None:
        """Let what is aged go next, where it is its turn, and reserve what it needs."""
        if self._reserver is not None:
            return
        aged = self._reserver = self._aging.due(self.starts)
        for limit, amount in aged.line.needs if aged else NO_NEEDS:
            limit.reserved = amount

    def _end_reservation(self) -> None:
        aged, self._reserver = self._reserver, None
        for limit, _ in aged.line.needs if aged else NO_NEEDS:
            limit.reserved = 0
            self._wake(limit)

    # Looking.

    def places(self) -> dict[tuple[Closable, int], int]:
        """Return for each waiting unit of a share how many of its lane would start before it, as it looks now."""
        found: dict[tuple[Closable, int], int] = {}
        for lane in range(len(self.lanes)):
            waiting = sorted(entry for line in self._lines.values() if line.lane == lane for entry in line)
            found |= {(entry[2], entry[3]): place for place, entry in enumerate(waiting)}
        return found

    # Called by shares.

    def enqueue(self, share: Waiter, unit: int, step: int, line: Line) -> None:
        """Let a unit of a step wait in a line, at the place that the policy gives it."""
        key = share.key(step) if self._asks else 0
        since = self._clock() if self._clock is not None else 0.0
        entry: Entry = (key, self._order, share, unit, self.starts, since)
        self._order += 1
        if self._has_turns:
            self._aging.came(entry, line)
        if line.is_plain:
            line.add(entry)
        elif line.add(entry):
            # Where it was parked, what it waits for may be free by now, and lent to a worse one.
            line.parked_at = None
            self.lanes[line.lane].list(line)

    def line(self, lane: int, needs: Needs, depth: int = 0) -> Line:
        """Return the line of a lane, of needs and of a depth: how many bodies its units run inside."""
        found = self._lines.get((lane, depth, needs))
        if found is None:
            found = self._lines[lane, depth, needs] = Line(lane, needs, depth)
            while len(self.lanes[lane].heads) <= depth:
                self.lanes[lane].heads.append([])
        return found

    def release(self, line: Line) -> None:
        """Take back a slot and what was held with it by a unit of a line."""
        lane = self.lanes[line.lane]
        self.held -= lane.takes
        lane.held -= 1
        if not line.is_plain:
            self._change(line, -1)
            for limit, _ in line.needs:
                self._wake(limit)
        if self.loans.wanted:
            self.loans.give_back()

    # Asked where slots are lent.

    def has_room(self, line: Line) -> bool:
        """Return whether there is a free slot, and all it needs, for a unit of a line."""
        lane = self.lanes[line.lane]
        if lane.held >= lane.limit:
            return False
        return (self.limit is None or self.held < self.limit) and line.blocker(is_reserver=True) is None

    def count_lent(self, line: Line, more: int) -> None:
        """Count so many more slots as lent by bodies of a line, or less."""
        self.lanes[line.lane].depths.lend(line.depth, more)
        self.depths.lend(line.depth, more)

    def close(self, lines: list[Line]) -> None:
        """Drop what waits in ``lines`` and belongs to a share that is closed."""
        if self._reserver is not None and self._reserver.entry[2].is_closed:
            self._end_reservation()
        self._aging.closed()
        for line in lines:
            if line.listed is not None and line.head() is not line.listed:
                self.lanes[line.lane].list(line)
            elif line.parked_at is not None:
                line.parked_at = None
                self.lanes[line.lane].list(line)
            for limit, _ in line.needs:
                self._wake(limit)
