"""Conduct: one run on the loop, from its start over its cancellation to the last hook."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextvars import Context
from dataclasses import replace
from typing import Any

import anyio

from flowbuilder.engine.engine import Engine
from flowbuilder.engine.grace import Grace
from flowbuilder.engine.limits import Limit, needs_of, pool_of
from flowbuilder.engine.outcome import TOO_MANY_FAILED, plugin_notes, run_result
from flowbuilder.engine.run import Run
from flowbuilder.engine.share import Share
from flowbuilder.engine.state import RunState
from flowbuilder.engine.timers import weakly
from flowbuilder.engine.undoing import Undoing
from flowbuilder.engine.views import RunInfo
from flowbuilder.results import RunResult

Soon = Callable[[Callable[[], None]], object]


class Conduct:
    """Sees a run through; used on the loop only, but for ``stop``.

    Args:
        engine: what it shares with other runs.
        info: what hooks see of the run.
        share: what it has of the engine's slots.
        resources: the limits that it may need, by name.
        variables: the context variables its steps start with.
        call_soon: calls a function on the loop, from any thread.
    """

    def __init__(
        self,
        engine: Engine,
        info: RunInfo,
        share: Share,
        *,
        resources: Mapping[str, Limit],
        variables: Context,
        call_soon: Soon,
    ) -> None:
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
        self._holding = share.of_whole()
        self.pool = resources
        self._needs = needs_of(info.definition.resources, resources)
        # Inside a workflow that holds resources, its steps have what it holds.
        self._resources = pool_of(info.definition.resources) if info.definition.resources else resources
        self._ended = anyio.Event()
        self._all_told = anyio.Event()
        self._undoing: Undoing | None = None
        self._is_interrupted = False
        self._is_given_up = False
        self._is_cancel_told = False
        self._grace = Grace(engine, info.config.grace, self.attend)
        self._grace_was_spent = False
        self._result: RunResult[Any] | None = None

    @property
    def result(self) -> RunResult[Any]:
        """The result; there is one when ``finished`` is set, unless its engine broke."""
        if self._result is None:
            raise RuntimeError(f"the run of {self.info.workflow} was lost: its engine broke")
        return self._result

    def stop(self, reason: str) -> None:
        """Interrupt the run; safe from any thread and from a signal handler, since no lock is taken.

        It can be resumed, so nothing of it is undone.
        """
        self._is_interrupted = self._is_interrupted or reason != TOO_MANY_FAILED
        self._stop(reason)

    def cancel(self, reason: str) -> None:
        """Cancel the run for good: what it completed is undone. Safe from any thread."""
        self._is_given_up = True
        self._stop(reason)

    def stop_with(self, outer: Conduct) -> None:
        """Stop as the run around this one does, which is or is not to be undone."""
        assert outer.run is not None
        self._is_interrupted = self._is_interrupted or outer._is_interrupted
        self._is_given_up = self._is_given_up or outer._is_to_be_undone(outer.run.state)
        self._stop(outer.stop_reason)

    def _stop(self, reason: str) -> None:
        self.stop_reason = self.stop_reason or reason
        self._engine.attend(self.attend)

    async def see_through(self) -> None:
        """Run to the end: until the last hook has been told."""
        await self._ended.wait()
        assert self.run is not None
        state, relay = self.run.state, self._engine.relay
        while state.nested:  # of bodies that were left behind
            await next(iter(state.nested)).finished.wait()
        errors = await self._undone(self.run)
        errors += await state.providers.tear_down()
        self._give_back()
        duration = time.monotonic() - self._started
        self._result = run_result(state, duration, errors, relay.failures(self.info.run_id))
        self._engine.teller.tell("run_finish", run=self.info, result=self._result)
        self._engine.teller.after(self._told)
        await self._all_told.wait()
        relay.forget(self.info.run_id)

    async def _undone(self, run: Run) -> list[BaseException]:
        """Undo what the run completed, where it failed or was cancelled for good; return what went wrong with that."""
        if not run.schedule.completed.order or not self._is_to_be_undone(run.state):
            return []
        self._undoing = Undoing(run, self._engine, self._share.of_whole)
        self._grace.forget()
        errors = await self._undoing(waits=not self._grace_was_spent)
        self._undoing = None
        self._grace.forget()
        if self.stop_reason:
            self._grace.count()
        return errors

    def _is_to_be_undone(self, state: RunState) -> bool:
        if self._is_interrupted:
            return False
        is_cancelled = self._is_given_up and bool(state.cancel_reason)
        return is_cancelled or state.is_timed_out or state.records.has_failed

    def lose(self, error: BaseException) -> None:
        """Let no body wait any more for what runs inside it, since the engine broke; under its lock."""
        if self.run is not None:
            for attempt in (*self.run.state.current.values(), *self.run.state.overdue.values()):
                if attempt.inner is not None:
                    attempt.inner.lose(error)

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
            self._engine.to_begin.append(self._begin_steps)

    def _begin_steps(self) -> None:
        self.run = self._begun()
        if self.info.definition.timeout is not None:
            with self._engine.lock:
                self._engine.at(self._started + self.info.definition.timeout, weakly(self._overran))
        # It may have been stopped already: then nothing starts.
        self.attend()

    # What it holds from start to end.

    def holds(self, limit: Limit) -> bool:
        """Return whether the run holds some of a resource from start to end."""
        is_named = self.pool.get(limit.name) is limit and limit.name in self.info.definition.resources
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
        if self.run is None or self._undoing is not None:
            return
        if not self.run.state.is_stopping and not self.run.state.is_untimed:
            self.run.state.is_timed_out = True
            self._stop(f"it timed out after {self.info.definition.timeout:g} s")

    def _begun(self) -> Run:
        """Make the run, whose first units wait for their slots from now on."""
        engine = self._engine
        lanes = {executor: engine.lane(executor) for executor in self.info.plan.shape.executors}
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
        failures, known = self._engine.relay.failures(self.info.run_id), self.result.plugin_failures
        if failures != known:
            notes = (*self.result.notes, *plugin_notes(failures[len(known) :]))
            self._result = replace(self.result, plugin_failures=failures, notes=notes)
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
            self._cancel(run)
        if self.stop_reason:
            for nested in list(state.nested):
                nested.stop_with(self)
        if self._undoing is not None and self._is_interrupted:
            self._undoing.stop()
            self._grace.count()
        if state.cancel_bodies:
            state.cancel_bodies = False
            self._cancel_bodies(run)
        if run.schedule.starved and state.overdue:
            self._grace.count()
        if self._grace.is_over:
            self._end_grace(run)
        # Under the lock, since a thread that ends the last unit records its result a moment after.
        with self._engine.lock:
            ended = run.schedule.ended
        if ended:
            self._ended.set()

    def _cancel(self, run: Run) -> None:
        if self._result is None and not self._is_cancel_told:
            self._is_cancel_told = True
            self._engine.teller.tell("run_cancel", run=self.info, reason=self.stop_reason)
        with self._engine.lock:
            run.cancel(self.stop_reason)
        self._grace.count()

    def _stop_waiting(self) -> None:
        with self._engine.lock:
            is_given_up = bool(self.stop_reason) and self._engine.holders.give_up(self._holding)
        if is_given_up:
            self._start()

    def _cancel_bodies(self, run: Run) -> None:
        self._engine.cancel_bodies(run.state.current)
        run.state.providers.cancel()
        self._grace.count()
        self._engine.wake_lanes()

    def _end_grace(self, run: Run) -> None:
        self._grace.end()
        if self._undoing is not None:
            if self._is_interrupted:
                self._undoing.abandon()
            return
        self._grace_was_spent = True
        with self._engine.lock:
            run.end_grace()
        if run.schedule.stopped or self.stop_reason:
            run.state.providers.abandon()
            if self._result is not None:
                self._all_told.set()
        self._engine.wake_lanes()
