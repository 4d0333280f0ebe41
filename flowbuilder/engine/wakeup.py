"""Wakeup: how any thread wakes the loop, on asyncio and trio alike, coalesced."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextvars import Context
from typing import Any

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


def leave_scopes(own: anyio.CancelScope) -> None:
    """Leave all scopes that are open in this loop task inside ``own``: whoever opened them is awaited no more.

    Only anyio on asyncio has to be told; it has no public way to.
    """
    if sniffio.current_async_library() == "trio":
        return
    import asyncio

    from anyio._backends import _asyncio

    states: Any = getattr(_asyncio, "_task_states", {})
    state = states.get(asyncio.current_task())
    while state is not None and state.cancel_scope not in (None, own):
        state.cancel_scope.__exit__(None, None, None)


def without_loop(variables: Context) -> Context:
    """Return context variables for any thread, that do not say that an event loop runs in it."""
    variables.run(sniffio.current_async_library_cvar.set, None)
    return variables
