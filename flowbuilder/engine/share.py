"""Share: what one run has of the slots and resources of all; pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from flowbuilder.engine.admission import Admission
from flowbuilder.engine.lending import Taker
from flowbuilder.engine.limits import NO_NEEDS, Limit, Line, Needs
from flowbuilder.engine.policies import Waiting


class Forecast(NamedTuple):
    """How long each step of a run takes, and the longest chain from its start to the end of the run."""

    expected: tuple[float, ...]
    remaining: tuple[float, ...]


class Share:
    """The units of one run that wait for slots; ``slots`` is where they wait, hold them and give them back.

    Args:
        admission: what grants them.
        number: of the run, in the order of submission.
        priority: of the run; higher goes first.
        limit: how many units of the run run at once, within the limits of all.
        forecast: how long its steps take; without one each counts as one.
        outer: the share of the body that its units run inside, whose limit of its own holds for them too.
    """

    __slots__ = ("_forecast", "_lines", "_own", "depth", "is_closed", "number", "owner", "priority", "slots")

    def __init__(
        self,
        admission: Admission,
        number: int,
        *,
        priority: int = 0,
        limit: int | None = None,
        forecast: Forecast | None = None,
        outer: Share | None = None,
    ) -> None:
        self.number = number
        self.priority = priority
        self.owner: Any = None
        self.is_closed = False
        self.slots = admission
        self.depth: int = 0 if outer is None else outer.depth + 1
        self._own = ((Limit("max_concurrency", limit, is_of_run=True), 1),) if limit is not None else NO_NEEDS
        if outer is not None:
            self._own += outer._own  # noqa: SLF001  # the same class
        self._forecast = forecast
        self._lines: dict[tuple[int, Needs], Line] = {}

    @property
    def whole(self) -> Forecast | None:
        """The forecast of the run as if it were one step."""
        one = self._forecast
        return Forecast((sum(one.expected),), (max(one.remaining),)) if one and one.expected else None

    def line(self, lane: int, needs: Needs = NO_NEEDS) -> Line:
        """Return where units of this run wait for a slot of a lane, and for what they need."""
        line = self._lines.get((lane, needs))
        if line is None:
            line = self._lines[lane, needs] = self.slots.line(lane, self._own + needs, self.depth)
        return line

    def key(self, step: int) -> Any:
        """Return the place that the policy gives a unit of a step that begins to wait."""
        forecast = self._forecast
        expected, remaining = (forecast.expected[step], forecast.remaining[step]) if forecast else (1.0, 1.0)
        waiting = Waiting(self.number, self.priority, self.slots.starts, expected, remaining)
        return self.slots.policy.key(waiting)

    def inside(self, step: int) -> Share:
        """Return a share for what runs inside the body of a step, within the limits of this one."""
        forecast = self._forecast
        if forecast is not None:
            # It is worth as much as the body that waits for it.
            forecast = Forecast((forecast.expected[step],), (forecast.remaining[step],))
        return Share(self.slots, self.number, priority=self.priority, forecast=forecast, outer=self)

    def nested(self, step: int, priority: int, limit: int | None, own: Forecast | None) -> Share:
        """Return a share for a run inside the body of a step, within the limits of this one."""
        around = self._forecast
        if own is not None and around is not None:
            # After each of its steps comes what comes after the body.
            own = own._replace(remaining=tuple(one + around.remaining[step] for one in own.remaining))
        return Share(self.slots, self.number, priority=priority, limit=limit, forecast=own, outer=self)

    def of_whole(self) -> Share:
        """Return a share for what the run asks for as a whole: of no slots, so none of their limits hold for it."""
        share = Share(self.slots, self.number, priority=self.priority, forecast=self.whole)
        share.depth = self.depth
        return share

    def lend(self, lane: int, granted: Callable[[], None]) -> Taker:
        """Lend a slot of a body that waits, without the resources it holds; return what takes it back."""
        taker = Taker(self.line(lane), granted)
        self.slots.loans.lend(taker)
        return taker

    def close(self) -> None:
        """Let nothing of this run start any more."""
        self.is_closed = True
        self.slots.close(list(self._lines.values()))
