"""NappingLock: a lock for very short sections that many threads enter."""

from __future__ import annotations

import threading
import time
from types import TracebackType

SHORTEST, LONGEST = 0.00002, 0.0005


class NappingLock:
    """A mutex whose waiters nap, in seconds ``SHORTEST`` growing to ``LONGEST``, instead of queueing.

    A thread that queues at an ordinary lock is given it while it still waits for the interpreter,
    and all others then wait for that thread: with bodies of a few microseconds every step pays
    two thread switches (the "lock convoy"). A napping one leaves the running thread alone.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.release = self._lock.release

    def acquire(self) -> None:
        """Wait for the lock; with ``release``, where a ``with`` costs more than what it is around."""
        if self._lock.acquire(blocking=False):
            return
        nap = SHORTEST
        while not self._lock.acquire(blocking=False):
            time.sleep(nap)
            nap = min(nap * 2, LONGEST)

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
