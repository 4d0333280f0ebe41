"""Lending: what bodies that wait for inner units lend them, counted by depth; pure.

A unit of a plan is at depth 0, one that runs inside its body at depth 1, one inside that at depth 2.
While a body waits it needs no slot, but has to get one back: were its slot given to just any unit, each
of which may lend again, there would be no bound to the bodies that are open. So a lent slot is kept
for what is deeper than its lender.
"""

from __future__ import annotations

from collections.abc import Callable

from flowbuilder.engine.limits import Line


class Depths:
    """How many slots are held by units of each depth below the first, and lent by bodies of each.

    ``lent`` counts all that are lent.
    """

    __slots__ = ("_held", "_lent", "lent")

    def __init__(self) -> None:
        self.lent = 0
        self._held: list[int] = []
        self._lent: list[int] = []

    def hold(self, depth: int, more: int) -> None:
        """Count so many more slots, or less, that units of a depth hold."""
        _add(self._held, depth, more)

    def lend(self, depth: int, more: int) -> None:
        """Count so many more slots, or less, that bodies of a depth lend."""
        self.lent += more
        _add(self._lent, depth, more)

    def kept(self, depth: int) -> int:
        """Return how many free slots a start at a depth has to leave: those lent at it or deeper, and not in use.

        With that, no more bodies are open at any depth than there are slots, and whatever is deepest can start.
        """
        return max(sum(self._lent[depth:]) - sum(self._held[depth + 1 :]), 0)


def _add(counts: list[int], depth: int, more: int) -> None:
    while len(counts) <= depth:
        counts.append(0)
    counts[depth] += more


class Taker:
    """A body that lends its slot and wants it back; ``granted`` is called when it was waited for, and is there.

    ``line`` is where units wait that need just the slot: the resources it holds are not lent.
    """

    __slots__ = ("granted", "line")

    def __init__(self, line: Line, granted: Callable[[], None]) -> None:
        self.line = line
        self.granted = granted
