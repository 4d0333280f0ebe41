"""RunState: all mutable state of one run, in one object; whoever changes it holds the engine's lock."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextvars import Context
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from flowbuilder.engine.admission import Admission
from flowbuilder.engine.attempt import Attempt
from flowbuilder.engine.calls import Nested
from flowbuilder.engine.context import Inside
from flowbuilder.engine.journal import Journal, Teller
from flowbuilder.engine.limits import Limit
from flowbuilder.engine.memory import Memory
from flowbuilder.engine.providers import Providers
from flowbuilder.engine.records import Records
from flowbuilder.engine.relay import Relay
from flowbuilder.engine.rounds import NO_ROUNDS, Rounds
from flowbuilder.engine.schedule import Schedule
from flowbuilder.engine.share import Share
from flowbuilder.engine.timers import weakly
from flowbuilder.engine.values import Values
from flowbuilder.engine.views import RunInfo
from flowbuilder.engine.wiring import barriers_of, wired
from flowbuilder.plan.plan import PlannedStep

if TYPE_CHECKING:
    from random import Random

NO_CACHE = "cache= does nothing in this run, which is not kept in a store"

NOT_ONCE = "idempotent=False does nothing in this run, which is run again from its start if it does not succeed"


class LaneFacts(NamedTuple):
    """What runs know of a lane: its executor's name, and whether it ends attempts at their deadline."""

    executor: str
    enforces_timeouts: bool


class Shared(Protocol):
    """What a run uses together with all other runs: the engine."""

    admission: Admission
    relay: Relay
    teller: Teller
    journal: Journal | None
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

    def inside(self, attempt: Attempt, run: Any) -> Inside:
        """Return what an attempt of a run may run things with, by its ``ctx``."""

    def cancel_bodies(self, current: Mapping[int, Attempt]) -> None:
        """Cancel the bodies of attempts, by unit; on the loop."""


class RunState:
    """The parts a run is made of, and what it keeps beside them.

    ``tries`` counts the attempts of units that are tried again, ``rounds`` what those that are repeated have
    behind them, ``due`` is when the next one is (monotonic seconds), ``current`` has the attempt of each
    running unit, ``overdue`` those nobody waits for although their bodies still run; ``when_left``
    is called when the last of those has ended. ``nested`` are the runs that its bodies run, in order; only the
    loop looks at those.

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
        self.relay = shared.teller
        self.variables = variables
        self.steps = info.plan.steps
        self.resources = resources
        self.shape = info.plan.shape
        self.batches = barriers_of(info.plan, config)
        kept = self._kept_steps()
        self.schedule = Schedule(
            wired(info.plan, lanes, resources),
            share,
            failures_allowed=config.failures_allowed,
            batches=[[self.shape.index[name] for name in batch] for batch in self.batches],
            kept=kept,
            later=[self.shape.index[name] for name in self._due_names() if name in self.shape.index],
            undoable=self.shape.undoable,
        )
        self.records = Records(info.plan.steps, info.run_id)
        for unit in kept:
            self._keep(unit, self.steps[unit].name)
        self.providers = Providers(info.plan)
        self.values = Values(info.plan, self.records, self.providers)
        self.memory = Memory()
        self.tries: dict[int, int] = {}
        self.rounds: dict[int, Rounds] = {}
        self.due: dict[int, float] = {}
        for unit in self.schedule.later:
            self._wait_until(unit, info.plan.steps[unit].name)
        self.current: dict[int, Attempt] = {}
        self.overdue: dict[int, Attempt] = {}
        self.when_left: Callable[[], None] | None = None
        self.nested: dict[Nested, None] = {}
        is_kept = shared.journal is not None and info.parent is None
        self.notes: list[str] = [NO_CACHE] if self.shape.cached and not is_kept else []
        if shared.journal is not None and not is_kept and any(map(must_not_repeat, info.plan.steps)):
            self.notes.append(NOT_ONCE)
        self.cancel_reason = ""
        self.is_timed_out = False
        self.cancel_bodies = False
        self.was_untimed = False

    # What is left of an earlier process.

    @cached_property
    def random(self) -> Random:
        """What draws the random part of delays; made, and its module loaded, for the first of them."""
        from random import Random

        return Random(self.info.seed)

    def _kept_steps(self) -> list[int]:
        """Return the steps that are not done again; of a mapped one each item is looked at when it is known."""
        if self.info.kept is None:
            return []
        index, steps = self.shape.index, self.info.plan.steps
        units = [index[name] for name in self.info.kept.results if name in index]
        return [unit for unit in units if not steps[unit].each]

    def kept_items(self, unit: int, count: int) -> list[int]:
        """Return the indices of a mapped step's items that are not done again; let the others be due when they are."""
        if self.info.kept is None:
            return []
        step, first, kept = self.info.plan.steps[unit].name, self.schedule.count, self.info.kept
        names = [f"{step}[{index}]" for index in range(count)]
        for index, name in enumerate(names):
            if name in kept.due:
                self.schedule.later.add(first + index)
                self._wait_until(first + index, name)
        return [index for index, name in enumerate(names) if name in kept.results]

    def keep_items(self, items: range, kept: Sequence[int]) -> None:
        """Keep the results of those of a mapped step's items."""
        for index in kept:
            self._keep(items[index], self.records.info_of(items[index]).name)

    def _due_names(self) -> Collection[str]:
        return self.info.kept.due if self.info.kept is not None else ()

    def _wait_until(self, unit: int, name: str) -> None:
        """Let a unit be due at a time of the clock on the wall, which alone outlives a process."""
        assert self.info.kept is not None
        self.try_at(unit, time.monotonic() + max(self.info.kept.due[name] - time.time(), 0.0))

    def try_at(self, unit: int, when: float) -> None:
        """Let a unit that waits be tried at ``when``, in seconds of the monotonic clock."""
        self.due[unit] = when
        self.shared.at(when, weakly(self._is_due, unit))

    def _is_due(self, unit: int) -> None:
        self.due.pop(unit, None)
        self.schedule.due(unit)

    def _keep(self, unit: int, name: str) -> None:
        assert self.info.kept is not None
        self.records.keep(unit, self.info.kept.results[name])

    @property
    def has_one_slot(self) -> bool:
        """Whether no two units of the run ever run at once."""
        return self.info.config.max_concurrency == 1 or self.shared.admission.limit == 1

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

    def timeout_of(self, unit: int) -> float | None:
        """Return the seconds that each attempt of a unit may take, None for no limit."""
        return self.shape.timeouts.get(self.schedule.step(unit), self.info.config.step_timeout)

    def step_of(self, unit: int) -> PlannedStep:
        """Return the step of a unit, also for an item."""
        return self.steps[self.schedule.step(unit)]


def must_not_repeat(step: PlannedStep) -> bool:
    """Return whether a step says that it must not be repeated."""
    return not getattr(step.definition, "idempotent", True)
