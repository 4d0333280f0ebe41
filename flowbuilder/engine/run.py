"""Run: one run of a plan, as its engine and its attempts see it; the engine holds the lock."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from weakref import ref

from flowbuilder.engine.attempt import Attempt
from flowbuilder.engine.context import Inside
from flowbuilder.engine.ending import Ending
from flowbuilder.engine.kept import Kept
from flowbuilder.engine.recollection import Recollection
from flowbuilder.engine.rounds import NO_ROUNDS, Rounds
from flowbuilder.engine.state import RunState


class Run:
    """Starts the units its share was granted, and settles their attempts.

    Args:
        state: the state of the run, from now on changed only here and by ``Ending``.
        attend: what the loop is to call when it has to act.
        ending: what follows when an attempt ends, where that is not the same as in any run.
    """

    def __init__(self, state: RunState, attend: Callable[[], None], ending: Ending | None = None) -> None:
        self.state = state
        self.attend = attend
        self.info = state.info
        self.schedule = state.schedule
        self.variables = state.variables
        self.wrappers = state.shared.wrappers
        self.providers = state.providers
        self.memory = state.memory
        self.info_of = state.records.info_of
        self.arguments = state.values.arguments
        self.values_of = state.values.values_of
        self.items_of = state.values.items_of
        self.result_of = state.records.as_ended
        self.inner_of = state.records.inner_of
        self._ending = ending or Ending(state, attend)
        has_own = state.providers.per_step
        self.settle = self._ending.settle_or_release if has_own else self._ending.settle
        self.stop_clock = self._ending.stop_clock
        self.hand_over = self._ending.hand_over
        self._steps = state.steps
        self._current = state.current
        self._tries = state.tries
        self._wanted: set[int] = set()
        self._hears_start = state.relay.hears("step_start")
        has_limit, goes_on = state.info.config.step_timeout is not None, state.info.kept is not None
        shape, every = state.shape, range(len(self._steps))
        has_special = has_limit or goes_on
        self._special: Container[int] = every if has_special else shape.special
        self._special_items: Container[int] = every if has_special else shape.special_items

    # What attempts ask, from any thread, without the lock.

    def begin(self, attempt: Attempt) -> None:
        """Tell the start of a step whose condition holds, which is not asked again."""
        self._wanted.add(attempt.unit)
        if self.state.shared.journal is not None:
            self.state.shared.journal.note(attempt)
        self._tell_start(attempt)

    def tell_progress(self, attempt: Attempt, done: float, total: float | None) -> None:
        """Tell how far an attempt's body is."""
        if not self.is_over(attempt):
            self.state.relay.tell("step_progress", run=self.info, step=attempt.info, done=done, total=total)

    def inside(self, attempt: Attempt) -> Inside:
        """Return what an attempt's body may run things with, by its ``ctx``."""
        return self.state.shared.inside(attempt, self)

    def recollection(self, attempt: Attempt) -> Recollection | None:
        """Return what is known of the calls that an attempt's body makes; None where nothing is kept."""
        journal = self.state.shared.journal
        if journal is None or attempt.phase != "body" or self.info.parent is not None:
            return None
        return journal.recollection(attempt)

    def is_over(self, attempt: Attempt) -> bool:
        """Return whether nobody waits for an attempt any more."""
        return attempt.overdue or self.state.is_stopping

    # What the engine says; under the lock.

    @property
    def units(self) -> Iterable[int]:
        """All units among which some may wait."""
        return range(self.schedule.count)

    def start(self, unit: int, lane: int) -> Attempt:
        """Start a unit that was given its slot."""
        step, tries = self.schedule.start(unit), self._tries
        attempt = Attempt(self, unit, self._steps[step], tries.get(unit, 0) + 1 if tries else 1)
        self._current[unit] = attempt
        if step in (self._special if unit == step else self._special_items):
            self._equip(attempt, step, lane)
            return attempt
        attempt.is_plain = attempt.number == 1 and not self.wrappers
        if self._hears_start:
            self.state.relay.tell_of("step_start", attempt.fact)
        return attempt

    def _equip(self, attempt: Attempt, step: int, lane: int) -> None:
        """Give an attempt what only few have."""
        shape = self.state.shape
        if attempt.step.each and attempt.unit == step:
            # Its start is told with the number of its items.
            attempt.phase, attempt.has_begun = "expand", False
            return
        if self.info.kept is not None:
            self._go_on(attempt, self.info.kept)
            if attempt.phase == "lost":
                return
        if step in shape.conditional and attempt.unit not in self._wanted:
            # Its start is told when its condition holds.
            attempt.is_conditional, attempt.has_begun = True, False
        else:
            self._tell_start(attempt)
        if step in shape.cached and self.info.parent is None:
            attempt.recall = self.state.shared.journal
        if step in shape.repeated:
            self._count_round(attempt)
        timeout = shape.timeouts.get(step, self.info.config.step_timeout)
        if timeout is not None:
            self._set_limit(attempt, timeout, lane)

    def _tell_start(self, attempt: Attempt) -> None:
        if self._hears_start:
            self.state.relay.tell_of("step_start", attempt.fact)

    def _count_round(self, attempt: Attempt) -> None:
        attempt.until = getattr(attempt.step.definition, "until", None)
        done, attempt.earlier = self.state.rounds.get(attempt.unit, NO_ROUNDS)
        attempt.round = done + 1

    def _go_on(self, attempt: Attempt, kept: Kept) -> None:
        """Number an attempt behind those that were made before the run was resumed."""
        name = attempt.info.name
        attempt.earlier = kept.forgiven.get(name, 0)
        if attempt.unit not in self.state.tries:
            attempt.number += kept.attempts.get(name, 0)
            self.state.rounds[attempt.unit] = Rounds(0, attempt.earlier)
        if name in kept.lost:
            attempt.phase, attempt.number = "lost", attempt.number - 1

    def _set_limit(self, attempt: Attempt, timeout: float, lane: int) -> None:
        attempt.timeout = timeout
        attempt.deadline = attempt.started + timeout
        if not self.stand(attempt):
            self._look_at(attempt.deadline, attempt, Run._check_providers)
        if self.state.shared.facts[lane].enforces_timeouts:
            # Behind the lane's own limit stands this one, for bodies that swallow their cancellation.
            self._look_at(attempt.deadline + self.info.config.grace, attempt, Run._check_cancelled)
        else:
            self._look_at(attempt.deadline, attempt, Run._check_thread)

    def _look_at(self, when: float, attempt: Attempt, check: Callable[[Run, Attempt], None]) -> None:
        """Check an attempt at a time, if there still is one: a deadline far off keeps no attempt and no run."""
        run, kept = ref(self), ref(attempt)

        def due() -> None:
            own, one = run(), kept()
            if own is not None and one is not None:
                check(own, one)

        self.state.shared.at(when, due)

    def _check_providers(self, attempt: Attempt) -> None:
        if not self.stand(attempt):
            attempt.remark = "overran while its providers were set up"
            self._ending.overran(attempt, "its providers were still being set up")
            self.state.providers.cancel_of(attempt)

    def _check_cancelled(self, attempt: Attempt) -> None:
        self._ending.overran(attempt, "it ignored its cancellation")

    def _check_thread(self, attempt: Attempt) -> None:
        self._ending.overran(attempt, "its thread is still running")

    def stand(self, attempt: Attempt) -> bool:
        """Return whether all providers of an attempt are set up."""
        return self.state.providers.stand(attempt)

    def digest(self) -> None:
        """Act on what the schedule decided by itself."""
        self._ending.digest()

    def cancel(self, reason: str) -> None:
        """Start nothing new and have what runs cancelled."""
        if not self.state.cancel_reason and not self.schedule.ended:
            self.state.cancel_reason = reason
            self.schedule.stop()
            self._ending.digest()

    def end_grace(self) -> None:
        """Give up on what has not ended within the grace period: after a stop, or where all else waits for it."""
        if self.schedule.stopped:
            self._ending.abandon_running(f"was cancelled, but still runs after {self.info.config.grace:g} s")
        elif self.schedule.starved and self.state.overdue:
            names = ", ".join(dict.fromkeys(one.info.name for one in self.state.overdue.values()))
            self.state.records.stop_reason = f"it waited for {names}, which overran and still runs"
            self.schedule.stop()
            self._ending.digest()
