"""Engine: the source of attempts for its lanes, over all runs; every change happens under its one lock.

Lanes take attempts and say how they ended, from any thread. No user code, hook or I/O runs under
the lock.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Literal, NamedTuple

import pluggy

from flowbuilder.engine.adaptive import MOST, Adaptive
from flowbuilder.engine.admission import Admission
from flowbuilder.engine.attempt import Attempt
from flowbuilder.engine.calls import Nested
from flowbuilder.engine.context import Inside
from flowbuilder.engine.holders import Holders
from flowbuilder.engine.inner import Inner
from flowbuilder.engine.journal import Journal, Teller, is_written_first
from flowbuilder.engine.lanes.base import Lane, LaneFactory
from flowbuilder.engine.limits import pool_of
from flowbuilder.engine.napping_lock import NappingLock
from flowbuilder.engine.outside import refuse_outside
from flowbuilder.engine.policies import Policy
from flowbuilder.engine.relay import Relay
from flowbuilder.engine.run import Run
from flowbuilder.engine.state import LaneFacts
from flowbuilder.engine.timers import Timers


class Limits(NamedTuple):
    """What all runs of an engine share: slots, resources by name, the order of starting, failures allowed.

    How long steps wait to start is timed where somebody may ask.
    """

    max_concurrency: int | Literal["auto"] | None
    resources: Mapping[str, int]
    policy: Policy
    max_failures: int | None = None
    is_timed: bool = True


class Engine:
    """What all runs of one scheduler share: lock, lanes, slots, resources, timers and the hook thread.

    ``attention`` has what the loop is to call, ``to_begin`` what begins the steps of runs once it is written that
    they began, ``to_prepare`` the attempts whose providers it has to
    set up first, ``to_release`` those whose own it has to tear down before they are settled.

    Args:
        host: the plugins.
        factories: how lanes are made, by the name of their executor.
        limits: what all runs share.
        notify: wakes the loop; safe from any thread.
        journal: writes every run down before it is told or used; None for runs that are not kept.
    """

    def __init__(
        self,
        host: pluggy.PluginManager,
        factories: Mapping[str, LaneFactory],
        limits: Limits,
        notify: Callable[[], None],
        journal: Journal | None = None,
    ) -> None:
        self.lock = NappingLock()
        self.notify = notify
        self._adaptive = Adaptive((os.cpu_count() or 1) + 4) if limits.max_concurrency == "auto" else None
        # What the limit of all runs may come to; the admission has what it is now.
        self.most_at_once = MOST if limits.max_concurrency == "auto" else limits.max_concurrency
        now = self._adaptive.limit if self._adaptive else self.most_at_once
        self.admission = Admission(limits.policy, now, time.monotonic if limits.is_timed else None)
        self.resources = pool_of(limits.resources, time.monotonic)
        self.relay = Relay(host, self._drained)
        self.teller: Teller = journal or self.relay
        self.journal = journal
        # Where nobody is told, nobody can be behind.
        self._is_told = journal is not None or self.relay.is_heard
        # As pluggy calls them: the last registered first, which is the outermost.
        self.wrappers: Sequence[Any] = host.hook.flowbuilder_step_call.get_hookimpls()[::-1]
        self.timers = Timers()
        self.attention: deque[Callable[[], None]] = deque()
        self.to_begin: list[Callable[[], None]] = []
        self.to_prepare: deque[Attempt] = deque()
        self.to_release: deque[Attempt] = deque()
        self.prepared: dict[int, deque[Attempt]] = {}
        self.lanes: dict[int, Lane] = {}
        self.facts: dict[int, LaneFacts] = {}
        self.holders = Holders(self.admission, self.attend)
        self._factories = factories
        self._numbers: dict[str, int] = {}
        # Lanes that are not woken already, and about to ask for an attempt.
        self._asleep: set[int] = set()
        self._loop_thread = threading.get_ident()
        self._failures_left = limits.max_failures
        self.stop_all: Callable[[], None] = lambda: None
        self.nest: Callable[[Any], Nested]

    # Lanes.

    def lane(self, executor: str) -> int:
        """Return the number of an executor's lane, which is started when first asked for; on the loop only."""
        number = self._numbers.get(executor)
        if number is None:
            # A limit that is found by measuring may need more threads than there are else, but not more processes.
            is_open = self._adaptive is None or executor == "thread"
            lane: Lane = self._factories[executor](self.most_at_once if is_open else None)
            with self.lock:
                number = self._numbers[executor] = self.admission.add_lane(lane.limit)
                self.facts[number] = LaneFacts(executor, lane.enforces_timeouts)
                self.prepared[number] = deque()
                self.lanes[number] = lane
                self._asleep.add(number)
            lane.start(self, number, self.notify)
        return number

    def lane_anywhere(self, executor: str) -> int:
        """Do the same from any thread; the loop is waited for where it has to start the lane."""
        number = self._numbers.get(executor)
        if number is not None:
            return number
        if threading.get_ident() == self._loop_thread:
            return self.lane(executor)
        started: Future[int] = Future()
        self.attend(lambda: _started(started, self.lane, executor))
        return started.result()

    def window(self, lane: int) -> int:
        """Return how many units of a lane run at once."""
        return self.lanes[lane].limit

    def cancel_bodies(self, current: Mapping[int, Attempt]) -> None:
        """Cancel the bodies of attempts, by unit; on the loop."""
        with self.lock:
            running = list(current.values())
            for attempt in running:
                if attempt.inner is not None:
                    attempt.inner.stop()
        for lane in self.lanes.values():
            lane.cancel(running)

    def inside(self, attempt: Attempt, run: Run) -> Inside:
        """Return what an attempt of a run may run things with, by its ``ctx``."""
        refuse_outside(attempt)
        with self.lock:
            if attempt.inner is None:
                # Of what ran inside there is something to say when it ends.
                attempt.inner, attempt.is_plain = Inner(attempt, run, self), False
            return attempt.inner

    def close(self) -> None:
        """End the lanes."""
        for lane in self.lanes.values():
            lane.close()

    # What lanes ask and say.

    def take(self, lane: int) -> Attempt | None:
        """Return the next attempt of a lane, or None when nothing may start now.

        Where more could start, lanes are woken for one more worker each.
        """
        try:
            with self.lock:
                self._asleep.add(lane)
                attempt = self._next(lane)
                wake = self._lanes_to_wake() if attempt is not None else ()
        except BaseException as error:  # as in ``done``
            self._broke(error)
            return None
        self._wake(wake)
        if self.journal is not None and attempt is not None and not attempt.is_conditional:
            self.journal.note(attempt)
        return attempt

    def done(self, attempt: Attempt, lane: int | None = None) -> Attempt | None:
        """Record how an attempt ended, start what now may, and return the next one of ``lane``."""
        run: Run = attempt.source  # type: ignore[assignment]  # an attempt knows its run by what it asks of it
        if attempt.step.providers:
            run.providers.leave_thread(attempt)
        try:
            if self.journal is not None and not run.providers.has_own(attempt):
                return self._write_down(self.journal, attempt, lane)
            self.lock.acquire()
            try:
                if self._adaptive is not None:
                    self._adapt(self._adaptive, attempt)
                run.settle(attempt)
                following = self._next(lane) if lane is not None else None
                if following is None and lane is not None:
                    self._asleep.add(lane)
                wake = self._lanes_to_wake() if self._asleep or self.holders.waiting else ()
            finally:
                self.lock.release()
        except BaseException as error:  # a bug here: a thread would die of it, and everybody wait for ever
            self._broke(error)
            return None
        if wake:
            self._wake(wake)
        return following

    def _broke(self, error: BaseException) -> None:
        """Have the loop end with an error of the engine itself, wherever it came up."""

        def end() -> None:
            raise error

        with self.lock:
            # Nothing of what waits may start, in a state that nobody knows.
            self._adaptive, self.admission.limit = None, 0
        self.attend(end)

    def _adapt(self, adaptive: Adaptive, attempt: Attempt) -> None:
        # One whose providers are still to be torn down comes again.
        if attempt.phase == "body" and not attempt.passed and not attempt.source.providers.has_own(attempt):
            adaptive.ended(attempt.started, time.monotonic(), self.admission.held)
            self.admission.limit = adaptive.limit

    def _write_down(self, journal: Journal, attempt: Attempt, lane: int | None) -> Attempt | None:
        """As ``done``, but what follows from the attempt waits until its outcome is written; its slot does not."""
        run: Run = attempt.source  # type: ignore[assignment]  # as above
        run.stop_clock(attempt)
        outcome = journal.outcome(attempt)
        with self.lock:
            if self._adaptive is not None:
                self._adapt(self._adaptive, attempt)
            is_handed_over = attempt.is_handed_over = run.hand_over(attempt)
            if not is_handed_over:
                run.settle(attempt)
            following = self._next(lane) if lane is not None else None
            if lane is not None and following is None:
                self._asleep.add(lane)
            wake = self._lanes_to_wake()
        self._wake(wake)
        if is_handed_over and journal.end(attempt, outcome, lane if following is None else None):
            assert lane is not None
            return self.take(lane)
        if following is not None and not following.is_conditional:
            journal.note(following)
        return following

    def settle_recorded(self, attempt: Attempt, lane: int | None = None) -> None:
        """Act on an attempt whose outcome stands; this thread looks for what is next in ``lane``, right after."""
        run: Run = attempt.source  # type: ignore[assignment]  # as above
        try:
            with self.lock:
                run.settle(attempt)
                if lane is not None:
                    self._asleep.discard(lane)
                wake = self._lanes_to_wake()
        except BaseException as error:  # as in ``done``
            self._broke(error)
            return
        self._wake(wake)

    def begin_recorded(self, attempt: Attempt) -> None:
        """Let an attempt begin whose start stands."""
        try:
            if attempt.step.providers and not attempt.source.providers.stand(attempt):
                self.to_prepare.append(attempt)
                self.notify()
            else:
                self.prepare(attempt)
        except BaseException as error:  # as in ``done``
            self._broke(error)

    def look(self, lane: int) -> None:
        """Wake a lane if it could start something."""
        with self.lock:
            has_work = self._has_work(lane)
            if has_work:
                self._asleep.discard(lane)
        if has_work:
            self.lanes[lane].wake()

    def _next(self, lane: int) -> Attempt | None:
        if self.prepared[lane] and (prepared := self._next_prepared(lane)) is not None:
            return prepared
        if self._is_told and self._is_behind:
            return None
        while (taken := self.admission.take(lane)) is not None:
            share, unit = taken
            attempt: Attempt = share.owner.start(unit, lane)
            if self.journal is not None and is_written_first(attempt):
                self.journal.begin(attempt)
                continue
            if not attempt.step.providers or share.owner.stand(attempt):
                return attempt
            self.to_prepare.append(attempt)
            self.notify()
        return None

    def _next_prepared(self, lane: int) -> Attempt | None:
        while self.prepared[lane]:
            prepared = self.prepared[lane].popleft()
            run: Run = prepared.source  # type: ignore[assignment]  # as above
            if not run.is_over(prepared):
                return prepared
            prepared.cancelled()
            run.settle(prepared)
        return None

    # Waking.

    def attend(self, call: Callable[[], None]) -> None:
        """Have the loop call ``call``; from any thread, and from a signal handler."""
        self.attention.append(call)
        self.notify()

    def wake_lanes(self) -> None:
        """Wake every lane that could start something."""
        with self.lock:
            wake = self._lanes_to_wake()
        self._wake(wake)

    def prepare(self, attempt: Attempt) -> None:
        """Give an attempt whose providers stand to its lane."""
        run: Run = attempt.source  # type: ignore[assignment]  # as above
        with self.lock:
            self.prepared[run.schedule.lane(attempt.unit)].append(attempt)
        self.wake_lanes()

    def _has_work(self, lane: int) -> bool:
        return bool(self.prepared[lane]) or (self.admission.startable(lane) and not self._is_behind)

    @property
    def _is_behind(self) -> bool:
        return self.relay.is_behind or (self.journal is not None and self.journal.is_behind)

    def _lanes_to_wake(self) -> Sequence[int]:
        """Return the lanes that could start something, and are not about to look for it anyway."""
        if self.holders.waiting:
            self.holders.look()
        if not (self._asleep and (self.admission.is_asked or any(self.prepared.values()))):
            return ()
        found = [lane for lane in self.lanes if lane in self._asleep and self._has_work(lane)]
        self._asleep.difference_update(found)
        return found

    def _wake(self, lanes: Sequence[int]) -> None:
        """Wake lanes; never under the lock."""
        for lane in lanes:
            self.lanes[lane].wake()

    def _drained(self) -> None:
        self.wake_lanes()
        self.notify()

    # Failures of all runs together.

    @property
    def has_failed(self) -> bool:
        """Whether as many units failed as are allowed."""
        return self._failures_left is not None and self._failures_left <= 0

    def failed(self) -> None:
        """Count a failed unit; the last that is allowed lets nothing start any more, in any run."""
        if self._failures_left is None:
            return
        self._failures_left -= 1
        if self._failures_left == 0:
            self._adaptive, self.admission.limit = None, 0
            self.attend(self.stop_all)

    # Time.

    def at(self, when: float, due: Callable[[], Any]) -> None:
        """Call ``due`` under the lock at ``when``, in seconds of the monotonic clock; the lock is held."""
        if self.timers.add(when, due):
            self.notify()

    def fire_timers(self) -> None:
        """Act on every timer that is due."""
        if self.timers.next > time.monotonic():
            return
        with self.lock:
            for due in self.timers.pop_due(time.monotonic()):
                due()
        self.wake_lanes()


def _started(started: Future[int], start: Callable[[str], int], executor: str) -> None:
    try:
        started.set_result(start(executor))
    except BaseException as error:  # a plugin's lane may raise anything; whoever asked for it is told
        started.set_exception(error)
