"""Providers of one run: set up when first needed, once, and torn down in reverse order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from flowbuilder.plan.plan import Binding, Kind, Plan, PlannedProvider


class Provided:
    """One provider while it lives: its value, and the signals between it and the run."""

    def __init__(self) -> None:
        self.ready = anyio.Event()
        self.wanted_down = anyio.Event()
        self.down = anyio.Event()
        self.value: Any = None
        self.error: BaseException | None = None
        self.teardown_error: BaseException | None = None


class Providers:
    """Sets providers up on demand; each lives in a task of its own from set-up to tear-down."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._alive: dict[str, Provided] = {}

    def has(self, names: Iterable[str]) -> bool:
        """Return whether all of ``names`` are set up."""
        return all(name in self._alive and self._alive[name].ready.is_set() for name in names)

    def failure(self, names: Iterable[str]) -> BaseException | None:
        """Return why one of ``names`` could not be set up."""
        return next((e for name in names if (e := self._alive[name].error) is not None), None)

    def value(self, name: str) -> Any:
        """Return a provider's value."""
        return self._alive[name].value

    async def ensure(self, names: Iterable[str], group: TaskGroup) -> None:
        """Set up ``names`` and all they request, each once; errors are kept, not raised."""
        for name in self._with_upstream(names):
            if name not in self._alive:
                provided = self._alive[name] = Provided()
                group.start_soon(self._live, self._plan.providers[name], provided, name=f"provider {name}")
            await self._alive[name].ready.wait()

    def _with_upstream(self, names: Iterable[str]) -> list[str]:
        found: dict[str, None] = {}

        def visit(name: str) -> None:
            for binding in self._plan.providers[name].bindings:
                if binding.kind is Kind.PROVIDER:
                    visit(binding.source)
            found[name] = None

        for name in names:
            visit(name)
        return list(found)

    async def tear_down(self) -> list[BaseException]:
        """Tear down all providers, the last set up first; return what their tear-downs raised."""
        errors = []
        for name, provided in reversed(self._alive.items()):
            provided.wanted_down.set()
            await provided.down.wait()
            if provided.teardown_error is not None:
                provided.teardown_error.add_note(f"provider {name}, while it was torn down")
                errors.append(provided.teardown_error)
        return errors

    async def _live(self, planned: PlannedProvider, provided: Provided) -> None:
        """Live through one provider: set-up, value, wait, tear-down, all in one task."""
        is_up = False
        try:
            kwargs = self._kwargs(planned.bindings)
            enter, leave = _stages(planned.definition, kwargs)
            provided.value = await enter()
            is_up = True
            provided.ready.set()
            await provided.wanted_down.wait()
            await leave()
        except Exception as error:  # a provider is the user's code; its error belongs to the steps that need it
            if is_up:
                provided.teardown_error = error
            else:
                provided.error = error
        finally:
            provided.ready.set()
            provided.down.set()

    def _kwargs(self, bindings: Iterable[Binding]) -> Mapping[str, Any]:
        found: dict[str, Any] = {}
        for binding in bindings:
            if binding.kind is Kind.PROVIDER:
                upstream = self._alive[binding.source]
                if upstream.error is not None:
                    raise upstream.error
                found[binding.parameter] = upstream.value
            elif binding.kind is Kind.VALUE:
                found[binding.parameter] = binding.value
            elif self._plan.inputs[binding.source].origin != "default":
                found[binding.parameter] = self._plan.inputs[binding.source].value
        return found


def _stages(definition: Any, kwargs: Mapping[str, Any]) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return set-up and tear-down of a provider as two async calls; plain code runs in a thread."""
    if definition.is_async and definition.is_generator:
        generator = definition.fn(**kwargs)
        return lambda: _first_async(generator, definition), lambda: _rest_async(generator, definition)
    if definition.is_generator:
        plain = definition.fn(**kwargs)

        async def enter() -> Any:
            return await anyio.to_thread.run_sync(_first, plain, definition)

        async def leave() -> None:
            await anyio.to_thread.run_sync(_rest, plain, definition)

        return enter, leave
    if definition.is_async:
        return lambda: definition.fn(**kwargs), _nothing

    async def call() -> Any:
        return await anyio.to_thread.run_sync(lambda: definition.fn(**kwargs))

    return call, _nothing


async def _nothing() -> None:
    return None


def _first(generator: Any, definition: Any) -> Any:
    for value in generator:
        return value
    raise RuntimeError(f"the provider {definition.name!r} ({definition.where}) did not yield")


def _rest(generator: Any, definition: Any) -> None:
    for _ in generator:
        generator.close()
        raise RuntimeError(f"the provider {definition.name!r} ({definition.where}) yielded twice")


async def _first_async(generator: Any, definition: Any) -> Any:
    async for value in generator:
        return value
    raise RuntimeError(f"the provider {definition.name!r} ({definition.where}) did not yield")


async def _rest_async(generator: Any, definition: Any) -> None:
    async for _ in generator:
        await generator.aclose()
        raise RuntimeError(f"the provider {definition.name!r} ({definition.where}) yielded twice")
