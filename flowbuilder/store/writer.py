"""Writer: one thread at a time writes, with group commit."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import NamedTuple, Protocol

from flowbuilder.errors import StoreError
from flowbuilder.store.contract import Draft, Then
from flowbuilder.store.rows import Entry

BATCH = 2_000
LINGER, IDLE = 0.002, 0.02  # seconds


class Commit(Protocol):
    """Makes a batch of entries stand, all or none of them."""

    def __call__(self, entries: Sequence[Entry], *, sync: bool) -> None:
        """Write a batch; with ``sync`` it survives a loss of power."""


class _Wanted(NamedTuple):
    draft: Draft
    then: Then | None
    sync: bool


class Writer:
    """Gathers what comes while one batch is written into the next; after a failed one it writes nothing more.

    One thread writes at a time: the writer's own, or whoever has nothing else to do and so spares two switches of
    threads.

    Args:
        commit: makes a batch stand; called by one thread at a time.
        on_close: called on the writer's own thread, last of all.
    """

    def __init__(self, commit: Commit, on_close: Callable[[], None] = lambda: None) -> None:
        self._commit = commit
        self._on_close = on_close
        self._waiting: deque[_Wanted] = deque()
        self._writing = threading.Lock()
        # Rung with True where something is to be written at once.
        self._bell: SimpleQueue[bool] = SimpleQueue()
        self._is_asleep = self._has_come = False
        self._is_closing = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._serve, name="flowbuilder-store", daemon=True)
        self._thread.start()

    def write(self, draft: Draft, then: Then | None, *, sync: bool, here: bool = False) -> None:
        """Take what is to be written, and return at once; with ``here`` it may be written before, in this thread."""
        self._waiting.append(_Wanted(draft, then, sync))
        self._has_come = True
        if here and not self._is_closing and self._writing.acquire(blocking=False):
            self._write_batches()
        elif (sync or self._is_asleep) and not self._writing.locked():  # else whoever writes looks after it
            self._is_asleep = False
            self._bell.put(sync)

    def close(self) -> None:
        """Write what waits, and end the thread."""
        self._is_closing = True
        self._bell.put(True)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _serve(self) -> None:
        while not self._is_closing or self._waiting:
            if self._is_due():
                self._writing.acquire()
                self._write_batches()
        with self._writing:
            self._on_close()

    def _is_due(self) -> bool:
        """Wait until something is to be written; return False where it was done by somebody else meanwhile.

        What needs no sync by itself waits a moment for something that does, and stands with that.
        """
        self._is_asleep = True
        # Looked at after that was said: whatever comes later rings.
        first = self._waiting[0] if self._waiting else None
        if first is None and not self._has_come:
            return self._bell.get()
        self._is_asleep = self._has_come = False
        try:
            return self._bell.get(timeout=IDLE if first is None else LINGER)
        except Empty:
            return bool(self._waiting) and self._waiting[0] is first

    def _write_batches(self) -> None:
        """Write what waits and what comes of it at once, and give back the right to."""
        try:
            for _ in range(2):
                if self._waiting:
                    count = min(len(self._waiting), BATCH)
                    self._write([self._waiting.popleft() for _ in range(count)])
        finally:
            self._writing.release()
        if self._waiting:
            self._bell.put(True)

    def _write(self, batch: Sequence[_Wanted]) -> None:
        if self._error is None:
            try:
                entries = [entry for one in batch for entry in one.draft()]
                if entries:
                    self._commit(entries, sync=any(one.sync for one in batch))
            except BaseException as error:  # whatever it was: after it nothing may be taken as written
                self._error = error if isinstance(error, StoreError) else _unexpected(error)
        for one in batch:
            if one.then is not None:
                one.then(self._error)


def _unexpected(error: BaseException) -> StoreError:
    made = StoreError("the run store failed", got=f"{type(error).__name__}: {error}")
    made.__cause__ = error
    return made
