"""Providers: those of one run, and those of each attempt that needs some of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anyio.abc import TaskGroup

from flowbuilder.engine.provider_set import ProviderSet
from flowbuilder.plan.plan import Kind, Plan
from flowbuilder.results import Status

if TYPE_CHECKING:
    from flowbuilder.engine.attempt import Attempt


class Providers:
    """Sets up and tears down: for the run when first needed, for an attempt around its body.

    Changed on the loop only; lanes' threads read it. An attempt keeps its slot and what it holds
    until its providers are torn down. ``per_step`` names those of ``scope="step"``.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._of_run = ProviderSet(plan)
        self.per_step = frozenset(name for name, one in plan.providers.items() if one.definition.is_per_step)
        self._of_attempts: dict[Attempt, ProviderSet] = {}
        self._errors: list[BaseException] = []

    def stand(self, attempt: Attempt) -> bool:
        """Return whether all providers of an attempt are set up."""
        if not self.per_step:
            return self._of_run.stand(attempt.step.providers)
        own, shared = self._own_and_shared(attempt)
        found = self._of_attempts.get(attempt)
        return self._of_run.stand(shared) and (not own or (found is not None and found.stand(own)))

    def value(self, name: str, attempt: Attempt) -> Any:
        """Return a provider's value."""
        return self._of_attempts.get(attempt, self._of_run).value(name)

    def _own_and_shared(self, attempt: Attempt) -> tuple[list[str], list[str]]:
        """Return the providers that are made for an attempt alone, and those of the run."""
        step = attempt.step
        is_rescue = attempt.phase == "rescue"
        asking = step.on_error if is_rescue else (*step.bindings, *step.when, *step.until)
        asked = [one.source for one in asking if one.kind is Kind.PROVIDER]
        own = [name for name in asked if name in self.per_step and attempt.phase != "expand"]
        return own, [name for name in (asked if is_rescue else step.providers) if name not in self.per_step]

    async def prepare(self, attempt: Attempt, group: TaskGroup) -> BaseException | None:
        """Set up what an attempt needs; return why it could not be."""
        own, shared = self._own_and_shared(attempt)
        await self._of_run.ensure(shared, group)
        error = self._of_run.failure(shared)
        # One that is over by now is not begun.
        if error is None and own and not attempt.source.is_over(attempt):
            found = self._of_attempts[attempt] = ProviderSet(self._plan, self._of_run)
            await found.ensure(own, group)
            error = found.failure(own)
        return error

    def wants_own(self, attempt: Attempt) -> bool:
        """Return whether an attempt needs providers that are made for it alone."""
        return bool(self.per_step and self._own_and_shared(attempt)[0])

    def has_own(self, attempt: Attempt) -> bool:
        """Return whether an attempt has providers of its own that are to be torn down."""
        return attempt in self._of_attempts

    async def release(self, attempt: Attempt) -> None:
        """Tear down the providers of an attempt whose body has ended.

        What that raises fails an attempt that succeeded. Of any other it is an error beside its own.
        """
        own = self._of_attempts.get(attempt)
        errors = await own.tear_down() if own is not None else []
        self._of_attempts.pop(attempt, None)
        if not errors:
            return
        if attempt.status is Status.SUCCESS and not attempt.overdue and not attempt.passed:
            group = BaseExceptionGroup(f"the tear-down of {attempt.info.name}'s providers", errors)
            attempt.fail(errors[0] if len(errors) == 1 else group)
        else:
            for error in errors:
                attempt.note(error)
            self._errors += errors

    async def tear_down(self) -> list[BaseException]:
        """Tear down all that stand, the last set up first; return what tear-downs raised, those of attempts too."""
        found: list[BaseException] = []
        # A body that nobody waits for may still have some.
        for attempt, one in list(self._of_attempts.items()):
            found += await one.tear_down()
            self._of_attempts.pop(attempt, None)
        found += await self._of_run.tear_down()
        return self._errors + found

    def cancel(self) -> None:
        """Cancel every set-up that can be interrupted, and begin none any more."""
        for one in (*self._of_attempts.values(), self._of_run):
            one.cancel()

    def cancel_of(self, attempt: Attempt) -> None:
        """Cancel the set-ups of what an attempt alone needs."""
        if attempt in self._of_attempts:
            self._of_attempts[attempt].cancel()

    def abandon(self) -> None:
        """Stop waiting for set-ups and tear-downs that still go on."""
        for one in (*self._of_attempts.values(), self._of_run):
            one.abandon()
