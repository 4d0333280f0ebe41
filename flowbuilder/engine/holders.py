"""Holders: runs that hold resources from start to end, and wait for them before they start."""

from __future__ import annotations

from collections.abc import Callable

from flowbuilder.engine.admission import Admission
from flowbuilder.engine.limits import Needs
from flowbuilder.engine.share import Share

AT_ONCE = 1_000_000_000


class Holders:
    """Lets runs wait for what they hold as units wait for what they need, in a lane that takes no slots.

    Used under the engine's lock, but for the calls that are attended on the loop. ``waiting`` has
    the runs that wait, with what is called when they need not any more.

    Args:
        admission: what grants resources.
        attend: has the loop call a function.
    """

    def __init__(self, admission: Admission, attend: Callable[[Callable[[], None]], None]) -> None:
        self._admission = admission
        self._attend = attend
        self._lane = admission.add_lane(AT_ONCE, takes_slots=False)
        self.waiting: dict[Share, Callable[[], None]] = {}

    def wait(self, share: Share, needs: Needs, granted: Callable[[], None]) -> None:
        """Let a run wait for all it holds; the loop calls ``granted`` when it has it."""
        self.waiting[share] = granted
        self._admission.enqueue(share, 0, 0, share.line(self._lane, needs))
        self.look()

    def give_up(self, share: Share) -> bool:
        """Let a run wait no longer, and return whether it still did."""
        if self.waiting.pop(share, None) is None:
            return False
        share.close()
        return True

    def release(self, share: Share, needs: Needs) -> None:
        """Give back what a run held."""
        self._admission.release(share.line(self._lane, needs))

    def look(self) -> None:
        """Grant what may be granted now."""
        while self.waiting and (taken := self._admission.take(self._lane)) is not None:
            self._attend(self.waiting.pop(taken[0]))
