"""LaneSlots: the slots of one lane, and the lines of units that wait for them; pure."""

from __future__ import annotations

from heapq import heappop, heappush, heapreplace

from flowbuilder.engine.lending import Depths
from flowbuilder.engine.limits import NO_NEEDS, Entry, Line

Heads = list[tuple[Entry, Line]]


class LaneSlots:
    """Slots, of which some are ``held``; ``takes`` is 1 where they count against the limit of all lanes, else 0.

    In the ``plain`` line stand the units that need a slot and nothing else, as most do. The other lines
    that may have something to start are listed in ``heads``, a heap for each depth, by the best unit of each.

    Args:
        number: of the lane.
        limit: how many of its units run at once.
        takes: whether they count against the limit of all lanes.
    """

    __slots__ = ("depths", "heads", "held", "limit", "plain", "takes")

    def __init__(self, number: int, limit: int, *, takes: bool) -> None:
        self.limit = limit
        self.held = 0
        self.takes = int(takes)
        self.plain = Line(number, NO_NEEDS)
        self.heads: list[Heads] = [[]]
        self.depths = Depths()

    def list(self, line: Line) -> None:
        """List a line by its best unit, where it has one."""
        head = line.listed = line.head()
        if head is not None:
            heappush(self.heads[line.depth], (head, line))

    def list_again(self, line: Line) -> None:
        """List a line whose best unit was taken by its next."""
        heads = self.heads[line.depth]
        line.parked_at = None
        if not heads or heads[0][1] is not line:
            self.list(line)
            return
        head = line.listed = line.head()
        if head is None:
            heappop(heads)
        else:
            heapreplace(heads, (head, line))
