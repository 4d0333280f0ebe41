"""Ending: what follows when an attempt ends, by itself, at its deadline or with the run."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from flowbuilder.engine.attempt import Attempt
from flowbuilder.engine.entries import News, State
from flowbuilder.engine.rounds import Rounds
from flowbuilder.engine.state import RunState
from flowbuilder.results import Status

_BY_ITSELF = (Status.SUCCESS, Status.FAILED)


class Ending:
    """Records each end, tells the hooks and the schedule; all of it under the engine's lock.

    Args:
        state: the state of the run.
        attend: what the loop is to call when it has to act.
    """

    def __init__(self, state: RunState, attend: Callable[[], None]) -> None:
        self._state = state
        self._attend = attend
        self._info = state.info
        self._current = state.current
        self._schedule = state.schedule
        self._records = state.records
        self._values = state.values
        self._relay = state.relay
        # A success is written before it is settled: only those who listen are told.
        self._hears_finish = state.shared.relay.hears("step_finish")

    def settle(self, attempt: Attempt) -> None:
        """Settle an attempt that has ended; its outcome is on it."""
        if attempt.is_plain and attempt.status is Status.SUCCESS:
            del self._current[attempt.unit]
            self._records.succeeded(attempt)
            if self._hears_finish:
                self._relay.tell_of("step_finish", attempt.fact)
            self._schedule.succeed(attempt.unit)
        else:
            self._settle(attempt)
        schedule = self._schedule
        if schedule.news:
            self.digest()
        if not schedule.live or self._state.cancel_bodies:
            self._look_around()

    def _settle(self, attempt: Attempt) -> None:
        if attempt.call is not None and attempt.is_untimed:
            self._state.was_untimed = True
        if attempt.overdue:
            self._body_ended(attempt)
        else:
            del self._state.current[attempt.unit]
            if attempt.deadline is not None:
                self._look_at_clock(attempt, attempt.deadline)
            if attempt.status is not Status.SUCCESS:
                self._settle_failure(attempt)
            elif attempt.phase == "expand":
                self._expand(attempt)
            elif attempt.passed:
                self._pass(attempt)
            elif attempt.wants_more:
                self._repeat(attempt)
            else:
                self._records.ended(attempt)
                self._relay.tell_of("step_finish", attempt.fact)
                self._schedule.succeed(attempt.unit)

    def settle_or_release(self, attempt: Attempt) -> None:
        """Settle an attempt, or have what it has of its own torn down first; until then it holds its slot."""
        if not self._state.providers.has_own(attempt):
            self.settle(attempt)
            return
        attempt.ended = time.monotonic()
        self._state.shared.to_release.append(attempt)
        self._state.shared.notify()

    def _look_at_clock(self, attempt: Attempt, deadline: float) -> None:
        # Whoever watches deadlines may come late, as when a body blocks the loop; the clock decides.
        if attempt.status in _BY_ITSELF and (attempt.ended or time.monotonic()) > deadline and not attempt.is_untimed:
            attempt.timed_out()

    def _look_around(self) -> None:
        """Call the loop where it has to act: bodies are to be cancelled, all has ended, or nothing can go on."""
        state, schedule = self._state, self._schedule
        if state.cancel_bodies or schedule.ended or (state.overdue and schedule.starved):
            state.shared.attend(self._attend)

    def stop_clock(self, attempt: Attempt) -> None:
        """Let how an attempt ended stand, however long it takes to write it; no lock is held."""
        if attempt.deadline is not None:
            self._look_at_clock(attempt, attempt.deadline)
            attempt.deadline = None

    def hand_over(self, attempt: Attempt) -> bool:
        """Return whether the outcome of an attempt has to be written before it is settled.

        A success gives its slot back meanwhile; but a failure may stop all others, and with one slot
        the order must not hang on how long the writing takes.
        """
        is_outcome = attempt.phase in ("body", "rescue") and not attempt.passed and self._info.parent is None
        if attempt.overdue or not is_outcome or attempt.status is Status.CANCELLED:
            return False
        if attempt.status is Status.SUCCESS and not self._state.has_one_slot:
            self._schedule.free(attempt.unit)
        return True

    def _pass(self, attempt: Attempt) -> None:
        self._records.skip(attempt.unit, attempt.passed)
        self._tell_skip(attempt.unit)
        self._schedule.skip(attempt.unit)

    def _settle_failure(self, attempt: Attempt, *, held: bool = False) -> None:
        if attempt.status is Status.CANCELLED and not attempt.has_begun:
            self._schedule.drop(attempt.unit)
            return
        if attempt.phase == "expand":
            self._tell_map(attempt.unit)
        definition = attempt.step.definition
        is_final = attempt.status is Status.CANCELLED or self._state.is_stopping or attempt.phase != "body"
        if not is_final and self._is_worth_another(attempt):
            self._retry(attempt, held=held)
        elif is_final or getattr(definition, "on_error", "fail") == "fail":
            self._fail(attempt, held=held)
        else:
            self._rescue(attempt, held=held)

    def _is_worth_another(self, attempt: Attempt) -> bool:
        if attempt.status is not Status.TIMED_OUT:
            return attempt.is_worth_another
        # Asked when the plan was made: here the lock is held, and no class of the user's may be asked.
        step = self._schedule.step(attempt.unit)
        return attempt.number - attempt.earlier <= self._state.shape.timeouts_retried.get(step, 0)

    def _retry(self, attempt: Attempt, *, held: bool) -> None:
        unit, number = attempt.unit, attempt.number
        retries = attempt.step.definition.retries  # type: ignore[union-attr]  # only a step has retries
        delay = retries.seconds_before(number - attempt.earlier + 1, self._state.random)
        self._state.tries[unit] = number
        self._records.tried(attempt)
        self._relay.tell(
            "step_retry", run=self._info, step=attempt.info, attempt=number, error=attempt.error, delay=delay
        )
        self._schedule.wait(unit, held=held)
        # An overdue thread is waited for first: no attempt starts while it lives.
        if not held:
            self._try_in(unit, delay)

    def _try_in(self, unit: int, delay: float) -> None:
        if delay:
            self._state.try_at(unit, time.monotonic() + delay)
        else:
            # At once, and not by the clock, which would leave the order to chance.
            self._schedule.due(unit)

    def _repeat(self, attempt: Attempt) -> None:
        """Let a unit whose ``until`` does not hold wait for its next round, as one waits that is tried again."""
        if self._state.is_stopping or attempt.until is None:
            attempt.cancelled()
            self._fail(attempt, held=False)
            return
        unit, state, delay = attempt.unit, self._state, attempt.until.every
        state.tries[unit] = attempt.number
        state.rounds[unit] = Rounds(attempt.round, attempt.number)
        self._records.repeated(attempt)
        self._relay.tell(
            "step_repeat", run=self._info, step=attempt.info, attempt=attempt.number,
            rounds=attempt.round, value=attempt.value, delay=delay,
        )  # fmt: skip
        self._schedule.wait(unit)
        self._try_in(unit, delay)

    def _rescue(self, attempt: Attempt, *, held: bool) -> None:
        unit, journal = attempt.unit, self._state.shared.journal
        goes_on = attempt.step.definition.on_error == "continue"  # type: ignore[union-attr]  # only a step has it
        if goes_on and journal is None:
            self._records.ended(attempt, rescued=True)
            self._relay.tell_of("step_finish", attempt.fact)
            self._schedule.succeed(unit, held=held)
            return
        again = self._twin(attempt)
        # What the body has printed is kept with its attempt.
        again.phase, again.call = "rescue", None
        self._records.tried(attempt)
        self._state.current[unit] = again
        if goes_on and journal is not None:
            # It is a success, and as such written before it is told or used; the error is asked for its text there.
            again.status, again.error, again.is_handed_over = Status.SUCCESS, attempt.error, True
            journal.end(again, lambda: journal.outcome(again)())
        elif self._state.providers.wants_own(again):
            self._state.shared.to_prepare.append(again)
            self._state.shared.notify()
        else:
            self._state.shared.prepared[self._schedule.lane(unit)].append(again)
        if held:
            self._schedule.lend(unit)

    def _fail(self, attempt: Attempt, *, held: bool) -> None:
        self._records.ended(attempt)
        self._relay.tell_of("step_error", attempt.fact)
        self._schedule.fail(attempt.unit, held=held)
        # A failure in a nested run is that of the body which runs it, once that fails with it.
        if self._info.parent is None:
            self._state.shared.failed()

    def _expand(self, attempt: Attempt) -> None:
        unit = attempt.unit
        count = self._values.expand(unit, attempt.value)
        kept = self._state.kept_items(unit, count)
        items = self._schedule.expand(unit, count, kept)
        self._records.expanded(attempt, items)
        self._state.keep_items(items, kept)
        self._tell_map(unit)
        if len(kept) == count:
            self._map_ended(unit)

    def _tell_map(self, unit: int) -> None:
        self._relay.tell("step_start", run=self._info, step=self._records.info_of(unit), attempt=1)

    # Bodies that are given up while they still run.

    def overran(self, attempt: Attempt, reason: str) -> None:
        """Settle an attempt whose deadline passed in a body that goes on, for a ``reason``; it keeps its slot."""
        if (
            self._state.current.get(attempt.unit) is not attempt
            or attempt.status is not None
            or attempt.phase != "body"
            or attempt.is_untimed
        ):
            return
        self._give_up(attempt)
        late = self._twin(attempt)
        late.inner = attempt.inner
        late.timed_out(f"; {reason}")
        self._settle_failure(late, held=True)
        self.digest()
        self._look_around()

    def abandon_running(self, reason: str) -> None:
        """Give up on every body that still runs, noting the ``reason``."""
        for attempt in list(self._state.current.values()):
            if attempt.is_handed_over:
                continue  # its body has ended, and what is left is to write that
            if attempt.status is not None and self._state.providers.has_own(attempt):
                continue  # its body has ended, and the loop gives up on the tear-down of its providers
            self._give_up(attempt)
            attempt.remark = reason
            if not attempt.has_begun:
                self._schedule.drop(attempt.unit, held=True)
                continue
            late = self._twin(attempt)
            late.inner = attempt.inner
            late.cancelled()
            self._fail(late, held=True)
        self.digest()

    def _twin(self, attempt: Attempt) -> Attempt:
        """Return an attempt of the same number, for what is said of it while its body still runs."""
        twin = Attempt(attempt.source, attempt.unit, attempt.step, attempt.number)
        twin.started, twin.timeout, twin.call = attempt.started, attempt.timeout, attempt.call
        twin.until, twin.round, twin.earlier = attempt.until, attempt.round, attempt.earlier
        twin.mark = attempt.mark
        return twin

    def _give_up(self, attempt: Attempt) -> None:
        attempt.overdue, attempt.is_plain = True, False
        attempt.leave()
        del self._state.current[attempt.unit]
        self._state.overdue[id(attempt)] = attempt

    def _body_ended(self, attempt: Attempt) -> None:
        """A body that was given up has really ended: its result is dropped and its slot comes back."""
        del self._state.overdue[id(attempt)]
        if not self._state.overdue and self._state.when_left:
            self._state.when_left()
        unit = attempt.unit
        self._schedule.release(unit)
        if self._schedule.state(unit) is State.WAITING and self._state.tries.get(unit) == attempt.number:
            self._schedule.due(unit)

    # News of the schedule.

    def digest(self) -> None:
        """Act on what the schedule decided by itself."""
        while self._schedule.news:
            news, self._schedule.news = self._schedule.news, []
            for one in news:
                self._digest_one(one)

    def _digest_one(self, one: News) -> None:
        if one.kind == "skip":
            self._records.skip_because(one.unit, one.cause, self._state.cancel_reason)
            self._tell_skip(one.unit)
        elif one.kind == "end":
            self._map_ended(one.unit)
        elif one.kind == "gave_up":
            self._records.gave_up(one.unit, self._state.rounds_begun(one.unit))
            self._tell_end("step_error", one.unit)
        elif one.kind == "stop":
            self._state.cancel_bodies = True
        else:
            self._relay.tell(one.kind, run=self._info, batch=self._state.batches[one.unit])

    def _map_ended(self, unit: int) -> None:
        schedule = self._schedule
        skipped = next((item for item in schedule.items.of(unit) if schedule.state(item) is State.SKIPPED), None)
        status = self._records.map_ended(unit, skipped)
        if status is Status.SKIPPED:
            self._tell_skip(unit)
            return
        hook = "step_finish" if status is Status.SUCCESS else "step_error"
        self._tell_end(hook, unit)

    def _tell_skip(self, unit: int) -> None:
        if self._relay.hears("step_skip"):
            reason = self._records.reason(unit)
            self._relay.tell("step_skip", run=self._info, step=self._records.info_of(unit), reason=reason)

    def _tell_end(self, hook: str, unit: int) -> None:
        # Asked for by whoever tells it: a map has the results of all its items.
        self._relay.tell_of(hook, partial(self._fact, unit))

    def _fact(self, unit: int, name: str) -> Any:
        """Return what hooks are told of a unit that ended by itself, by the name of the argument."""
        if name == "step":
            return self._records.info_of(unit)
        return self._info if name == "run" else self._records.as_ended(unit)
