"""ProviderSet: the providers that live as long as one run, or as one attempt of a step."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from anyio.abc import TaskGroup

from flowbuilder.engine.provided import Provided
from flowbuilder.errors import StepCancelledError
from flowbuilder.plan.plan import Binding, Kind, Plan


class ProviderSet:
    """Sets providers up on demand, each once, and tears them down in reverse order.

    Changed on the loop only; lanes' threads read it.

    Args:
        plan: the plan they are of.
        outer: the run's, for the set of an attempt, which has those of ``scope="step"``.
    """

    def __init__(self, plan: Plan, outer: ProviderSet | None = None) -> None:
        self._plan = plan
        self._outer = outer
        self._alive: dict[str, Provided] = {}
        self._is_cancelled = False

    def stand(self, names: Iterable[str]) -> bool:
        """Return whether all of ``names`` are set up."""
        found = map(self.find, names)
        return all(one is not None and one.ready.is_set() and one.error is None for one in found)

    def failure(self, names: Iterable[str]) -> BaseException | None:
        """Return why one of ``names`` could not be set up."""
        found = map(self.find, names)
        return next((one.error for one in found if one is not None and one.error is not None), None)

    def value(self, name: str) -> Any:
        """Return a provider's value."""
        found = self.find(name)
        return found.value if found is not None else None

    def find(self, name: str) -> Provided | None:
        """Return a provider that was begun, of this set or of the run."""
        found = self._alive.get(name)
        return self._outer.find(name) if found is None and self._outer is not None else found

    async def ensure(self, names: Iterable[str], group: TaskGroup) -> None:
        """Set up ``names`` and all they request, each once, until one fails; errors are kept, not raised."""
        for name in names:
            await self._ensure(name, group)
            if self.failure([name]) is not None:
                return

    async def _ensure(self, name: str, group: TaskGroup) -> None:
        planned = self._plan.providers[name]
        if self._outer is not None and not planned.definition.is_per_step:
            await self._outer.ensure([name], group)
            return
        provided = self._alive.get(name)
        if provided is None:
            requested = [one.source for one in planned.bindings if one.kind is Kind.PROVIDER]
            await self.ensure(requested, group)
            # Another step may have asked for it while this one waited for what it requests.
            provided = self._alive.get(name)
            if provided is None:
                provided = self._alive[name] = Provided(name, planned.definition)
                self._begin(provided, requested, planned.bindings, group)
        await provided.ready.wait()

    def _begin(
        self, provided: Provided, requested: Iterable[str], bindings: Iterable[Binding], group: TaskGroup
    ) -> None:
        error = self.failure(requested)
        if self._is_cancelled:
            provided.fail(StepCancelledError(f"the set-up of provider {provided.name} was cancelled"))
        elif error is not None:
            provided.fail(error)
        else:
            kwargs = arguments_of(self._plan, bindings, self.value)
            group.start_soon(provided.live, kwargs, name=f"provider {provided.name}")

    async def tear_down(self) -> list[BaseException]:
        """Tear down all providers, the last set up first; return what their tear-downs raised."""
        # Nothing is begun meanwhile: a step that timed out may still have its providers set up.
        self.cancel()
        for provided in list(reversed(self._alive.values())):
            await provided.take_down()
        return [error for one in self._alive.values() if (error := one.teardown_error) is not None]

    def cancel(self) -> None:
        """Cancel every set-up that can be interrupted, and begin none any more."""
        self._is_cancelled = True
        for provided in self._alive.values():
            provided.cancel()

    def reopen(self) -> None:
        """Let set-ups begin again."""
        self._is_cancelled = False

    def abandon(self) -> None:
        """Stop waiting for set-ups and tear-downs that still go on."""
        for provided in self._alive.values():
            provided.abandon()


def arguments_of(plan: Plan, bindings: Iterable[Binding], value_of: Callable[[str], Any]) -> dict[str, Any]:
    """Return the arguments of a provider; ``value_of`` gives the values of those it requests."""
    found: dict[str, Any] = {}
    for binding in bindings:
        if binding.kind is Kind.PROVIDER:
            found[binding.parameter] = value_of(binding.source)
        elif binding.kind is Kind.VALUE:
            found[binding.parameter] = binding.value
        elif plan.inputs[binding.source].origin != "default":
            found[binding.parameter] = plan.inputs[binding.source].value
    return found
