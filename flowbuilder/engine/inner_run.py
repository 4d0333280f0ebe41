"""InnerRun: one ``ctx.run`` or ``ctx.map`` as a run of its own, inside the body that waits for it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from flowbuilder.engine.attempt import Attempt
from flowbuilder.engine.inner_ending import InnerEnding, nothing
from flowbuilder.engine.inner_schedule import InnerSchedule
from flowbuilder.engine.inner_state import InnerState
from flowbuilder.engine.kept import Kept
from flowbuilder.engine.limits import Limit, Needs
from flowbuilder.engine.pulling import Fed
from flowbuilder.engine.recollection import Recollection
from flowbuilder.engine.remembering import Remembering
from flowbuilder.engine.run import Run
from flowbuilder.engine.timers import weakly
from flowbuilder.engine.views import StepInfo
from flowbuilder.engine.waiter import Waiter
from flowbuilder.errors import StepCancelledError
from flowbuilder.plan.inner import InnerStep
from flowbuilder.results import Status, StepResult


class Body(Protocol):
    """The body that such a run is inside of."""

    attempt: Attempt
    run: Run
    resources: Mapping[str, Limit]
    counts: Counter[str]
    remembering: Remembering


class InnerRun(Run):
    """The units of one call, which all are of one step; what it says of itself needs the engine's lock.

    ``results`` has what each returned, in order, ``errors`` what those by place raised that did not succeed.

    Args:
        body: the body that waits for it.
        planned: what its units are calls of.
        whole: what hooks see of it as a whole.
        lane: where its units run.
        needs: what each of them needs beside its slot.
        waiter: is woken when there is news for the body.
    """

    schedule: InnerSchedule

    def __init__(
        self, body: Body, planned: InnerStep, whole: StepInfo, *, lane: int, needs: Needs, waiter: Waiter
    ) -> None:
        outer = body.run.state
        share = outer.schedule.share.inside(outer.schedule.step(body.attempt.unit))
        schedule = InnerSchedule(share, lane, needs)
        state = self._own = InnerState(outer, planned, whole, schedule, body.resources)
        self._left = InnerEnding(state, self._cancel_bodies, self._deliver, self._wake)
        super().__init__(state, self._cancel_bodies, self._left)
        share.owner = self
        self.whole = whole
        self.results: list[Any] = state.records.values
        self.errors: dict[int, BaseException] = {}
        self._body = body
        self.waiters = [waiter]
        self.window = 1
        self._is_fed = False
        self._began = time.monotonic()

    # What the body asks and says; under the lock.

    @property
    def name(self) -> str:
        """What it is called as a whole: after the body it runs in."""
        return self.whole.name

    @property
    def is_done(self) -> bool:
        """Whether all units have ended, and no more come."""
        return self._is_fed and not self.schedule.open

    @property
    def units(self) -> Sequence[int]:
        """All units that have not ended, and those that were left behind: of a long map they are few."""
        return list(self._own.values.given)

    @property
    def is_stopped(self) -> bool:
        """Whether nothing of it starts any more."""
        return self.state.is_stopping

    @property
    def has_overdue(self) -> bool:
        """Whether bodies of it were left behind."""
        return bool(self._left.units)

    def feed(self, calls: Sequence[Fed], *, is_last: bool, is_map: bool = True) -> None:
        """Let units wait for their slots, but for those that are kept; ``is_last`` says that no more come."""
        self._own.records.is_map = is_map
        self._is_fed = self._is_fed or is_last or self.is_stopped
        if self.is_stopped:
            return
        for given, known in calls:
            if known.is_kept:
                self.schedule.keep()
                self._own.records.begin(known.value)
                self._body.counts[Status.SUCCESS] += 1
                continue
            unit = self.schedule.begin()
            self._own.values.given[unit] = given
            if known.mark is not None:
                self._own.marks[unit] = known.mark
            self._own.records.begin()

    def start(self, unit: int, lane: int) -> Attempt:
        """Start a unit that was given its slot."""
        attempt = super().start(unit, lane)
        attempt.mark = self._own.marks.get(unit)
        return attempt

    def _go_on(self, attempt: Attempt, kept: Kept) -> None:
        """Do nothing: attempts inside a body are counted anew with each of its own."""

    def recollection(self, attempt: Attempt) -> Recollection | None:
        """Return what is known of the calls that an attempt's body makes; None where nothing is kept."""
        return self._body.remembering.inside(attempt)

    def stop(self, reason: str) -> None:
        """Cancel it: what has not started is skipped, what runs is cancelled and, after the grace period, left."""
        if self.is_stopped:
            return
        self._is_fed = True
        self.state.cancel_reason = reason
        self.schedule.stop()
        self.digest()
        self._deliver()
        for attempt in self.state.current.values():
            if attempt.inner is not None:
                attempt.inner.stop()
        if self.schedule.open:
            self.state.shared.attend(self.attend)
            self.state.shared.at(time.monotonic() + self.info.config.grace, weakly(self.leave))

    def leave(self) -> None:
        """Wait for nothing any more: bodies that still run are left behind."""
        if self.schedule.open:
            self._ending.abandon_running(f"was cancelled, but still runs after {self.info.config.grace:g} s")

    def lose(self, error: BaseException) -> None:
        """Wait for nothing any more, since the engine broke."""
        for waiter in self.waiters:
            waiter.wake()
        for attempt in self.state.current.values():
            if attempt.inner is not None:
                attempt.inner.lose(error)

    def close(self) -> None:
        """Let go of what leads back here, so that a call that is over is gone at once; bodies left behind still end."""
        if not self.has_overdue:
            self.schedule.share.owner = None
            self.attend = nothing
            self._left.close()

    # As a whole, where it is a map; without the lock.

    def tell_start(self) -> None:
        """Tell that a map begins."""
        self.state.relay.tell("step_start", run=self.info, step=self.whole, attempt=1)

    def tell_cancelled(self) -> None:
        """Tell that its body did not wait for it."""
        self._tell_end(Status.CANCELLED, StepCancelledError(f"{self.whole.name} was cancelled"))

    def outcome(self, error: BaseException | None) -> list[Any]:
        """Return what the items of a map returned, or raise what some of them did not, or ``error`` of the items."""
        errors = [self.errors[place] for place in sorted(self.errors)]
        if error is not None:
            errors.append(error)
        if not errors:
            self._tell_end(Status.SUCCESS, None)
            return self.results
        failure = errors[0]
        if error is None or len(errors) > 1:
            failed = f"{len(self.errors)} of {len(self.results)} items of {self.whole.name} failed"
            failure = BaseExceptionGroup(failed, errors)
        self._tell_end(Status.FAILED, failure)
        raise failure

    def _tell_end(self, status: Status, error: BaseException | None) -> None:
        relay, name = self.state.relay, "step_finish" if status is Status.SUCCESS else "step_error"
        if self._own.records.is_map and relay.hears(name):
            value = self.results if status is Status.SUCCESS else None
            began, lasted = time.time() - (time.monotonic() - self._began), time.monotonic() - self._began
            result: StepResult[Any] = StepResult(self.whole.name, status, value, error, 1, began, lasted)
            relay.tell(name, run=self.info, step=self.whole, result=result)

    # What the engine asks and says.

    def is_over(self, attempt: Attempt) -> bool:
        """Return whether nobody waits for an attempt any more."""
        return super().is_over(attempt) or self._body.run.is_over(self._body.attempt)

    def _cancel_bodies(self) -> None:
        """Have the bodies that run cancelled, where it was stopped; on the loop."""
        if self.state.cancel_bodies:
            self.state.cancel_bodies = False
            self.state.shared.cancel_bodies(self.state.current)

    def _deliver(self) -> None:
        """Give the body what has ended."""
        over, self.schedule.over = self.schedule.over, []
        for unit in over:
            row = self._own.records.row(unit)
            self._body.counts[row.status] += 1
            if row.status is not Status.SUCCESS:
                name = self._own.records.info_of(unit).name
                self.errors[unit] = row.error or StepCancelledError(f"{name} was not started: {row.reason}")
            if unit not in self._left.units:
                del self._own.values.given[unit]
                self._own.marks.pop(unit, None)
                self.state.tries.pop(unit, None)
        if over:
            self._wake()

    def _wake(self) -> None:
        for waiter in self.waiters:
            waiter.wake()
