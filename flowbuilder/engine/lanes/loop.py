"""The loop lane: async bodies, run by a few loop workers that take one attempt after another."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from flowbuilder.engine.attempt import Attempt
from flowbuilder.engine.lanes.base import Source
from flowbuilder.engine.wakeup import cancelling, leave_scopes

AT_ONCE = 1_000
TURN = 0.002  # seconds for which a worker goes on without letting others have the loop


class LoopLane:
    """Runs async bodies on the event loop.

    A worker takes attempts until there is none, so a chain or a fan of short bodies costs no new
    loop task; one worker at a time is started, and only a body that really waits lets it run. Each
    attempt has context variables of its own. A worker that was cancelled hands over to a fresh one.
    """

    enforces_timeouts = True

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit or AT_ONCE
        self._asked = False
        self._spare = False
        self._scopes: dict[Attempt, anyio.CancelScope] = {}

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
        """Start the workers that were asked for, unless a spare one is on its way."""
        if self._asked and not self._spare:
            self._asked = False
            attempt = self._source.take(self._number)
            if attempt is not None:
                self._spare = True
                # The scope is there before the worker runs, so that a cancellation always finds it.
                scope = self._scopes[attempt] = anyio.CancelScope()
                group.start_soon(self._work, attempt, scope, name="flowbuilder loop worker")

    def cancel(self, attempts: Iterable[Attempt]) -> None:
        """Cancel running bodies; on the loop."""
        for attempt in attempts:
            scope = self._scopes.get(attempt)
            if scope is not None:
                scope.cancel()

    def close(self) -> None:
        """Nothing is left to end: workers end by themselves when there is nothing to take."""

    async def _work(self, attempt: Attempt, scope: anyio.CancelScope) -> None:
        if self._spare:
            self._spare = False
            if self._asked:
                self._notify()
        del self._scopes[attempt]
        if scope.cancel_called:
            # Before it came to it.
            attempt.cancelled()
            self._source.done(attempt)
            self._source.look(self._number)
            return
        # One scope serves all bodies of this worker that have no limit of their own.
        left = False
        try:
            with scope:
                left = await self._take_turns(attempt, scope)
        except RuntimeError:
            # trio complains about scopes that a body left behind still has open.
            if not left:
                raise

    async def _take_turns(self, attempt: Attempt, scope: anyio.CancelScope) -> bool:
        """Execute one attempt after another; return whether the last was left behind."""
        since, cancelled_by_itself = attempt.started, cancelling()
        while True:
            rest = attempt.begin() if attempt.deadline is None else self._limited(attempt)
            is_fresh = rest is None or await self._finish(attempt, rest, scope)
            if is_fresh and cancelled_by_itself():
                is_fresh = False
                with suppress(anyio.get_cancelled_exc_class()):
                    # A body cancelled its own loop task: what is still to be thrown is thrown here, and harms nobody.
                    await anyio.lowlevel.checkpoint()
            if is_fresh and attempt.started - since >= TURN:
                # Before the next attempt is taken: nobody could cancel one that is in hand meanwhile.
                await anyio.lowlevel.checkpoint()
                since = time.monotonic()
            following = self._source.done(attempt, self._number if is_fresh else None)
            if following is None:
                self._source.look(self._number)
                return attempt.is_left
            attempt = following

    async def _finish(self, attempt: Attempt, rest: Awaitable[None], scope: anyio.CancelScope) -> bool:
        """Await what is left of an attempt; return whether it was neither cancelled meanwhile nor left behind."""
        self._scopes[attempt] = scope
        try:
            await rest
        except RuntimeError:
            # As above, of the scope that keeps its limit.
            if not attempt.is_left:
                raise
        finally:
            del self._scopes[attempt]
        if attempt.is_left:
            leave_scopes(scope)
        if scope.cancel_called:
            attempt.cancelled()
        return not (attempt.is_left or scope.cancel_called)

    async def _limited(self, attempt: Attempt) -> None:
        """Execute an attempt within its limit, whose scope has to be there before the body makes its own."""
        assert attempt.deadline is not None
        with anyio.move_on_after(attempt.deadline - time.monotonic()) as limit:
            rest = attempt.begin()
            if rest is not None:
                await rest
            if attempt.is_left:
                leave_scopes(limit)
        # What a body returns after its deadline is never a success, even if it swallowed the cancellation.
        if limit.cancel_called and not attempt.is_untimed:
            attempt.timed_out()
