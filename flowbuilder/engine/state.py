"""RunState: all mutable state of one run, in one object; whoever changes it holds the run's lock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextvars import copy_context
from random import Random
from typing import Any, NamedTuple

from flowbuilder.engine.attempt import Attempt
from flowbuilder.engine.providers import Providers
from flowbuilder.engine.records import Records
from flowbuilder.engine.relay import Relay
from flowbuilder.engine.schedule import Schedule
from flowbuilder.engine.timers import Timers
from flowbuilder.engine.values import Values
from flowbuilder.engine.views import RunInfo
from flowbuilder.engine.wiring import wired
from flowbuilder.plan.plan import PlannedStep


class LaneFacts(NamedTuple):
    """What a run knows of a lane: its executor's name, its limit, whether it ends attempts at their deadline."""

    executor: str
    limit: int
    enforces_timeouts: bool


class RunState:
    """The parts a run is made of, and what it keeps beside them.

    ``tries`` counts the attempts of units that are tried again, ``current`` has the attempt of each
    running unit, ``overdue`` those nobody waits for although their bodies still run, ``prepared``
    for each lane those that hold a slot and may start, ``to_prepare`` those whose providers the
    loop has to set up first.
    """

    def __init__(
        self,
        info: RunInfo,
        lanes: Sequence[LaneFacts],
        relay: Relay,
        notify: Callable[[], None],
        seed: int,
    ) -> None:
        config = info.config
        self.info = info
        self.lanes = lanes
        self.relay = relay
        self.notify = notify
        self.random = Random(seed)
        self.variables = copy_context()
        self.wiring = wired(info.plan, config, [lane.executor for lane in lanes])
        self.schedule = Schedule(
            self.wiring.entries,
            [lane.limit for lane in lanes],
            limit=config.max_concurrency,
            failures_allowed=config.failures_allowed,
            batches=self.wiring.unit_batches,
        )
        self.records = Records(info, self.schedule)
        self.providers = Providers(info.plan)
        self.values = Values(info.plan, self.wiring, self.schedule, self.records, self.providers)
        self.timers = Timers()
        self.tries: dict[int, int] = {}
        self.current: dict[int, Attempt] = {}
        self.overdue: dict[int, Attempt] = {}
        self.prepared: list[deque[Attempt]] = [deque() for _ in lanes]
        self.to_prepare: deque[Attempt] = deque()
        self.notes: list[str] = []
        self.cancel_reason = ""
        self.cancel_lanes = False

    @property
    def is_stopping(self) -> bool:
        """Whether nothing new starts any more."""
        return self.schedule.stopped or bool(self.cancel_reason)

    def step_of(self, unit: int) -> PlannedStep:
        """Return the step of a unit, also for an item."""
        parent = self.schedule.parent(unit)
        return self.wiring.steps[unit if parent < 0 else parent]

    def lane_of(self, unit: int) -> int:
        """Return the lane of a unit, also for an item."""
        parent = self.schedule.parent(unit)
        return self.wiring.lanes[unit if parent < 0 else parent]

    def at(self, when: float, due: Callable[[], Any]) -> None:
        """Call ``due`` under the lock at ``when``, in seconds of the monotonic clock."""
        if self.timers.add(when, due):
            self.notify()
