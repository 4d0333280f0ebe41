"""RunState: all mutable state of one run, in one object; whoever changes it holds the engine's lock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context
from random import Random
from typing import Any, NamedTuple, Protocol

from flowbuilder.engine.attempt import Attempt
from flowbuilder.engine.limits import Limit
from flowbuilder.engine.providers import Providers
from flowbuilder.engine.records import Records
from flowbuilder.engine.relay import Relay
from flowbuilder.engine.rounds import NO_ROUNDS, Rounds
from flowbuilder.engine.schedule import Schedule
from flowbuilder.engine.share import Share
from flowbuilder.engine.values import Values
from flowbuilder.engine.views import RunInfo
from flowbuilder.engine.wiring import barriers_of, wired
from flowbuilder.plan.plan import PlannedStep


class LaneFacts(NamedTuple):
    """What runs know of a lane: its executor's name, and whether it ends attempts at their deadline."""

    executor: str
    enforces_timeouts: bool


class Shared(Protocol):
    """What a run uses together with all other runs: the engine."""

    relay: Relay
    facts: dict[int, LaneFacts]
    prepared: dict[int, deque[Attempt]]
    to_prepare: deque[Attempt]
    to_release: deque[Attempt]
    notify: Callable[[], None]
    wrappers: Sequence[Any]

    def at(self, when: float, due: Callable[[], Any]) -> None:
        """Call ``due`` under the lock at ``when``, in seconds of the monotonic clock."""

    def failed(self) -> None:
        """Count a failed unit of any run."""

    def attend(self, call: Callable[[], None]) -> None:
        """Have the loop call ``call``."""


class RunState:
    """The parts a run is made of, and what it keeps beside them.

    ``tries`` counts the attempts of units that are tried again, ``rounds`` what those that are repeated have
    behind them, ``due`` is when the next one is (monotonic seconds), ``current`` has the attempt of each
    running unit, ``overdue`` those nobody waits for although their bodies still run; ``when_left``
    is called when the last of those has ended.

    Args:
        info: what hooks see of the run.
        shared: the engine.
        share: what the run has of the engine's slots.
        lanes: the number of each executor's lane.
        resources: the limits its steps may need, by name.
        variables: the context variables its steps start with.
    """

    def __init__(
        self,
        info: RunInfo,
        shared: Shared,
        share: Share,
        *,
        lanes: Mapping[str, int],
        resources: Mapping[str, Limit],
        variables: Context,
    ) -> None:
        config = info.config
        self.info = info
        self.shared = shared
        self.relay = shared.relay
        self.random = Random(info.seed)
        self.variables = variables
        self.shape = info.plan.shape
        self.batches = barriers_of(info.plan, config)
        self.schedule = Schedule(
            wired(info.plan, lanes, resources),
            share,
            failures_allowed=config.failures_allowed,
            batches=[[self.shape.index[name] for name in batch] for batch in self.batches],
        )
        self.records = Records(info.plan.steps, info.run_id)
        self.providers = Providers(info.plan)
        self.values = Values(info.plan, self.records, self.providers)
        self.tries: dict[int, int] = {}
        self.rounds: dict[int, Rounds] = {}
        self.due: dict[int, float] = {}
        self.current: dict[int, Attempt] = {}
        self.overdue: dict[int, Attempt] = {}
        self.when_left: Callable[[], None] | None = None
        self.notes: list[str] = []
        self.cancel_reason = ""
        self.is_timed_out = False
        self.cancel_bodies = False
        self.was_untimed = False

    @property
    def is_stopping(self) -> bool:
        """Whether nothing new starts any more."""
        return self.schedule.stopped or bool(self.cancel_reason)

    @property
    def is_untimed(self) -> bool:
        """Whether somebody looks, or looked, at what a body left: the run's time is no longer its own."""
        return self.was_untimed or any(attempt.is_untimed for attempt in self.current.values())

    def rounds_begun(self, unit: int) -> int:
        """Return how many rounds of a unit have begun; 0 for one that has no ``until``."""
        if getattr(self.step_of(unit).definition, "until", None) is None:
            return 0
        return self.rounds.get(unit, NO_ROUNDS).begun(self.tries[unit])

    def waits_for_round(self, unit: int) -> bool:
        """Return whether what a unit waits for is its next round, and not another attempt in this one."""
        return unit in self.rounds and self.rounds[unit].attempts == self.tries[unit]

    def step_of(self, unit: int) -> PlannedStep:
        """Return the step of a unit, also for an item."""
        return self.info.plan.steps[self.schedule.step(unit)]
