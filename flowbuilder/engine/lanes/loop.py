"""The loop lane: async bodies, run by a few loop workers that take one attempt after another."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from flowbuilder.engine.attempt import Attempt
from flowbuilder.engine.lanes.base import Source

AT_ONCE = 1_000
TURNS = 100


class LoopLane:
    """Runs async bodies on the event loop.

    A worker takes attempts until there is none, so a chain or a fan of short bodies costs no new
    loop task; one spare worker at a time is started, and only a body that really waits lets it
    run. A worker whose context variables a body changed ends, so nothing leaks into the next.
    """

    enforces_timeouts = True

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit or AT_ONCE
        self._asked = False
        self._spare = False
        self._scopes: set[anyio.CancelScope] = set()
        self._cancelled = False

    def start(self, source: Source, number: int, notify: Callable[[], None]) -> None:
        """Begin to serve; called on the loop."""
        self._source = source
        self._number = number
        self._notify = notify

    def wake(self) -> None:
        """Ask for a worker; from any thread."""
        if not self._asked:
            self._asked = True
            self._notify()

    def turn(self, group: TaskGroup) -> None:
        """Start the worker that was asked for, unless one is on its way."""
        if self._asked and not self._spare:
            self._spare = True
            group.start_soon(self._work, name="flowbuilder loop worker")

    def cancel(self) -> None:
        """Cancel every running body; on the loop."""
        self._cancelled = True
        for scope in list(self._scopes):
            scope.cancel()

    def close(self) -> None:
        """Nothing is left to end: workers end by themselves when there is nothing to take."""

    async def _work(self) -> None:
        self._asked = self._spare = False
        # One scope serves all bodies of this worker that have no limit of their own.
        with anyio.CancelScope() as scope:
            self._scopes.add(scope)
            try:
                await self._take_turns(scope)
            finally:
                self._scopes.discard(scope)

    async def _take_turns(self, scope: anyio.CancelScope) -> None:
        turns, before = 0, copy_context()
        attempt = self._source.take(self._number)
        while attempt is not None:
            await self._attempt(attempt, scope)
            turns += 1
            # What is still ready is left to a fresh worker when a body changed this one's variables.
            is_clean = copy_context() == before
            attempt = self._source.done(attempt, self._number if is_clean else None)
            if turns % TURNS == 0:
                await anyio.lowlevel.checkpoint()
        if not self._cancelled:
            self._source.look(self._number)

    async def _attempt(self, attempt: Attempt, scope: anyio.CancelScope) -> None:
        if attempt.timeout is None or attempt.phase != "body":
            await attempt.execute_async()
        else:
            await self._limited(attempt)
        if scope.cancel_called or self._cancelled:
            attempt.cancelled()

    async def _limited(self, attempt: Attempt) -> None:
        assert attempt.timeout is not None
        with anyio.move_on_after(attempt.timeout) as limit:
            await attempt.execute_async()
        # What a body returns after its deadline is never a success, even if it swallowed the cancellation.
        if limit.cancel_called:
            attempt.timed_out()
