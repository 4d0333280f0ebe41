"""InnerSchedule: the units of one ``ctx.run`` or ``ctx.map``, which come one by one and wait for nothing but slots."""

from __future__ import annotations

from flowbuilder.engine.entries import Wiring
from flowbuilder.engine.items import Items
from flowbuilder.engine.limits import NO_NEEDS, Needs
from flowbuilder.engine.schedule import PENDING, SUCCESS, End, Schedule
from flowbuilder.engine.share import Share
from flowbuilder.plan.edges import edges_of

_NO_EDGES = edges_of(())


class _Units(Items):
    """Units that all are of the one step, number 0."""

    def parent(self, unit: int) -> int:
        """Return the step."""
        return 0


class InnerSchedule(Schedule):
    """Decides what of it may start; pure, as every schedule.

    ``open`` is how many units have not ended, ``over`` which have since somebody looked.

    Args:
        share: where ready units wait for slots and resources.
        lane: where they run.
        needs: what each of them needs beside its slot.
    """

    def __init__(self, share: Share, lane: int, needs: Needs = NO_NEEDS) -> None:
        super().__init__(Wiring(edges=_NO_EDGES, lanes=(), needs={0: needs} if needs else {}), share)
        self.open = 0
        self.over: list[int] = []
        self.left = 1  # the call as a whole, whose end is not decided here
        self.items = _Units(0)
        self._line = share.line(lane, needs)

    @property
    def busy(self) -> int:
        """How many units hold a slot or wait for one; those whose outcome is being written do neither."""
        return self.open - len(self._freed)

    def begin(self) -> int:
        """Let a new unit wait for a slot and for what it needs, and return its number."""
        unit = len(self._state)
        self._state.append(PENDING)
        self._lines.append(self._line)
        self.open += 1
        self._make_ready(unit)
        return unit

    def keep(self) -> None:
        """Count a unit that succeeded before, and is not done again."""
        self._state.append(SUCCESS)
        self._lines.append(self._line)

    def step(self, unit: int) -> int:
        """Return 0: all of them are of one step."""
        return 0

    def _item_ended(self, item: int, state: int, ends: list[End]) -> None:
        # Nothing is below it.
        self.open -= 1
        self.over.append(item)
