"""Activity: what each run of an engine is at, and what each step that waits is waiting for."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flowbuilder.engine.attempt import Attempt
from flowbuilder.engine.conduct import Conduct
from flowbuilder.engine.engine import Engine
from flowbuilder.engine.entries import State
from flowbuilder.engine.limits import Limit
from flowbuilder.engine.nested_run import NestedRun
from flowbuilder.engine.run import Run
from flowbuilder.engine.views import RunInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningStep:
    """A step that runs: since how many seconds, and in which attempt."""

    name: str
    seconds: float
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingStep:
    """A step, or a whole run, that waits; ``waits_for`` says in words for what, and who has it."""

    name: str
    waits_for: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What one run is at."""

    run_id: str
    workflow: str
    priority: int
    running: tuple[RunningStep, ...]
    waiting: tuple[WaitingStep, ...]


def activities(engine: Engine, conducts: Sequence[Conduct]) -> list[Activity]:
    """Return what each run is at; the engine's lock is held."""
    return _Activities(engine, conducts).all()


class _Activities:
    """One look at all runs, which know of each other as holders of resources."""

    def __init__(self, engine: Engine, conducts: Sequence[Conduct]) -> None:
        self._engine = engine
        self._conducts = conducts
        self._now = time.monotonic()
        self._places = engine.admission.places()

    def all(self) -> list[Activity]:
        return [self._of(conduct) for conduct in self._conducts if conduct.info.parent is None]

    def _of(self, conduct: Conduct) -> Activity:
        run = conduct.run
        return Activity(
            run_id=conduct.info.run_id,
            workflow=conduct.info.workflow,
            priority=conduct.priority,
            running=tuple(self._running(run)) if run else (),
            waiting=tuple(self._waiting(run)) if run else (self._held_back(conduct),),
        )

    def _running(self, run: Run) -> Iterator[RunningStep]:
        for attempt in run.state.current.values():
            full = run.info.full_name(attempt.info)
            name = f"undo of {full}" if attempt.phase == "undo" else full
            yield RunningStep(name=name, seconds=self._now - attempt.started, attempt=attempt.number)
            for call in self._inside(attempt):
                if isinstance(call, Run):
                    yield from self._running(call)

    def _inside(self, attempt: Attempt) -> Iterator[Run | Conduct]:
        """Yield what runs inside a body, in place of a nested run its conduct until it has started."""
        for call in attempt.inner.calls if attempt.inner is not None else ():
            if not isinstance(call, NestedRun):
                yield call
            elif isinstance(call.conduct, Conduct):
                yield call.conduct.run or call.conduct

    def _held_back(self, conduct: Conduct) -> WaitingStep:
        info = conduct.info
        needs = [(conduct.pool[name], n) for name, n in info.definition.resources.items()]
        missing = [self._resource(limit, n) for limit, n in needs if not limit.fits(n, is_reserver=False)]
        return WaitingStep(name=info.path, waits_for=", ".join(missing) or "its start")

    def _waiting(self, run: Run) -> Iterator[WaitingStep]:
        for unit in run.units:
            reason = self._reason(run, unit)
            if reason:
                name = run.info.full_name(run.state.records.info_of(unit))
                yield WaitingStep(name=name, waits_for=reason)
        for attempt in run.state.current.values():
            for call in self._inside(attempt):
                if isinstance(call, Run):
                    yield from self._waiting(call)
                else:
                    yield self._held_back(call)

    def _reason(self, run: Run, unit: int) -> str:
        """Return what a unit waits for; nothing for one that does not wait, or waits as its mapped step does."""
        now = run.schedule.state(unit)
        if now is State.READY:
            return self._slot_or_resource(run, unit)
        if now is State.WAITING:
            due = run.state.due.get(unit)
            what = "round" if run.state.waits_for_round(unit) else "attempt"
            return f"its next {what} in {max(due - self._now, 0):.1f} s" if due else "its overdue thread to end"
        if now is not State.PENDING or run.schedule.step(unit) != unit:
            return ""
        index = run.state.shape.index
        names = [n for n in run.state.step_of(unit).upstream if run.schedule.state(index[n]) < State.SUCCESS]
        return f"step {', '.join(names)}" if names else "its batch"

    def _slot_or_resource(self, run: Run, unit: int) -> str:
        for limit, amount in run.schedule.needs(unit):
            if not limit.fits(amount, is_reserver=False):
                return self._resource(limit, amount)
        before = self._places.get((run.schedule.share, unit), 0)
        return f"a slot, behind {before} more" if before else "a slot"

    def _resource(self, limit: Limit, amount: int) -> str:
        holders = ", ".join(self._holders(limit)) or ("threads that outlived their run" if limit.held else "nobody")
        reserved = f", {limit.reserved} of it reserved for one that waits longer" if limit.reserved else ""
        return f"{amount} {limit.name}: {limit.held} of {limit.capacity} held by {holders}{reserved}"

    def _holders(self, limit: Limit) -> Iterator[str]:
        for conduct in self._conducts:
            if conduct.holds(limit):
                yield _whole_name(conduct.info)
            if conduct.run is None:
                continue
            state, schedule = conduct.run.state, conduct.run.schedule
            for attempt in (*state.current.values(), *state.overdue.values()):
                if any(one is limit for one, _ in schedule.needs(attempt.unit)):
                    yield f"{conduct.info.root.workflow} › {conduct.info.full_name(attempt.info)}"


def _whole_name(run: RunInfo) -> str:
    return run.path if run.parent is None else f"{run.root.workflow} › {run.path}"
