"""The thread lane: plain bodies in daemon threads of the engine's own."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from functools import cache

from anyio.abc import TaskGroup

from flowbuilder.engine.attempt import Attempt
from flowbuilder.engine.body import Invoke
from flowbuilder.engine.lanes.base import Source


class ThreadLane:
    """Runs plain bodies in threads.

    The thread that finishes a body takes the next one itself. One more thread is woken or started
    at a time, and only when there is something to take, so short bodies do not fight for the
    interpreter. The schedule bounds how many run; threads are daemons, so an overdue body never
    keeps the process alive.
    """

    enforces_timeouts = False

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit or _usual_limit()
        self._lock = threading.Lock()
        self._idle: list[threading.Semaphore] = []
        self._threads: set[threading.Thread] = set()
        self._waking = False
        self._closed = False
        self._invoke: Invoke | None = None

    def start(self, source: Source, number: int, notify: Callable[[], None]) -> None:
        """Begin to serve; threads start when there is something to take."""
        self._source = source
        self._number = number

    def wake(self) -> None:
        """Wake an idle thread, or start one."""
        with self._lock:
            if self._waking or self._closed:
                return
            self._waking = True
            if self._idle:
                self._idle.pop().release()
                return
            thread = threading.Thread(target=self._serve, name="flowbuilder-step", daemon=True)
            self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError:
            with self._lock:
                self._threads.discard(thread)
                self._waking = False
                if not self._threads:
                    raise
            # The system gives no more of them: those there are take what waits, one after another.

    def turn(self, group: TaskGroup) -> None:
        """Nothing is done on the loop."""

    def cancel(self, attempts: Iterable[Attempt]) -> None:
        """Nothing is interrupted: a body that asks ``ctx.check_cancelled()`` ends by itself."""

    def close(self) -> None:
        """End idle threads; one that is overdue ends when its body does."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for one in idle:
            one.release()

    def _serve(self) -> None:
        asleep = threading.Semaphore(0)
        try:
            while self._work_until_idle(asleep):
                asleep.acquire()
        finally:
            self._ended()
            with self._lock:
                self._threads.discard(threading.current_thread())

    def _work_until_idle(self, asleep: threading.Semaphore) -> bool:
        """Execute what there is, then wait among the idle to be woken; return False where the lane is closed."""
        self._waking = False
        self._work()
        with self._lock:
            if self._closed:
                return False
            self._idle.append(asleep)
        # Something may have become ready between the last look and falling asleep.
        self._source.look(self._number)
        return True

    def _work(self) -> None:
        attempt = self._source.take(self._number)
        while attempt is not None:
            attempt.execute(self._invoke)
            attempt = self._source.done(attempt, self._number)

    def _ended(self) -> None:
        """Give back what belongs to the ending thread."""


@cache
def _usual_limit() -> int:
    """Return how many threads there are at most where nothing else is said; the system is asked once."""
    return min(32, (os.cpu_count() or 1) + 4)
