"""Drive: the thin async loop around an engine: lanes, timers, providers and runs."""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from contextvars import Context, copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
import pluggy
from anyio.abc import TaskGroup

from flowbuilder.engine.attempt import Attempt
from flowbuilder.engine.conduct import Conduct
from flowbuilder.engine.context import install_log_records
from flowbuilder.engine.engine import Engine, Limits
from flowbuilder.engine.forecast import forecast_of
from flowbuilder.engine.history import History
from flowbuilder.engine.journal import Journal
from flowbuilder.engine.lanes.base import LaneFactory
from flowbuilder.engine.limits import Limit
from flowbuilder.engine.nested_run import NestedRun
from flowbuilder.engine.outcome import TOO_MANY_FAILED
from flowbuilder.engine.share import Forecast, Share
from flowbuilder.engine.views import RunInfo
from flowbuilder.engine.wakeup import Wakeup, without_loop
from flowbuilder.engine.watchdog import Watchdog
from flowbuilder.results import Status

if TYPE_CHECKING:
    from flowbuilder.engine.activity import Activity

# Lanes that call no body on the loop.
OFF_LOOP = frozenset({"thread", "process"})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Counts:
    """What a driver and its engine have counted; ``ended`` counts runs by status, ``starts`` units.

    ``limit`` is how many units may run at once, now.
    """

    submitted: int
    running: int
    ended: Mapping[Status, int]
    starts: int
    waited: float
    longest_wait: float
    resources: Mapping[str, Limit]
    limit: int | None


