"""Wakeup: how any thread wakes the loop, on asyncio and trio alike, coalesced."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextvars import Context

import anyio
import sniffio


class Wakeup:
    """Wakes the one coroutine that waits; made on the loop, ``notify`` is safe from any thread.

    It may also be called from a signal handler: no lock is taken. Notices that come before the
    loop turns are one. ``call_soon`` has a function called on the loop.
    """

    def __init__(self) -> None:
        self._event = anyio.Event()
        self._notified = False
        self.call_soon = call_soon()

    def notify(self) -> None:
        """Wake the waiting coroutine."""
        if self._notified:
            return
        self._notified = True
        try:
            self.call_soon(self._set)
        except RuntimeError:
            # The loop has ended: nobody is left to wake.
            self._notified = False

    def _set(self) -> None:
        self._event.set()

    async def wait(self, until: float = math.inf) -> None:
        """Wait for a notice, or until the loop's clock shows ``until``."""
        with anyio.CancelScope(deadline=until):
            await self._event.wait()
        self._event = anyio.Event()
        self._notified = False


def call_soon() -> Callable[[Callable[[], None]], object]:
    """Return how any thread has a function called on the loop that runs here."""
    if sniffio.current_async_library() == "trio":
        import trio

        return trio.lowlevel.current_trio_token().run_sync_soon
    import asyncio

    return asyncio.get_running_loop().call_soon_threadsafe


def cancelling() -> Callable[[], int]:
    """Return what tells how often the loop task that runs here was cancelled by other means than a scope."""
    if sniffio.current_async_library() == "trio":
        return int  # trio has scopes only
    import asyncio

    task = asyncio.current_task()
    return task.cancelling if task else int


def without_loop(variables: Context) -> Context:
    """Return context variables for any thread, that do not say that an event loop runs in it."""
    variables.run(sniffio.current_async_library_cvar.set, None)
    return variables
