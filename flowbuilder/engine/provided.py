"""Provided: one provider while it lives, from set-up to tear-down, in a task of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import anyio

from flowbuilder.declare.definitions import ProviderDefinition
from flowbuilder.engine.aside import Aside
from flowbuilder.errors import StepCancelledError

Stages = tuple[Callable[[], Awaitable[Any]], Callable[[], Awaitable[Any]]]


class Provided:
    """A provider's value, its errors, and the signals between it and the run.

    ``cancel`` ends a set-up that can be interrupted, ``abandon`` also the waiting for one in a
    thread, and for a tear-down.
    """

    def __init__(self, name: str, definition: ProviderDefinition) -> None:
        self.name = name
        self.value: Any = None
        self.error: BaseException | None = None
        self.teardown_error: BaseException | None = None
        self.ready = anyio.Event()
        self._definition = definition
        self._wanted_down = anyio.Event()
        self._down = anyio.Event()
        # One scope around the whole life: the provider may hold scopes and groups of its own open in between.
        self._life = anyio.CancelScope()

    async def live(self, kwargs: Mapping[str, Any]) -> None:
        """Set up, wait until it is to be torn down, tear down; errors are kept, not raised."""
        try:
            with self._life:
                await self._live(kwargs)
                return
            if self.ready.is_set():
                self._keep(TimeoutError("it did not end within the grace period"))
            else:
                self._keep(StepCancelledError(f"the set-up of provider {self.name} was cancelled"))
        finally:
            self.ready.set()
            self._down.set()

    async def _live(self, kwargs: Mapping[str, Any]) -> None:
        try:
            enter, leave = _stages(self._definition, kwargs)
            self.value = await enter()
            self.ready.set()
            try:
                await self._wanted_down.wait()
            finally:
                # Also when it was given up meanwhile: what is open is closed, in the task that opened it.
                await leave()
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as error:  # a provider is the user's code; its error belongs to the steps that need it
            self._keep(error)

    def _keep(self, error: BaseException) -> None:
        if self.ready.is_set():
            self.teardown_error = torn_down_in(self.name, error)
        else:
            self.error = error

    def fail(self, error: BaseException) -> None:
        """Say that it cannot be set up, since one it requests could not."""
        self.error = error
        self.ready.set()
        self._down.set()

    async def take_down(self) -> None:
        """Have it torn down, and return when it is."""
        self._wanted_down.set()
        await self._down.wait()

    def cancel(self) -> None:
        """Cancel its set-up, where that is async and still going on."""
        if self._definition.is_async and not self.ready.is_set():
            self._life.cancel()

    def abandon(self) -> None:
        """Stop waiting for its set-up or tear-down."""
        self._life.cancel()


def _stages(definition: ProviderDefinition, kwargs: Mapping[str, Any]) -> Stages:
    """Return set-up and tear-down as two async calls; plain code runs in a thread."""
    fn: Any = definition.fn
    if not definition.is_generator:
        return (partial(fn, **kwargs) if definition.is_async else Aside(partial(fn, **kwargs))), _nothing
    generator = fn(**kwargs)
    if definition.is_async:
        return partial(_first_async, generator, definition), partial(_rest_async, generator, definition)
    # A set-up that nobody waits for any more is undone by its own thread.
    return Aside(partial(_first, generator, definition), generator.close), Aside(partial(_rest, generator, definition))


def plain_stages(
    definition: ProviderDefinition, kwargs: Mapping[str, Any]
) -> tuple[Callable[[], Any], Callable[[], None]]:
    """Return set-up and tear-down of plain code as two calls."""
    fn: Any = definition.fn
    if not definition.is_generator:
        return partial(fn, **kwargs), lambda: None
    generator = fn(**kwargs)
    return partial(_first, generator, definition), partial(_rest, generator, definition)


def torn_down_in(name: str, error: BaseException) -> BaseException:
    """Return what a tear-down raised with a note that says whose it was."""
    error.add_note(f"provider {name}, while it was torn down")
    return error


async def _nothing() -> None:
    return None


def _first(generator: Any, definition: ProviderDefinition) -> Any:
    for value in generator:
        return value
    raise RuntimeError(f"the provider {definition.name!r} ({definition.where}) did not yield")


def _rest(generator: Any, definition: ProviderDefinition) -> None:
    for _ in generator:
        generator.close()
        raise RuntimeError(f"the provider {definition.name!r} ({definition.where}) yielded twice")


async def _first_async(generator: Any, definition: ProviderDefinition) -> Any:
    async for value in generator:
        return value
    raise RuntimeError(f"the provider {definition.name!r} ({definition.where}) did not yield")


async def _rest_async(generator: Any, definition: ProviderDefinition) -> None:
    async for _ in generator:
        await generator.aclose()
        raise RuntimeError(f"the provider {definition.name!r} ({definition.where}) yielded twice")
