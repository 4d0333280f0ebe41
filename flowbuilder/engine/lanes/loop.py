"""The loop lane: async bodies, run by a few loop workers that take one attempt after another."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from contextvars import copy_context
from functools import partial

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from flowbuilder.engine.attempt import Attempt
from flowbuilder.engine.lanes.base import Source
from flowbuilder.engine.wakeup import cancelling

AT_ONCE = 1_000
TURNS = 100


class LoopLane:
    """Runs async bodies on the event loop.

    A worker takes attempts of its run until there is none, so a chain or a fan of short bodies
    costs no new loop task; one worker at a time is started, and only a body that really waits lets
    it run. Each begins with the context variables of its run. One whose variables a body changed,
    or whose next attempt is another run's, hands over to a fresh one.
    """

    enforces_timeouts = True

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit or AT_ONCE
        self._asked = False
        self._spare = False
        self._handed: deque[Attempt] = deque()
        self._scopes: dict[Attempt, anyio.CancelScope] = {}

    def start(self, source: Source, number: int, notify: Callable[[], None]) -> None:
        """Begin to serve; called on the loop."""
        self._source = source
        self._number = number
        self._notify = notify
        self._cancelling = cancelling()

    def wake(self) -> None:
        """Ask for a worker; from any thread."""
        if not self._asked:
            self._asked = True
            self._notify()

    def turn(self, group: TaskGroup) -> None:
        """Start the workers that were asked for, unless a spare one is on its way."""
        while self._handed:
            self._start_worker(group, self._handed.popleft())
        if self._asked and not self._spare:
            self._asked = False
            attempt = self._source.take(self._number)
            if attempt is not None:
                self._spare = True
                self._start_worker(group, attempt)

    def _start_worker(self, group: TaskGroup, attempt: Attempt) -> None:
        # The scope is there before the worker runs, so that a cancellation always finds it.
        scope = self._scopes[attempt] = anyio.CancelScope()
        start = partial(group.start_soon, self._work, attempt, scope, name="flowbuilder loop worker")
        attempt.source.variables.copy().run(start)

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
        turns, before = 0, copy_context()
        while True:
            is_cancelled = await self._attempt(attempt, scope)
            is_fresh = not is_cancelled and not attempt.is_left and copy_context() == before
            if not is_cancelled and self._cancelling():
                is_fresh = False
                with suppress(anyio.get_cancelled_exc_class()):
                    # A body cancelled its own task: what is still to be thrown is thrown here, and harms nobody.
                    await anyio.lowlevel.checkpoint()
            turns += 1
            if is_fresh and turns % TURNS == 0:
                # Before the next attempt is taken: nobody could cancel one that is in hand meanwhile.
                await anyio.lowlevel.checkpoint()
            following = self._source.done(attempt, self._number if is_fresh else None)
            if following is None:
                break
            if following.source is not attempt.source:
                self._handed.append(following)
                self._notify()
                break
            attempt = following
        self._source.look(self._number)
        return attempt.is_left

    async def _attempt(self, attempt: Attempt, scope: anyio.CancelScope) -> bool:
        """Execute one attempt; return whether it was cancelled, and its worker with it."""
        self._scopes[attempt] = scope
        try:
            if attempt.timeout is None or attempt.phase != "body":
                await attempt.execute_async()
            else:
                await self._limited(attempt)
        except RuntimeError:
            if not attempt.is_left:
                raise
        finally:
            del self._scopes[attempt]
        if not scope.cancel_called:
            return False
        attempt.cancelled()
        return True

    async def _limited(self, attempt: Attempt) -> None:
        assert attempt.deadline is not None
        with anyio.move_on_after(attempt.deadline - time.monotonic()) as limit:
            await attempt.execute_async()
        # What a body returns after its deadline is never a success, even if it swallowed the cancellation.
        if limit.cancel_called and not attempt.is_untimed:
            attempt.timed_out()
