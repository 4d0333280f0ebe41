"""Undoing: the rollback of a run: what it completed is undone, one step after another, the last completed first."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import anyio

from flowbuilder.engine.attempt import Attempt
from flowbuilder.engine.engine import Engine
from flowbuilder.engine.limits import Needs
from flowbuilder.engine.run import Run
from flowbuilder.engine.share import Share
from flowbuilder.errors import InnerStepError, StepCancelledError, StepTimeoutError, listed
from flowbuilder.plan.pieces import Kind


class Undoing:
    """Undoes what one run completed; used on the loop, but for what its attempts ask and say.

    An undo takes no slot: it never waits behind other work, nor for a thread that overran. It does wait for the
    resources of its step. It has the time of its step's ``timeout``, and never less than the grace period.

    Args:
        run: the run; all its bodies have ended or were given up.
        engine: what it shares with other runs.
        make_share: makes what waits for the resources of one undo.
    """

    wrappers: Sequence[Any] = ()

    def __init__(self, run: Run, engine: Engine, make_share: Callable[[], Share]) -> None:
        self.info = run.info
        self.variables = run.variables
        self.providers = run.providers
        self.schedule = run.schedule
        self.info_of = run.info_of
        self.arguments = run.arguments
        self.values_of = run.values_of
        self.items_of = run.items_of
        self.result_of, self.inner_of = run.result_of, run.inner_of
        self.begin = run.begin
        self.inside = _nothing_inside
        self.memory, self.tell_progress = run.memory, run.tell_progress
        self._state = run.state
        self._engine = engine
        self._make_share = make_share
        self._ends: dict[Attempt, anyio.Event] = {}
        self._held: dict[Attempt, tuple[Share, Needs]] = {}
        self._errors: list[BaseException] = []
        self._scope = anyio.CancelScope()
        self._is_stopped = False

    async def __call__(self, *, waits: bool) -> list[BaseException]:
        """Undo everything, and return what went wrong.

        Args:
            waits: whether threads that overran get the grace period to end first.
        """
        if waits:
            await self._wait_for_threads()
        self.providers.reopen()
        left = self._in_order()
        while left and not self._is_stopped:
            await self._undo(left.pop())
        if left:
            names = listed(self.info_of(unit).name for unit in reversed(left))
            self._state.notes.append(f"the run was interrupted before all was undone; not undone: {names}")
        return self._errors

    def _in_order(self) -> list[int]:
        """Return what can be undone in the order of completion: what was kept of an earlier process comes first."""
        kept = self.info.kept.results if self.info.kept is not None else {}
        places = {name: place for place, name in enumerate(kept)}
        return sorted(self.schedule.completed.order, key=lambda unit: places.get(self.info_of(unit).name, len(places)))

    def stop(self) -> None:
        """Begin no other undo; the one that runs may end."""
        self._is_stopped = True
        if not self._ends:
            self._scope.cancel()

    def abandon(self) -> None:
        """Give up on the undo that runs."""
        self._scope.cancel()

    async def _wait_for_threads(self) -> None:
        ended = anyio.Event()
        with self._engine.lock:
            if not self._state.overdue:
                return
            self._state.when_left = lambda: self._engine.attend(ended.set)
        with anyio.move_on_after(self.info.config.grace) as self._scope:
            await ended.wait()
        with self._engine.lock:
            self._state.when_left = None

    # One undo.

    async def _undo(self, unit: int) -> None:
        state = self._state
        attempt = self._attempt(unit)
        with self._engine.lock:
            state.current[unit] = attempt
        error = await self._carried_out(attempt)
        with self._engine.lock:
            del state.current[unit]
            # One that never began leaves its step as it is.
            if state.records.is_undone(unit):
                self._record(unit, "its undo failed" if error is not None else "it was undone")
        if error is not None:
            self._errors.append(error)
        result = state.records.of(unit)
        self._engine.teller.tell("step_undo", run=self.info, step=attempt.info, result=result, error=error)

    def _record(self, unit: int, reason: str) -> None:
        self._state.records.undo(unit, self.schedule.step(unit), reason)

    def _attempt(self, unit: int) -> Attempt:
        ended = self._state.records.of(unit)
        attempt = Attempt(self, unit, self._state.step_of(unit), ended.attempts)
        attempt.phase, attempt.value, attempt.round = "undo", ended.raw_value, ended.rounds or 1
        return attempt

    async def _carried_out(self, attempt: Attempt) -> BaseException | None:
        """Have an undo executed by the lane of its step, and return what it raised."""
        needed = [one.source for one in attempt.step.undo if one.kind is Kind.PROVIDER]
        if (error := self.providers.failure(needed)) is not None:
            return error
        timeout = self._state.timeout_of(attempt.unit) or 0.0
        with anyio.move_on_after(max(timeout, self.info.config.grace)) as self._scope:
            await self._hold(attempt)
            await self._executed(attempt)
        if attempt.status is None:
            await self._give_up(attempt, max(timeout, self.info.config.grace))
        return attempt.error

    async def _hold(self, attempt: Attempt) -> None:
        """Wait for the resources of its step."""
        needs = self.schedule.needs(attempt.unit)
        if not needs:
            return
        granted, share, holders = anyio.Event(), self._make_share(), self._engine.holders
        with self._engine.lock:
            holders.wait(share, needs, granted.set)
        try:
            await granted.wait()
        except BaseException:  # a cancellation, which asyncio and trio each have their own class for
            with self._engine.lock:
                if not holders.give_up(share):
                    holders.release(share, needs)
            raise
        self._held[attempt] = share, needs

    async def _executed(self, attempt: Attempt) -> None:
        await self._mark(attempt)
        ended = self._ends[attempt] = anyio.Event()
        if self.providers.stand(attempt):
            self._engine.prepare(attempt)
        else:
            self._engine.to_prepare.append(attempt)
            self._engine.notify()
        await ended.wait()

    async def _mark(self, attempt: Attempt) -> None:
        """Record what no longer counts, before it begins: from then on nobody knows what is left of it."""
        with self._engine.lock:
            found = self.schedule.undo(attempt.unit)
            for one in found:
                own = one == attempt.unit
                self._record(one, "it is being undone" if own else f"{attempt.info.name} was undone")
        if self._engine.journal is not None:
            written, results = anyio.Event(), [self._state.records.of(one) for one in found]
            self._engine.journal.undo(self.info, results, lambda: self._engine.attend(written.set))
            await written.wait()

    async def _give_up(self, attempt: Attempt, seconds: float) -> None:
        """Go on without an undo whose time is up; its error says so."""
        name, ended = f"the undo of {attempt.info.name}", self._ends.get(attempt)
        if ended is not None:
            attempt.overdue = True
            await self._cancelled(attempt, ended)
        else:
            self._give_back(attempt)
        if self._is_stopped:
            attempt.error = StepCancelledError(f"{name} was interrupted{'' if ended else ' before it began'}")
        else:
            note = "" if ended else ", in which the resources of its step never were free"
            attempt.error = StepTimeoutError(name, seconds, note)
        attempt.note(attempt.error)

    async def _cancelled(self, attempt: Attempt, ended: anyio.Event) -> None:
        """Have a body cancelled that can be, and wait for that; note one that goes on."""
        lane = self._engine.lanes[self.schedule.lane(attempt.unit)]
        self.providers.cancel_of(attempt)
        if lane.enforces_timeouts:
            lane.cancel([attempt])
            with anyio.move_on_after(self.info.config.grace):
                await ended.wait()
        with self._engine.lock:
            if attempt in self._ends:
                attempt.remark = "was still being undone when its time was up"
                attempt.leave()
                self._state.overdue[id(attempt)] = attempt

    def _give_back(self, attempt: Attempt) -> None:
        """Give back what an undo that never began was given."""
        with self._engine.lock:
            self._release(attempt)
        self._engine.wake_lanes()

    def _release(self, attempt: Attempt) -> None:
        if attempt in self._held:
            self._engine.holders.release(*self._held.pop(attempt))

    # What attempts ask and say, from any thread.

    def is_over(self, attempt: Attempt) -> bool:
        """Return whether nobody waits for an undo any more."""
        return attempt.overdue

    def stop_clock(self, attempt: Attempt) -> None:
        """Nothing is to be looked at: an undo has no deadline of its own."""

    def hand_over(self, attempt: Attempt) -> bool:
        """Say that the outcome of an undo is not written before it is settled: that it began is what counts."""
        return False

    def settle(self, attempt: Attempt) -> None:
        """Hear that an undo has ended, and have torn down what it had of its own; under the lock."""
        if self.providers.has_own(attempt):
            attempt.ended = time.monotonic()
            self._engine.to_release.append(attempt)
            self._engine.notify()
            return
        ended = self._ends.pop(attempt)
        self._release(attempt)
        if self._state.overdue.pop(id(attempt), None) and not self._state.overdue and self._state.when_left:
            self._state.when_left()
        self._engine.attend(ended.set)


def _nothing_inside(attempt: Attempt) -> NoReturn:
    raise InnerStepError(
        f"the undo of {attempt.info.name} cannot run other steps", where=attempt.step.definition.where,
        hint="call them as the functions they are",
    )  # fmt: skip
