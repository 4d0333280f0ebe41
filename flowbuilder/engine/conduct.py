"""Conduct: one run on the loop, from its start over its cancellation to the last hook."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import Context
from dataclasses import replace
from typing import Any

import anyio

from flowbuilder.engine.engine import Engine
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
        self.finished = anyio.Event()
        self.stop_reason = ""
        self.run: Run | None = None
        self._engine = engine
        self._share = share
        self._variables = variables
        self._call_soon = call_soon
        self._ended = anyio.Event()
        self._counts_grace = False
        self._grace_is_over = False
        self._result: RunResult[Any] | None = None

    @property
    def result(self) -> RunResult[Any]:
        """The result; there is one when ``finished`` is set."""
        assert self._result is not None
        return self._result

    def stop(self, reason: str) -> None:
        """Cancel the run; safe from any thread and from a signal handler, since no lock is taken."""
        self.stop_reason = self.stop_reason or reason
        self._engine.attend(self.attend)

    async def see_through(self) -> None:
        """Run to the end; ``finished`` is set when the last hook has been told."""
        started = time.monotonic()
        # Its steps are timed from here: what came before is no part of the run.
        self.info = replace(self.info, started_at=time.time())
        relay = self._engine.relay
        relay.tell("run_start", run=self.info)
        run = self.run = self._begun()
        # It may have been stopped already: then nothing starts.
        self.attend()
        self._engine.wake_lanes()
        await self._ended.wait()
        errors = await run.state.providers.tear_down()
        duration = time.monotonic() - started
        self._result = run_result(run.state, duration, errors, relay.failures(self.info.run_id))
        relay.tell("run_finish", run=self.info, result=self._result)
        relay.after(self._told)
        await self.finished.wait()
        relay.forget(self.info.run_id)

    def _begun(self) -> Run:
        """Make the run, whose first units wait for their slots from now on."""
        engine = self._engine
        lanes = {
            executor: engine.lane(executor) for executor in dict.fromkeys(s.executor for s in self.info.plan.steps)
        }
        with engine.lock:
            state = RunState(
                self.info, engine, self._share, lanes=lanes, resources=engine.resources, variables=self._variables
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
            self._call_soon(self.finished.set)
        except RuntimeError:  # the loop gave up on a hook that hung, and has ended
            return

    def attend(self) -> None:
        """Do what the run's state asks of the loop."""
        run = self.run
        if run is None:
            return
        state = run.state
        if self.stop_reason and not state.cancel_reason:
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

    def _cancel_bodies(self, run: Run) -> None:
        with self._engine.lock:
            running = list(run.state.current.values())
        for lane in self._engine.lanes:
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
                self.finished.set()
        self._engine.wake_lanes()
