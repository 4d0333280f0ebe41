"""Conduct: one run on the loop, from its start over its cancellation to the last hook."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextvars import Context
from dataclasses import replace
from typing import Any
from weakref import WeakMethod

import anyio

from flowbuilder.engine.engine import Engine
from flowbuilder.engine.limits import Limit, needs_of, pool_of
from flowbuilder.engine.outcome import run_result
from flowbuilder.engine.run import Run
from flowbuilder.engine.share import Share
from flowbuilder.engine.state import RunState
from flowbuilder.engine.views import RunInfo
from flowbuilder.results import RunResult

Soon = Callable[[Callable[[], None]], object]


class Conduct:
    """Sees a run through; used on the loop only, but for ``stop``.

    Args:
        engine: what it shares with other runs.
        info: what hooks see of the run.
        share: what it has of the engine's slots.
        variables: the context variables its steps start with.
        call_soon: calls a function on the loop, from any thread.
    """

    def __init__(self, engine: Engine, info: RunInfo, share: Share, variables: Context, call_soon: Soon) -> None:
        self.info = info
        self.priority = share.priority
        self.finished = anyio.Event()
        self.over = threading.Event()
        self.stop_reason = ""
        self.run: Run | None = None
        self._engine = engine
        self._share = share
        self._variables = variables
        self._call_soon = call_soon
        self._started = 0.0
        self._holding = Share(engine.admission, share.number, priority=share.priority, forecast=share.whole)
        self._needs = needs_of(info.definition.resources, engine.resources)
        # Inside a workflow that holds resources, its steps have what it holds.
        self._resources = pool_of(info.definition.resources) if info.definition.resources else engine.resources
        self._ended = anyio.Event()
        self._all_told = anyio.Event()
        self._counts_grace = False
        self._grace_is_over = False
        self._result: RunResult[Any] | None = None

    @property
    def result(self) -> RunResult[Any]:
        """The result; there is one when ``finished`` is set, unless its engine broke."""
        if self._result is None:
            raise RuntimeError(f"the run of {self.info.workflow} was lost: its engine broke")
        return self._result

    def stop(self, reason: str) -> None:
        """Cancel the run; safe from any thread and from a signal handler, since no lock is taken."""
        self.stop_reason = self.stop_reason or reason
        self._engine.attend(self.attend)

    async def see_through(self) -> None:
        """Run to the end: until the last hook has been told."""
        await self._ended.wait()
        assert self.run is not None
        state, relay = self.run.state, self._engine.relay
        errors = await state.providers.tear_down()
        self._give_back()
        duration = time.monotonic() - self._started
        self._result = run_result(state, duration, errors, relay.failures(self.info.run_id))
        self._engine.teller.tell("run_finish", run=self.info, result=self._result)
        self._engine.teller.after(self._told)
        await self._all_told.wait()
        relay.forget(self.info.run_id)

    def leave(self) -> None:
        """Tell all who wait that the run is over: the loop by ``finished``, threads by ``over``."""
        self.over.set()
        self.finished.set()

    # The start.

    def begin(self) -> None:
        """Start the run, or let it wait for what it holds from start to end."""
        if self.stop_reason:
            self._holding.close()
        if not self._needs or self.stop_reason:
            self._start()
            return
        with self._engine.lock:
            self._engine.holders.wait(self._holding, self._needs, self._start)

    def _start(self) -> None:
        self._started = time.monotonic()
        # Its steps are timed from here: what came before is no part of the run.
        self.info = replace(self.info, started_at=time.time())
        self._engine.teller.tell("run_start", run=self.info)
        if self._engine.journal is None:
            self._begin_steps()
        else:
            self._engine.journal.when_written(lambda: self._engine.attend(self._begin_steps))

    def _begin_steps(self) -> None:
        self.run = self._begun()
        if self.info.definition.timeout is not None:
            # Weak, so that a run that ended is not kept until the time is up.
            overran = WeakMethod(self._overran)
            with self._engine.lock:
                self._engine.at(self._started + self.info.definition.timeout, lambda: (call := overran()) and call())
        # It may have been stopped already: then nothing starts.
        self.attend()

    # What it holds from start to end.

    def holds(self, limit: Limit) -> bool:
        """Return whether the run holds some of a resource from start to end."""
        is_named = self._engine.resources.get(limit.name) is limit and limit.name in self.info.definition.resources
        return is_named and self.run is not None and not self._holding.is_closed and not self.over.is_set()

    def _give_back(self) -> None:
        if not self._needs or self._holding.is_closed or self.run is None:
            return
        with self._engine.lock:
            if self.run.state.overdue:
                self.run.state.when_left = self._release
            else:
                self._release()
        self._engine.wake_lanes()

    def _release(self) -> None:
        self._engine.holders.release(self._holding, self._needs)

    def _overran(self) -> None:
        if self.run is not None and not self.run.state.is_stopping and not self.run.state.is_untimed:
            self.run.state.is_timed_out = True
            self.stop(f"it timed out after {self.info.definition.timeout:g} s")

    def _begun(self) -> Run:
        """Make the run, whose first units wait for their slots from now on."""
        engine = self._engine
        lanes = {
            executor: engine.lane(executor) for executor in dict.fromkeys(s.executor for s in self.info.plan.steps)
        }
        with engine.lock:
            state = RunState(
                self.info, engine, self._share, lanes=lanes, resources=self._resources, variables=self._variables
            )
            run = Run(state, self.attend)
            self._share.owner = run
            run.digest()
        return run

    def _told(self) -> None:
        # Hooks may have failed since the result was made, the last of them over the result itself.
        failures = self._engine.relay.failures(self.info.run_id)
        if failures != self.result.plugin_failures:
            self._result = replace(self.result, plugin_failures=failures)
        try:
            self._call_soon(self._all_told.set)
        except RuntimeError:  # the loop gave up on a hook that hung, and has ended
            return

    def attend(self) -> None:
        """Do what the run's state asks of the loop."""
        run = self.run
        if run is None:
            self._stop_waiting()
            return
        state = run.state
        if self.stop_reason and not state.cancel_reason:
            if self._result is None:
                self._engine.teller.tell("run_cancel", run=self.info, reason=self.stop_reason)
            with self._engine.lock:
                run.cancel(self.stop_reason)
            self._count_grace()
        if state.cancel_bodies:
            state.cancel_bodies = False
            self._cancel_bodies(run)
        if run.schedule.starved and state.overdue:
            self._count_grace()
        if self._grace_is_over:
            self._end_grace(run)
        # Under the lock, since a thread that ends the last unit records its result a moment after.
        with self._engine.lock:
            ended = run.schedule.ended
        if ended:
            self._ended.set()

    def _stop_waiting(self) -> None:
        with self._engine.lock:
            is_given_up = bool(self.stop_reason) and self._engine.holders.give_up(self._holding)
        if is_given_up:
            self._start()

    def _cancel_bodies(self, run: Run) -> None:
        with self._engine.lock:
            running = list(run.state.current.values())
        for lane in self._engine.lanes.values():
            lane.cancel(running)
        run.state.providers.cancel()
        self._count_grace()
        self._engine.wake_lanes()

    def _count_grace(self) -> None:
        if not self._counts_grace:
            self._counts_grace = True
            with self._engine.lock:
                self._engine.at(time.monotonic() + self.info.config.grace, self._over)

    def _over(self) -> None:
        self._grace_is_over = True
        self._engine.attend(self.attend)

    def _end_grace(self, run: Run) -> None:
        self._counts_grace = self._grace_is_over = False
        with self._engine.lock:
            run.end_grace()
        if run.schedule.stopped or self.stop_reason:
            run.state.providers.abandon()
            if self._result is not None:
                self._all_told.set()
        self._engine.wake_lanes()
