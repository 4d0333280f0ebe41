"""Providers: those of one run, and those of each attempt that needs some of its own."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from anyio.abc import TaskGroup

from flowbuilder.engine.provider_set import ProviderSet
from flowbuilder.engine.thread_set import ThreadSet
from flowbuilder.errors import StepCancelledError
from flowbuilder.plan.plan import Binding, Kind, Plan, PlannedProvider, PlannedStep
from flowbuilder.results import Status

if TYPE_CHECKING:
    from flowbuilder.engine.attempt import Attempt


class Needed(NamedTuple):
    """What the loop sets up for an attempt: providers for it alone, and those of the run."""

    own: Sequence[str]
    shared: Sequence[str]


class Providers:
    """Sets up and tears down: for the run when first needed, for an attempt around its body.

    Those of an attempt are set up on the loop, before it is given to its lane, unless they are
    plain functions and so is its body, in a thread: then it is done in that thread, as the values
    are asked for. An attempt keeps its slot and what it holds until its providers are torn down.

    Changed on the loop only, but for the sets of threads, each by its own; lanes' threads read it.
    ``per_step`` names those of ``scope="step"``.
    """

    def __init__(self, plan: Plan) -> None:
        # Those that only what runs inside a body requests come later.
        self._planned = dict(plan.providers)
        self._plan = plan = replace(plan, providers=self._planned)
        self._of_run = ProviderSet(plan)
        self.per_step = frozenset(name for name, one in plan.providers.items() if one.definition.is_per_step)
        self._loop_sets: dict[Attempt, ProviderSet] = {}
        self._thread_sets: dict[Attempt, ThreadSet] = {}
        self._errors: list[BaseException] = []
        self._known: dict[tuple[PlannedStep, str], Needed] = {}

    def know(self, planned: Iterable[PlannedProvider]) -> None:
        """Know providers that only what runs inside a body requests."""
        new = {one.name: one for one in planned if one.name not in self._planned}
        if new:
            self._planned |= new
            self.per_step |= {name for name, one in new.items() if one.definition.is_per_step}

    def stand(self, attempt: Attempt) -> bool:
        """Return whether all providers of an attempt are set up that are not left to its thread."""
        if not self.per_step:
            return self._of_run.stand(attempt.step.providers)
        needed, found = self._needed(attempt), self._loop_sets.get(attempt)
        has_own = not needed.own or (found is not None and found.stand(needed.own))
        return has_own and self._of_run.stand(needed.shared)

    def value(self, name: str, attempt: Attempt) -> Any:
        """Return a provider's value; one that is left to the attempt's thread is set up."""
        own: ProviderSet | ThreadSet | None = self._loop_sets.get(attempt)
        if own is None and name in self.per_step:
            own = self._thread_sets.get(attempt)
            if own is None:
                own = self._thread_sets[attempt] = ThreadSet(self._plan, self._of_run)
            value = own.value(name)
            if attempt.source.is_over(attempt):
                raise StepCancelledError(f"{attempt.info.name} was cancelled")
            return value
        return (own or self._of_run).value(name)

    def _needed(self, attempt: Attempt) -> Needed:
        """Return what the loop sets up for an attempt; looked up once for each step and phase."""
        key = attempt.step, attempt.phase
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = Needed(self._own(attempt), self._shared(attempt))
        return found

    def _own(self, attempt: Attempt) -> Sequence[str]:
        """Return the providers that the loop sets up for an attempt alone."""
        step = attempt.step
        if attempt.phase == "expand":
            return ()
        beside = _beside(attempt)
        asking = (*step.bindings, *step.when, *step.until) if beside is None else beside
        own = [one.source for one in asking if one.kind is Kind.PROVIDER and one.source in self.per_step]
        is_plain = step.executor == "thread" and not any(map(self._is_async, self._beneath(own)))
        return () if is_plain else own

    def _shared(self, attempt: Attempt) -> Sequence[str]:
        """Return those of the run that an attempt needs, also where only its own request them."""
        beside = _beside(attempt)
        asked = [one.source for one in beside or () if one.kind is Kind.PROVIDER]
        names = attempt.step.providers if beside is None else asked
        return [name for name in self._beneath(names) if name not in self.per_step]

    def _beneath(self, names: Iterable[str]) -> dict[str, None]:
        """Return providers with those that are requested by ones of a step, and further down."""
        found = dict.fromkeys(names)
        waiting = [name for name in found if name in self.per_step]
        for name in waiting:  # it grows
            below = [one.source for one in self._plan.providers[name].bindings if one.kind is Kind.PROVIDER]
            waiting += [one for one in below if one in self.per_step and one not in found]
            found |= dict.fromkeys(below)
        return found

    def _is_async(self, name: str) -> bool:
        return name in self.per_step and bool(self._plan.providers[name].definition.is_async)

    def failure(self, names: Iterable[str]) -> BaseException | None:
        """Return why one of ``names``, of the run's, could not be set up."""
        return self._of_run.failure(names)

    async def prepare(self, attempt: Attempt, group: TaskGroup) -> BaseException | None:
        """Set up what an attempt needs; return why it could not be."""
        own, shared = self._needed(attempt)
        await self._of_run.ensure(shared, group)
        error = self._of_run.failure(shared)
        # One that is over by now is not begun.
        if error is None and own and not attempt.source.is_over(attempt):
            found = self._loop_sets[attempt] = ProviderSet(self._plan, self._of_run)
            await found.ensure(own, group)
            error = found.failure(own)
        return error

    def wants_own(self, attempt: Attempt) -> bool:
        """Return whether the loop has to set something up for an attempt alone."""
        return bool(self.per_step and self._needed(attempt).own)

    def has_own(self, attempt: Attempt) -> bool:
        """Return whether the loop has to tear something down that an attempt has of its own."""
        return attempt in self._loop_sets

    def leave_thread(self, attempt: Attempt) -> None:
        """Tear down what an attempt has in its thread, which calls this when the body has ended."""
        own = self._thread_sets.pop(attempt, None)
        if own is not None:
            attempt.ended = time.monotonic()
            self._note_errors(attempt, own.tear_down())

    async def release(self, attempt: Attempt) -> None:
        """Tear down on the loop what an attempt has of its own, whose body has ended."""
        own = self._loop_sets.get(attempt)
        errors = await own.tear_down() if own is not None else []
        self._loop_sets.pop(attempt, None)
        self._note_errors(attempt, errors)

    def _note_errors(self, attempt: Attempt, errors: Sequence[BaseException]) -> None:
        """Fail an attempt that succeeded by what its tear-downs raised; of any other they stand beside its error."""
        if not errors:
            return
        if attempt.status is Status.SUCCESS and not attempt.overdue and not attempt.passed:
            group = BaseExceptionGroup(f"the tear-down of {attempt.info.name}'s providers", errors)
            attempt.fail(errors[0] if len(errors) == 1 else group)
            return
        for error in errors:
            attempt.note(error)
        self._errors += errors

    async def tear_down(self) -> list[BaseException]:
        """Tear down all that stand, the last set up first; return what tear-downs raised, those of attempts too."""
        found: list[BaseException] = []
        # A body that nobody waits for may still have some.
        for attempt, one in list(self._loop_sets.items()):
            found += await one.tear_down()
            self._loop_sets.pop(attempt, None)
        found += await self._of_run.tear_down()
        return self._errors + found

    def cancel(self) -> None:
        """Cancel every set-up that can be interrupted, and begin none any more."""
        for one in (*self._loop_sets.values(), self._of_run):
            one.cancel()

    def reopen(self) -> None:
        """Let set-ups begin again after a cancellation: what is undone may need some."""
        self._of_run.reopen()

    def cancel_of(self, attempt: Attempt) -> None:
        """Cancel the set-ups of what an attempt alone needs."""
        if attempt in self._loop_sets:
            self._loop_sets[attempt].cancel()

    def abandon(self) -> None:
        """Stop waiting for set-ups and tear-downs that still go on."""
        for one in (*self._loop_sets.values(), self._of_run):
            one.abandon()


def _beside(attempt: Attempt) -> Sequence[Binding] | None:
    """Return what a function beside the body asks for, where an attempt calls that alone."""
    return {"rescue": attempt.step.on_error, "undo": attempt.step.undo}.get(attempt.phase)
