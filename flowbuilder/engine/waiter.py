"""Waiter: how a body waits until something it began has news: on the loop, or in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from typing import Protocol, TypeVar

import anyio

T = TypeVar("T")
Waiting = Generator[None, None, T]  # yields whenever it has to wait, and returns a value


class Waiter(Protocol):
    """Is woken from any thread, also under the engine's lock; several calls before it looks are one."""

    def wake(self) -> None:
        """Let the body look again."""


class LoopWaiter:
    """Waits on the event loop; made and used there, but for ``wake``.

    Args:
        attend: has the loop call a function, from any thread.
    """

    def __init__(self, attend: Callable[[Callable[[], None]], None]) -> None:
        self._attend = attend
        self._event = anyio.Event()
        self._thread = threading.get_ident()
        self._is_woken = False

    def wake(self) -> None:
        """Let the body look again."""
        if self._is_woken:
            return
        self._is_woken = True
        if threading.get_ident() == self._thread:
            self._event.set()
        else:
            self._attend(self._event.set)

    async def see(self, waiting: Waiting[T]) -> T:
        """Go on with something as often as it is woken, and return what it returns."""
        while True:
            try:
                next(waiting)
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]  # a generator's value is typed as Any
            await self._event.wait()
            self._event = anyio.Event()
            self._is_woken = False


class ThreadWaiter:
    """Waits in the body's thread."""

    def __init__(self, attend: Callable[[Callable[[], None]], None]) -> None:
        self._woken = threading.Semaphore(0)
        self._is_woken = False

    def wake(self) -> None:
        """Let the body look again."""
        if not self._is_woken:
            self._is_woken = True
            self._woken.release()

    def see(self, waiting: Waiting[T]) -> T:
        """Go on with something as often as it is woken, and return what it returns."""
        while True:
            try:
                next(waiting)
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]  # as above
            self._woken.acquire()
            self._is_woken = False
