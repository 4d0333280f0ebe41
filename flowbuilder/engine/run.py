"""Run: what lanes and the loop ask of a run; every change happens under its one lock.

Lanes take attempts and say how they ended, from any thread. No user code, hook or I/O runs under
the lock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from flowbuilder.engine.attempt import Attempt
from flowbuilder.engine.ending import Ending
from flowbuilder.engine.napping_lock import NappingLock
from flowbuilder.engine.state import RunState


class Run:
    """One run of a plan, as the source of attempts for its lanes.

    Args:
        state: the state of the run, from now on changed only here and by ``Ending``.
        wrappers: the implementations of ``flowbuilder_step_call``.
    """

    def __init__(self, state: RunState, wrappers: Sequence[Any]) -> None:
        self.state = state
        self.info = state.info
        self.schedule = state.schedule
        self.variables = state.variables
        self.wrappers = wrappers
        self.value_of = state.values.value_of
        self.items_of = state.values.items_of
        self._lock = NappingLock()
        self._ending = Ending(state)
        self._lane_numbers = range(len(state.lanes))
        self._wake: Sequence[Callable[[], None]] = ()
        self._hears_start = state.relay.hears("step_start")
        self._has_providers = bool(state.info.plan.providers)

    # What lanes ask and say.

    def take(self, lane: int) -> Attempt | None:
        """Return the next attempt of a lane, or None when nothing may start now.

        Where more could start, lanes are woken for one more worker each.
        """
        with self._lock:
            attempt = self._next(lane)
            wake = self._wanted_lanes() if attempt is not None else ()
        self._wake_all(wake)
        return attempt

    def done(self, attempt: Attempt, lane: int | None = None) -> Attempt | None:
        """Record how an attempt ended, start what now may, and return the next one of ``lane``."""
        with self._lock:
            self._ending.settle(attempt)
            self._ending.digest()
            following = self._next(lane) if lane is not None else None
            wake = self._wanted_lanes()
        self._wake_all(wake)
        return following

    def look(self, lane: int) -> None:
        """Wake a lane if it could start something."""
        with self._lock:
            has_work = self._has_work(lane)
        if has_work:
            self._wake[lane]()

    def begin(self, attempt: Attempt) -> None:
        """Tell that the body of a step with a ``when`` is about to be called."""
        if getattr(attempt.step.definition, "when", None) is not None and attempt.number == 1:
            self.state.relay.tell("step_start", run=self.info, step=attempt.info, attempt=1)

    def is_over(self, attempt: Attempt) -> bool:
        """Return whether nobody waits for an attempt any more."""
        return attempt.overdue or self.state.is_stopping

    # Waking.

    def attach(self, wake: Sequence[Callable[[], None]]) -> None:
        """Say how each lane is woken, and wake those that have something to start."""
        self._wake = wake
        with self._lock:
            self._ending.digest()
        self.wake_lanes()

    def wake_lanes(self) -> None:
        """Wake every lane that could start something, and the loop where it has to act."""
        with self._lock:
            wake = self._wanted_lanes()
        self._wake_all(wake)

    def _has_work(self, lane: int) -> bool:
        return self.schedule.startable(lane) or bool(self.state.prepared[lane])

    def _wanted_lanes(self) -> Sequence[int]:
        """Return the lanes that could start something; wakes the loop where it has to act."""
        if self.state.cancel_lanes or self.schedule.ended or self.schedule.starved:
            self.state.notify()
        return [lane for lane in self._lane_numbers if self._has_work(lane)]

    def _wake_all(self, lanes: Sequence[int]) -> None:
        """Wake lanes; never under the lock."""
        for lane in lanes:
            self._wake[lane]()

    # Starting.

    def prepared(self, attempt: Attempt) -> None:
        """Give an attempt whose providers stand to its lane."""
        with self._lock:
            self.state.prepared[self.state.lane_of(attempt.unit)].append(attempt)
        self.wake_lanes()

    def _next(self, lane: int) -> Attempt | None:
        if self.state.prepared[lane]:
            return self.state.prepared[lane].popleft()
        if self.state.relay.is_behind:
            return None
        while (unit := self.schedule.take(lane)) is not None:
            attempt = self._start(unit, lane)
            if not self._has_providers or self.state.providers.stand(attempt.step.providers):
                return attempt
            self.state.to_prepare.append(attempt)
            self.state.notify()
        return None

    def _start(self, unit: int, lane: int) -> Attempt:
        step = self.state.step_of(unit)
        number = self.state.tries.get(unit, 0) + 1
        info = self.state.records.info_of(unit)
        attempt = Attempt(self, unit, step, info, number)
        attempt.start_clock()
        self.state.current[unit] = attempt
        if step.mapped and self.schedule.parent(unit) < 0:
            attempt.phase = "expand"
            return attempt
        if self._hears_start and (number > 1 or getattr(step.definition, "when", None) is None):
            self.state.relay.tell("step_start", run=self.info, step=info, attempt=number)
        self._set_limit(attempt, lane)
        return attempt

    def _set_limit(self, attempt: Attempt, lane: int) -> None:
        timeout = getattr(attempt.step.definition, "timeout", None) or self.info.config.step_timeout
        facts = self.state.lanes[lane]
        if timeout is None or facts.executor == "inline":
            return
        attempt.timeout = timeout
        attempt.deadline = attempt.started + timeout
        if not facts.enforces_timeouts:
            self.state.at(attempt.deadline, lambda: self._ending.overran(attempt))

    # What the loop asks and says.

    @property
    def next_timer(self) -> float:
        """When the next timer is due, in seconds of the monotonic clock."""
        return self.state.timers.next

    def fire_timers(self) -> None:
        """Act on every timer that is due."""
        with self._lock:
            for due in self.state.timers.pop_due(time.monotonic()):
                due()
            self._ending.digest()
        self.wake_lanes()

    def cancel(self, reason: str) -> None:
        """Start nothing new and cancel what runs; safe from any thread."""
        with self._lock:
            if self.state.cancel_reason or self.schedule.ended:
                return
            self.state.cancel_reason = reason
            self.schedule.stop()
            self._ending.digest()
        self.state.notify()

    def end_grace(self) -> None:
        """Give up on what has not ended within the grace period: after a stop, or where all else waits for it."""
        with self._lock:
            if self.schedule.stopped:
                self._ending.abandon_running(f"was cancelled, but still runs after {self.info.config.grace:g} s")
            elif self.schedule.starved and self.state.overdue:
                names = ", ".join(dict.fromkeys(one.info.name for one in self.state.overdue.values()))
                self.state.records.stop_reason = f"it waited for {names}, which overran and still runs"
                self.schedule.stop()
                self._ending.digest()
        self.state.notify()
