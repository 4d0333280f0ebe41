"""Drive: the thin async loop around a run: timers, providers, cancellation, and the end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
import pluggy
from anyio.abc import TaskGroup

from flowbuilder.engine.attempt import Attempt
from flowbuilder.engine.context import install_log_records
from flowbuilder.engine.lanes.base import Lane, LaneFactory
from flowbuilder.engine.providers import Providers
from flowbuilder.engine.relay import Relay
from flowbuilder.engine.run import Run
from flowbuilder.engine.views import RunInfo
from flowbuilder.engine.wakeup import Wakeup
from flowbuilder.results import FAILURES, RunResult, Status, StepResult


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

    When the caller is cancelled, what runs is cancelled and torn down first, within the grace
    period; then the cancellation goes on.
    """
    install_log_records()
    driver = _Driver(info, host, factories, seed, stop or Stop())
    async with anyio.create_task_group() as outer:
        outer.start_soon(driver.guard, name="flowbuilder guard")
        # What is started is always ended in order, also when the caller is cancelled.
        with anyio.CancelScope(shield=True):
            result = await driver.run()
        outer.cancel_scope.cancel()
    return result


class _Driver:
    """Drives one run on the loop."""

    def __init__(
        self, info: RunInfo, host: pluggy.PluginManager, factories: Mapping[str, LaneFactory], seed: int, stop: Stop
    ) -> None:
        self._info = info
        self._stop = stop
        self._wakeup = Wakeup()
        stop.notify = self._wakeup.notify
        executors = list(dict.fromkeys(step.executor for step in info.plan.steps))
        self._lanes: list[Lane] = [factories[name](info.config.max_concurrency) for name in executors]
        facts = [(n, lane.limit, lane.enforces_timeouts) for n, lane in zip(executors, self._lanes, strict=True)]
        self._relay = Relay(host, self._drained)
        wrappers = host.hook.flowbuilder_step_call.get_hookimpls()
        self._run = Run(info, facts, self._relay, wrappers, self._wakeup.notify, seed)
        self._run.providers = self._providers = Providers(info.plan)
        self._grace_ends = math.inf
        self._finished = False

    def _drained(self) -> None:
        if self._run.schedule.ended:
            self._wakeup.notify()
        else:
            self._run.wake_lanes()

    async def guard(self) -> None:
        """Turn a cancellation of the caller into one of the run."""
        try:
            await anyio.sleep_forever()
        finally:
            if not self._finished:
                self._run.cancel("its caller was cancelled")

    async def run(self) -> RunResult[Any]:
        started = time.monotonic()
        self._relay.start()
        self._relay.tell("run_start", run=self._info)
        async with anyio.create_task_group() as group, anyio.create_task_group() as provider_group:
            for number, lane in enumerate(self._lanes):
                lane.start(self._run, number, self._wakeup.notify)
            self._run.attach([lane.wake for lane in self._lanes])
            with self._run.lock:
                self._run.digest()
            self._run.wake_lanes()
            while not self._run.schedule.ended:
                await self._turn(group, provider_group)
            teardown_errors = await self._providers.tear_down()
            for lane in self._lanes:
                lane.close()
        self._finished = True
        result = self._result(time.monotonic() - started, teardown_errors)
        self._relay.tell("run_finish", run=self._info, result=result)
        self._relay.close()
        while not self._relay.finished.is_set():
            await self._wakeup.wait()
        return result

    async def _turn(self, group: TaskGroup, provider_group: TaskGroup) -> None:
        """Wait until something is due or wanted, and act on it."""
        run = self._run
        due = min(run.next_timer, self._grace_ends)
        await self._wakeup.wait(anyio.current_time() + due - time.monotonic() if due < math.inf else math.inf)
        if self._stop.reason and not run.cancel_reason:
            run.cancel(self._stop.reason)
        while run.to_prepare:
            provider_group.start_soon(self._prepare, run.to_prepare.popleft(), provider_group)
        for lane in self._lanes:
            lane.turn(group)
        if run.next_timer <= time.monotonic():
            run.fire_timers()
        if run.cancel_lanes:
            run.cancel_lanes = False
            for lane in self._lanes:
                lane.cancel()
            self._start_grace()
        if run.schedule.starved and run.overdue:
            self._start_grace()
        if time.monotonic() >= self._grace_ends:
            self._end_grace()

    def _start_grace(self) -> None:
        if self._grace_ends == math.inf:
            self._grace_ends = time.monotonic() + self._info.config.grace

    def _end_grace(self) -> None:
        self._grace_ends = math.inf
        run = self._run
        if run.schedule.stopped:
            run.abandon_running(f"was cancelled, but still runs after {self._info.config.grace:g} s")
        elif run.schedule.starved and run.overdue:
            run.skip_starved()

    async def _prepare(self, attempt: Attempt, group: TaskGroup) -> None:
        """Set up what an attempt needs, then give it to its lane."""
        await self._providers.ensure(attempt.step.providers, group)
        error = self._providers.failure(attempt.step.providers)
        if error is None:
            self._run.prepared(attempt)
            return
        attempt.error, attempt.status = error, Status.FAILED
        self._run.done(attempt)

    def _result(self, duration: float, teardown_errors: Sequence[BaseException]) -> RunResult[Any]:
        run, plan = self._run, self._info.plan
        steps = run.records.all()
        cancelled = bool(run.cancel_reason)
        errors = [error for step in steps.values() for error in _errors(step, cancelled)] + list(teardown_errors)
        overdue = dict.fromkeys(one.info.name for one in run.overdue.values())
        notes = [*run.notes, *(f"{name} overran and its thread still runs" for name in overdue)]
        notes += [f"plugin {plugin} failed in flowbuilder_{hook}" for plugin, hook in self._relay.failures]
        if run.cancel_reason:
            notes.append(f"cancelled: {run.cancel_reason}")
        body = plan.body
        if cancelled:
            status = Status.CANCELLED
        elif errors or any(step.status in FAILURES for step in steps.values()):
            status = Status.FAILED
        elif body is not None and steps[body].status is Status.SKIPPED:
            status = Status.SKIPPED
        else:
            status = Status.SUCCESS
        return RunResult(
            run_id=self._info.run_id,
            workflow=self._info.workflow,
            status=status,
            steps=steps,
            errors=tuple(dict.fromkeys(errors)),
            started_at=self._info.started_at,
            duration=duration,
            body=body,
            sinks=plan.sinks,
            notes=tuple(notes),
            plugin_failures=tuple(self._relay.failures),
        )


def _errors(step: StepResult[Any], cancelled: bool) -> list[BaseException]:
    """Return the failures of a step, its items' one by one; cancellations only of a cancelled run."""
    found = [error for item in step.items or () for error in _errors(item, cancelled)]
    counts = step.status in FAILURES or (cancelled and step.status is Status.CANCELLED)
    if not found and counts and step.error is not None:
        found.append(step.error)
    return found
