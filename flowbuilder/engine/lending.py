"""Lending: what bodies that wait for inner units lend them, counted by depth; pure.

A unit of a plan is at depth 0, one that runs inside its body at depth 1, one inside that at depth 2.
While a body waits it needs no slot, but has to get one back: were its slot given to just any unit, each
of which may lend again, there would be no bound to the bodies that are open. So a lent slot is kept
for what is deeper than its lender.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

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


class Lender(Protocol):
    """Whose slots are lent: the admission."""

    def hold(self, line: Line) -> None:
        """Count a slot and what goes with it as held by a unit of a line, whether or not there is one."""

    def release(self, line: Line) -> None:
        """Take back a slot and what was held with it by a unit of a line."""

    def has_room(self, line: Line) -> bool:
        """Return whether there is a free slot, and all it needs, for a unit of a line."""

    def count_lent(self, line: Line, more: int) -> None:
        """Count so many more slots as lent by bodies of a line, or less."""


class Loans:
    """The slots that bodies lend; ``wanted`` are those that they want back."""

    def __init__(self, lender: Lender) -> None:
        self.wanted: list[Taker] = []
        self._lender = lender

    def lend(self, taker: Taker) -> None:
        """Lend the slot of a body that waits to the units it waits for."""
        self._lender.count_lent(taker.line, 1)
        self._lender.release(taker.line)

    def take_back(self, taker: Taker) -> None:
        """Take a lent slot back as soon as there is one, which goes before every start."""
        self.wanted.append(taker)
        self.give_back()

    def take_back_at_once(self, taker: Taker) -> None:
        """Take a lent slot back whether or not there is one; who has waited for it waits no longer."""
        self.wait_no_more(taker)
        self._lender.count_lent(taker.line, -1)
        self._lender.hold(taker.line)

    def wait_no_more(self, taker: Taker) -> bool:
        """Leave a slot lent that is waited for, and return whether it was."""
        if taker not in self.wanted:
            return False
        self.wanted.remove(taker)
        return True

    def give_back(self) -> None:
        """Give back what is wanted and there is a free slot for."""
        for taker in self.wanted[:]:
            if self._lender.has_room(taker.line):
                self.take_back_at_once(taker)
                taker.granted()
