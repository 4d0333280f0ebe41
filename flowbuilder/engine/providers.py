"""Providers of one run: set up when first needed, once, and torn down in reverse order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from anyio.abc import TaskGroup

from flowbuilder.engine.provided import Provided
from flowbuilder.plan.plan import Binding, Kind, Plan


class Providers:
    """Sets providers up on demand. Changed on the loop only; lanes' threads read it."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._alive: dict[str, Provided] = {}

    def stand(self, names: Iterable[str]) -> bool:
        """Return whether all of ``names`` are set up."""
        return all(
            (one := self._alive.get(name)) is not None and one.ready.is_set() and one.error is None for name in names
        )

    def failure(self, names: Iterable[str]) -> BaseException | None:
        """Return why one of ``names`` could not be set up."""
        return next((error for name in names if (error := self._alive[name].error) is not None), None)

    def value(self, name: str) -> Any:
        """Return a provider's value."""
        return self._alive[name].value

    async def ensure(self, names: Iterable[str], group: TaskGroup) -> None:
        """Set up ``names`` and all they request, each once; errors are kept, not raised."""
        for name in names:
            await self._ensure(name, group)

    async def _ensure(self, name: str, group: TaskGroup) -> None:
        provided = self._alive.get(name)
        if provided is None:
            planned = self._plan.providers[name]
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
        if error is not None:
            provided.fail(error)
        else:
            group.start_soon(provided.live, self._kwargs(bindings), name=f"provider {provided.name}")

    async def tear_down(self) -> list[BaseException]:
        """Tear down all providers, the last set up first; return what their tear-downs raised."""
        for provided in reversed(self._alive.values()):
            await provided.take_down()
        return [error for one in self._alive.values() if (error := one.teardown_error) is not None]

    def cancel(self) -> None:
        """Cancel every set-up that can be interrupted."""
        for provided in self._alive.values():
            provided.cancel()

    def abandon(self) -> None:
        """Stop waiting for set-ups and tear-downs that still go on."""
        for provided in self._alive.values():
            provided.abandon()

    def _kwargs(self, bindings: Iterable[Binding]) -> Mapping[str, Any]:
        found: dict[str, Any] = {}
        for binding in bindings:
            if binding.kind is Kind.PROVIDER:
                found[binding.parameter] = self._alive[binding.source].value
            elif binding.kind is Kind.VALUE:
                found[binding.parameter] = binding.value
            elif self._plan.inputs[binding.source].origin != "default":
                found[binding.parameter] = self._plan.inputs[binding.source].value
        return found