class Driver:
    """Drives an engine and the runs on it; made on the loop, and used there only.

    Args:
        host: the plugins.
        factories: how lanes are made, by the name of their executor.
        limits: what all runs share.
        journal: writes every run down; None for runs that are not kept.
    """

    def __init__(
        self,
        host: pluggy.PluginManager,
        factories: Mapping[str, LaneFactory],
        limits: Limits,
        journal: Journal | None = None,
    ) -> None:
        self._wakeup = Wakeup()
        self._engine = Engine(host, factories, limits, self._wakeup.notify, journal)
        self._group: TaskGroup
        self._conducts: dict[Conduct, None] = {}
        self._new: deque[Conduct] = deque()
        self._history = History()
        self._watchdog = Watchdog(self._wakeup.call_soon, self._engine.relay, self._note)
        self._looks_ahead = getattr(limits.policy, "looks_ahead", True)
        self._submitted = 0
        self._ended: Counter[Status] = Counter()
        self.is_closing = False
        self.ended = anyio.Event()
        self.has_ended = False
        self.call_soon = self._wakeup.call_soon
        self._engine.stop_all = lambda: self.stop_all(TOO_MANY_FAILED)
        self._engine.nest = self._nest
        if journal is not None:
            journal.attach(self._engine, self.stop_all, self._note_of)

    async def serve(self) -> None:
        """Serve until ``close`` was called and every run has ended; no cancellation cuts the clean-up short."""
        install_log_records()
        with anyio.CancelScope(shield=True):
            self._engine.relay.start()
            try:
                async with anyio.create_task_group() as self._group:
                    await self._turn_by_turn()
            finally:
                self._watchdog.close()
                self._engine.close()
                self._engine.relay.close()
                self._end()

    async def _turn_by_turn(self) -> None:
        try:
            while self._conducts or not self.is_closing:
                await self._turn()
            # Bodies that ended with the last run: what they had is torn down.
            while self._engine.to_release:
                self._engine.done(self._engine.to_release.popleft())
        except BaseException as error:  # also the cancellation that an error in a lane brings with it
            # Nothing will end any more of what bodies wait for, shielded or in threads.
            with self._engine.lock:
                for conduct in self._conducts:
                    conduct.lose(error)
            raise

    def _end(self) -> None:
        # Runs are left here only when the engine broke.
        for conduct in self._conducts:
            conduct.leave()
        self.is_closing = self.has_ended = True
        self.ended.set()

    def submit(self, info: RunInfo, priority: int = 0, variables: Context | None = None) -> Conduct:
        """Begin a run; its steps start with the context ``variables``, the caller's if left out."""
        self._submitted += 1
        if variables is None:
            variables = copy_context()
        limit, forecast = self._limit(info), self._forecast(info)
        share = Share(self._engine.admission, self._submitted, priority=priority, limit=limit, forecast=forecast)
        conduct = self._conduct(info, share, self._engine.resources, without_loop(variables))
        self._new.append(conduct)
        if self._engine.has_failed:
            conduct.stop(TOO_MANY_FAILED)
        self._wakeup.notify()
        return conduct

    def _nest(self, nested: NestedRun) -> Conduct:
        """Begin a run inside a body."""
        info, body = nested.info, nested.body
        schedule = body.run.schedule
        step = schedule.step(body.attempt.unit)
        share = schedule.share.nested(step, nested.priority, self._limit(info), self._forecast(info))
        conduct = self._conduct(info, share, body.resources, body.run.variables)
        conduct.begin()
        self._group.start_soon(self._see_nested_through, nested, conduct, name="flowbuilder nested run")
        return conduct

    def _conduct(self, info: RunInfo, share: Share, resources: Mapping[str, Limit], variables: Context) -> Conduct:
        engine, call_soon = self._engine, self._wakeup.call_soon
        conduct = Conduct(engine, info, share, resources=resources, variables=variables, call_soon=call_soon)
        self._conducts[conduct] = None
        return conduct

    def _limit(self, info: RunInfo) -> int | None:
        """Return the limit of a run; one that is no tighter than that of all runs needs no counting."""
        of_all, own = self._engine.most_at_once, info.config.max_concurrency
        return own if isinstance(own, int) and (of_all is None or own < of_all) else None

    def _forecast(self, info: RunInfo) -> Forecast | None:
        return forecast_of(info.plan, self._history.durations(info.workflow)) if self._looks_ahead else None

    def learn(self, workflow: str, past: Callable[[str], Mapping[str, float]]) -> None:
        """Let the forecasts of a workflow start from its ``past``, which is asked once, and only if it is of use."""
        if self._looks_ahead and not self._history.knows(workflow):
            self._history.start_from(workflow, past(workflow))

    def close(self) -> None:
        """Serve no longer than the runs that are there."""
        self.is_closing = True
        self._wakeup.notify()

    def stop_all(self, reason: str) -> None:
        """Cancel every run; safe from any thread and from a signal handler."""
        for conduct in list(self._conducts):
            conduct.stop(reason)

    def activities(self) -> list[Activity]:
        """Return what each run is at, in the order of submission; from any thread."""
        from flowbuilder.engine.activity import activities  # only a scheduler that is looked at needs it

        with self._engine.lock:
            return activities(self._engine, list(self._conducts))

    def counts(self) -> Counts:
        """Return the counts so far; from any thread."""
        admission = self._engine.admission
        with self._engine.lock:
            return Counts(
                submitted=self._submitted,
                running=sum(conduct.info.parent is None for conduct in list(self._conducts)),
                ended=dict(self._ended),
                starts=admission.starts,
                waited=admission.waits.total,
                longest_wait=admission.waits.longest,
                resources=self._engine.resources,
                limit=admission.limit,
            )

    async def _see_through(self, conduct: Conduct) -> None:
        try:
            await conduct.see_through()
            self._ended[conduct.result.status] += conduct.info.parent is None
            if self._looks_ahead:
                self._history.note(conduct.result)
        finally:
            del self._conducts[conduct]
            # Last: whoever hears of the end finds it counted.
            conduct.leave()
            self._wakeup.notify()

    async def _see_nested_through(self, nested: NestedRun, conduct: Conduct) -> None:
        await self._see_through(conduct)
        nested.ended(conduct)

    async def _turn(self) -> None:
        """Wait until something is due or wanted, and act on it."""
        engine = self._engine
        due = engine.timers.next
        await self._wakeup.wait(anyio.current_time() + due - time.monotonic() if due < math.inf else math.inf)
        self._begin_new()
        self._watch()
        while engine.to_prepare:
            self._group.start_soon(self._prepare, engine.to_prepare.popleft(), name="flowbuilder set-up")
        while engine.to_release:
            self._group.start_soon(self._release, engine.to_release.popleft(), name="flowbuilder tear-down")
        for lane in engine.lanes.values():
            lane.turn(self._group)
        engine.fire_timers()
        if engine.attention:
            while engine.attention:
                engine.attention.popleft()()
            engine.wake_lanes()
        if engine.to_begin:
            self._begin_when_written()

    def _watch(self) -> None:
        """Have the watchdog watch as soon as code that could block the loop or the hook thread is about to be called.

        Where there are plain bodies alone, its thread would take as long as a small run.
        """
        engine = self._engine
        has_other_lanes = any(one.executor not in OFF_LOOP for one in engine.facts.values())
        if has_other_lanes or engine.to_prepare or engine.relay.is_heard:
            self._watchdog.start()

    def _begin_new(self) -> None:
        """Begin what was submitted; lanes are woken when all of it has begun, so that the best of all goes first."""
        if not self._new:
            return
        while self._new:
            # Begun here and in order: trio starts its tasks in any order.
            conduct = self._new.popleft()
            conduct.begin()
            self._group.start_soon(self._see_through, conduct, name="flowbuilder run")
        self._engine.wake_lanes()

    def _begin_when_written(self) -> None:
        """Begin the steps of runs that began together when all of that stands: then too the best of all goes first."""
        engine, begins = self._engine, self._engine.to_begin
        engine.to_begin = []

        def begin() -> None:
            for one in begins:
                one()

        assert engine.journal is not None
        engine.journal.when_written(lambda: engine.attend(begin))

    async def _prepare(self, attempt: Attempt) -> None:
        """Set up what an attempt needs, then give it to its lane."""
        error = await attempt.source.providers.prepare(attempt, self._group)
        if error is None:
            self._engine.prepare(attempt)
            return
        attempt.fail(error)
        self._engine.done(attempt)

    async def _release(self, attempt: Attempt) -> None:
        """Tear down what an attempt had of its own, then settle it."""
        await attempt.source.providers.release(attempt)
        self._engine.done(attempt)

    def _note(self, sentence: str) -> None:
        for conduct in list(self._conducts):
            if conduct.run is not None and conduct.info.parent is None:
                conduct.run.state.notes.append(sentence)

    def _note_of(self, run_id: str, sentence: str) -> None:
        for conduct in list(self._conducts):
            if conduct.run is not None and conduct.info.run_id == run_id:
                conduct.run.state.notes.append(sentence)
