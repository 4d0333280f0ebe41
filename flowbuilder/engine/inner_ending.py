"""InnerEnding: what follows when an attempt of what runs inside a body ends."""

from __future__ import annotations

from collections.abc import Callable

from flowbuilder.engine.attempt import Attempt
from flowbuilder.engine.ending import Ending
from flowbuilder.engine.journal import is_written_first
from flowbuilder.engine.state import RunState
from flowbuilder.results import Status


class InnerEnding(Ending):
    """What follows when an attempt of such a unit ends. Its failure is the body's, and none of the run's yet.

    ``units`` are those whose bodies were left behind.

    Args:
        state: the state of the units.
        attend: what the loop is to call when it has to act.
        deliver: gives the body what has ended.
        wake: lets the body look whether there is room for more.
    """

    def __init__(
        self, state: RunState, attend: Callable[[], None], deliver: Callable[[], None], wake: Callable[[], None]
    ) -> None:
        super().__init__(state, attend)
        self.units: set[int] = set()
        self._deliver = deliver
        self._wake = wake

    def settle(self, attempt: Attempt) -> None:
        """Settle an attempt that has ended; its outcome is on it."""
        super().settle(attempt)
        self._deliver()

    def close(self) -> None:
        """Deliver to nobody any more."""
        self._attend = self._deliver = self._wake = nothing

    def hand_over(self, attempt: Attempt) -> bool:
        """Return whether an attempt's outcome has to be written before it is settled.

        A failure is the body's, and written as that; but what must not be repeated is known to have begun.
        """
        if attempt.mark is None or attempt.overdue:
            return False
        if attempt.status is not Status.SUCCESS:
            return is_written_first(attempt)
        if not self._state.has_one_slot:
            self._schedule.free(attempt.unit)
            self._wake()
        return True

    def overran(self, attempt: Attempt, reason: str) -> None:
        """Settle an attempt whose deadline passed in a body that goes on, for a ``reason``; it keeps its slot."""
        super().overran(attempt, reason)
        self._deliver()

    def abandon_running(self, reason: str) -> None:
        """Give up on every body that still runs, noting the ``reason``."""
        super().abandon_running(reason)
        self._deliver()

    def _fail(self, attempt: Attempt, *, held: bool) -> None:
        self._records.ended(attempt)
        self._relay.tell_of("step_error", attempt.fact)
        self._schedule.fail(attempt.unit, held=held)

    def _give_up(self, attempt: Attempt) -> None:
        super()._give_up(attempt)
        self.units.add(attempt.unit)


def nothing() -> None:
    """Be called in place of what is over."""
