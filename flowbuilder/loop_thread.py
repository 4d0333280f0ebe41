"""LoopThread: an event loop in a thread of its own, for programs that have none."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

import anyio

from flowbuilder.engine.wakeup import call_soon
from flowbuilder.runner import Backend


class LoopThread:
    """Enters an async context manager on a loop in a thread of its own, and leaves it when told to.

    Args:
        entered: what to enter.
        backend: the library of the loop.
    """

    def __init__(self, entered: AbstractAsyncContextManager[Any], backend: Backend) -> None:
        self._entered = entered
        self._backend = backend
        self._ready: Future[Callable[[], object]] = Future()
        self._ended: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="flowbuilder-loop")

    def enter(self) -> None:
        """Return when the block is entered, or raise what entering it raised."""
        self._thread.start()
        self._leave = self._ready.result()

    def leave(self, interrupted: Callable[[], None]) -> None:
        """Leave the block and end the loop, or raise what leaving it raised.

        ``interrupted`` is called when Ctrl-C comes meanwhile, and the end is waited for all the same.
        """
        with suppress(RuntimeError):  # the loop has ended already: it failed
            self._leave()
        # Not by ``join``: one that Ctrl-C interrupts takes the thread for ended.
        try:
            wait([self._ended])
        except BaseException:
            interrupted()
            wait([self._ended])
            raise
        self._thread.join()
        self._ended.result()

    def _run(self) -> None:
        try:
            anyio.run(self._stay, backend=self._backend)
        except BaseException as error:  # raised again in the thread that enters or leaves
            if not self._ready.done():
                self._ready.set_exception(error)
            self._ended.set_exception(error)
        else:
            self._ended.set_result(None)

    async def _stay(self) -> None:
        left, soon = anyio.Event(), call_soon()
        async with self._entered:
            self._ready.set_result(lambda: soon(left.set))
            await left.wait()
