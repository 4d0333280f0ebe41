"""Drive: the thin async loop around a run: timers, providers, cancellation, and the end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
import pluggy
from anyio.abc import TaskGroup

from flowbuilder.engine.attempt import Attempt
from flowbuilder.engine.context import install_log_records
from flowbuilder.engine.lanes.base import Lane, LaneFactory
from flowbuilder.engine.outcome import run_result
from flowbuilder.engine.relay import Relay
from flowbuilder.engine.run import Run
from flowbuilder.engine.state import LaneFacts, RunState
from flowbuilder.engine.views import RunInfo
from flowbuilder.engine.wakeup import Wakeup
from flowbuilder.engine.watchdog import Watchdog
from flowbuilder.results import RunResult, Status


@dataclass(slots=True, eq=False)
class Stop:
    """How a program outside the loop, such as a signal handler, stops a run."""

    reason: str = ""
    notify: Callable[[], None] = field(default=lambda: None)

    def __call__(self, reason: str) -> None:
        """Ask the run to cancel; safe from a signal handler, since no lock is taken."""
        self.reason = self.reason or reason
        self.notify()


async def execute(
    info: RunInfo,
    host: pluggy.PluginManager,
    factories: Mapping[str, LaneFactory],
    seed: int = 0,
    stop: Stop | None = None,
) -> RunResult[Any]:
    """Run a plan to its end and return the result; failures are data in it.

    When the caller is cancelled, by a scope or by its event loop, what runs is cancelled and torn
    down first, within the grace period; then the cancellation goes on.
    """
    install_log_records()
    # Steps are timed from here: starting the loop is no part of the run.
    info = replace(info, started_at=time.time())
    driver = _Driver(info, host, factories, seed, stop or Stop())
    try:
        async with anyio.create_task_group() as group:
            # In a task of its own and shielded, so that no cancellation interrupts the clean-up.
            group.start_soon(driver.drive, name="flowbuilder run")
            try:
                await driver.finished.wait()
            except BaseException:  # a cancellation, which asyncio and trio each have their own class for
                driver.stop("its caller was cancelled")
                raise
    except BaseExceptionGroup as several:
        # The group has one task; its error is an internal one and is worth seeing as it is.
        if len(several.exceptions) == 1:
            raise several.exceptions[0] from None
        raise
    assert driver.result is not None
    return driver.result


class _Driver:
    """Drives one run on the loop."""

    def __init__(
        self,
        info: RunInfo,
        host: pluggy.PluginManager,
        factories: Mapping[str, LaneFactory],
        seed: int,
        stop: Stop,
    ) -> None:
        self.finished = anyio.Event()
        self.result: RunResult[Any] | None = None
        self.stop = stop
        self._info = info
        self._wakeup = Wakeup()
        stop.notify = self._wakeup.notify
        executors = list(dict.fromkeys(step.executor for step in info.plan.steps))
        self._lanes: list[Lane] = [factories[name](info.config.max_concurrency) for name in executors]
        facts = [
            LaneFacts(n, lane.limit, lane.enforces_timeouts) for n, lane in zip(executors, self._lanes, strict=True)
        ]
        self._relay = Relay(host, self._drained)
        self._state = RunState(info, facts, self._relay, self._wakeup.notify, seed)
        self._run = Run(self._state, host.hook.flowbuilder_step_call.get_hookimpls())
        self._providers = self._state.providers
        self._watchdog = Watchdog(self._wakeup.call_soon, self._relay, self._state.notes.append)
        self._grace_ends = math.inf
        self._is_abandoned = False
        self._is_torn_down = False
        self._teardown_errors: Sequence[BaseException] = ()

    def _drained(self) -> None:
        self._run.wake_lanes()
        self._wakeup.notify()

    async def drive(self) -> None:
        """Drive the run to its end, whatever happens to whoever waits for it."""
        with anyio.CancelScope(shield=True):
            self._relay.start()
            self._watchdog.start()
            try:
                await self._drive()
            finally:
                self._watchdog.close()
                self._relay.close()
                self.finished.set()

    async def _drive(self) -> None:
        started = time.monotonic()
        self._relay.tell("run_start", run=self._info)
        try:
            async with anyio.create_task_group() as group:
                for number, lane in enumerate(self._lanes):
                    lane.start(self._run, number, self._wakeup.notify)
                self._run.attach([lane.wake for lane in self._lanes])
                while not self._run.schedule.ended:
                    await self._turn(group)
                group.start_soon(self._tear_down, name="flowbuilder tear-down")
                while not self._is_torn_down:
                    await self._turn(group)
        finally:
            for lane in self._lanes:
                lane.close()
        duration = time.monotonic() - started
        self.result = run_result(self._state, duration, self._teardown_errors, self._relay.failures)
        self._relay.tell("run_finish", run=self._info, result=self.result)
        self._relay.close()
        while not self._relay.finished.is_set() and not self._is_abandoned:
            await self._turn(None)

    async def _turn(self, group: TaskGroup | None) -> None:
        """Wait until something is due or wanted, and act on it; ``group`` is None when the steps are over."""
        run, state = self._run, self._state
        due = min(run.next_timer, self._grace_ends) if group is not None else self._grace_ends
        await self._wakeup.wait(anyio.current_time() + due - time.monotonic() if due < math.inf else math.inf)
        self._obey()
        if group is not None:
            while state.to_prepare:
                group.start_soon(self._prepare, state.to_prepare.popleft(), group, name="flowbuilder set-up")
            for lane in self._lanes:
                lane.turn(group)
            if run.next_timer <= time.monotonic():
                run.fire_timers()
        if time.monotonic() >= self._grace_ends:
            self._end_grace()

    def _obey(self) -> None:
        """Start what a stop asked for: cancel what runs, and count the grace period."""
        if self.stop.reason and not self._state.cancel_reason:
            self._run.cancel(self.stop.reason)
            self._start_grace()
        if self._state.cancel_lanes:
            self._state.cancel_lanes = False
            for lane in self._lanes:
                lane.cancel()
            self._providers.cancel()
            self._start_grace()
        if self._run.schedule.starved and self._state.overdue:
            self._start_grace()

    def _start_grace(self) -> None:
        if self._grace_ends == math.inf:
            self._grace_ends = time.monotonic() + self._info.config.grace

    def _end_grace(self) -> None:
        self._grace_ends = math.inf
        if self._run.schedule.stopped or self.stop.reason:
            self._is_abandoned = True
            self._providers.abandon()
        self._run.end_grace()

    async def _prepare(self, attempt: Attempt, group: TaskGroup) -> None:
        """Set up what an attempt needs, then give it to its lane."""
        await self._providers.ensure(attempt.step.providers, group)
        error = self._providers.failure(attempt.step.providers)
        if error is None:
            self._run.prepared(attempt)
            return
        attempt.error, attempt.status = error, Status.FAILED
        self._run.done(attempt)

    async def _tear_down(self) -> None:
        self._teardown_errors = await self._providers.tear_down()
        self._is_torn_down = True
        self._wakeup.notify()
