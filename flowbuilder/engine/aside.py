"""Aside: a plain call in a daemon thread of its own, awaited on the loop and never in its way."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Generic, TypeVar

from flowbuilder.engine.wakeup import Wakeup, without_loop

T = TypeVar("T")


class Aside(Generic[T]):
    """Calls ``fn`` in a thread, with a copy of the caller's context variables.

    Whoever stops waiting leaves the thread to itself: as a daemon it never keeps the process alive.
    It then calls ``undo`` when ``fn`` has returned.
    """

    def __init__(self, fn: Callable[[], T], undo: Callable[[], object] | None = None) -> None:
        self._fn = fn
        self._undo = undo
        self._lock = threading.Lock()
        self._is_left = False
        self._wakeup = Wakeup()
        self._ended = False
        self._error: BaseException | None = None
        self._value: T

    async def __call__(self) -> T:
        """Start the call and return what it returns, or raise what it raises."""
        self._in_a_thread(self._work)
        try:
            while not self._ended:
                await self._wakeup.wait()
        except BaseException:  # a cancellation, which asyncio and trio each have their own class for
            with self._lock:
                self._is_left = True
                is_late = self._ended
            if is_late:
                self._in_a_thread(self._take_back)
            raise
        if self._error is not None:
            raise self._error
        return self._value

    def _in_a_thread(self, call: Callable[[], None]) -> None:
        variables = without_loop(copy_context())
        threading.Thread(target=variables.run, args=(call,), name="flowbuilder-aside", daemon=True).start()

    def _work(self) -> None:
        try:
            self._value = self._fn()
        except BaseException as error:  # it belongs to whoever awaits the call
            self._error = error
        with self._lock:
            self._ended = True
            is_left = self._is_left
        if is_left:
            self._take_back()
        self._wakeup.notify()

    def _take_back(self) -> None:
        if self._undo is not None and self._error is None:
            self._undo()
