"""LentSlot: the slot of one body, lent from its first call that waits to the last one that has ended."""

from __future__ import annotations

from flowbuilder.engine.lending import Taker
from flowbuilder.engine.share import Share
from flowbuilder.engine.waiter import Waiter


class LentSlot:
    """The slot of one body, and who waits until it is back; all under the engine's lock.

    Args:
        share: what the body's run has of all slots.
        lane: where the body runs.
    """

    def __init__(self, share: Share, lane: int) -> None:
        self._share = share
        self._lane = lane
        self._taker: Taker | None = None
        self._returning: list[Waiter] = []

    @property
    def is_back(self) -> bool:
        """Whether the body has its slot."""
        return self._taker is None

    def lend(self) -> None:
        """Lend it; where it is lent already, leave it so."""
        if self._taker is None:
            self._taker = self._share.lend(self._lane, self._granted)
        elif self._share.slots.loans.wait_no_more(self._taker):
            self.wake()

    def take_back(self, *, at_once: bool = False) -> None:
        """Take it back as soon as there is one, or ``at_once`` whether or not there is."""
        if self._taker is None:
            return
        if at_once:
            self._share.slots.loans.take_back_at_once(self._taker)
            self._granted()
        else:
            self._share.slots.loans.take_back(self._taker)

    def wait(self, waiter: Waiter) -> None:
        """Wake somebody when it is back, or when that has to be looked at again."""
        self._returning.append(waiter)

    def wait_no_more(self, waiter: Waiter) -> None:
        """Do so no more."""
        if waiter in self._returning:
            self._returning.remove(waiter)

    def wake(self) -> None:
        """Have all who wait look again."""
        for waiter in self._returning:
            waiter.wake()

    def _granted(self) -> None:
        self._taker = None
        self.wake()
