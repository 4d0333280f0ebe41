"""Writer: the one thread that writes, with group commit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import NamedTuple, Protocol

from flowbuilder.errors import StoreError
from flowbuilder.store.contract import Draft, Then
from flowbuilder.store.rows import Entry

BATCH = 2_000
LINGER = 0.002  # seconds


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

    Args:
        commit: makes a batch stand; called on this thread only.
        on_close: called on this thread, last of all.
    """

    def __init__(self, commit: Commit, on_close: Callable[[], None] = lambda: None) -> None:
        self._commit = commit
        self._on_close = on_close
        self._queue: SimpleQueue[_Wanted | None] = SimpleQueue()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._serve, name="flowbuilder-store", daemon=True)
        self._thread.start()

    def write(self, draft: Draft, then: Then | None, *, sync: bool) -> None:
        """Take what is to be written, and return at once."""
        self._queue.put(_Wanted(draft, then, sync))

    def close(self) -> None:
        """Write what waits, and end the thread."""
        self._queue.put(None)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _serve(self) -> None:
        while (first := self._queue.get()) is not None:
            batch, is_last = self._gathered(first)
            self._write(batch)
            if is_last:
                break
        self._on_close()

    def _gathered(self, first: _Wanted) -> tuple[list[_Wanted], bool]:
        """Return what waits, and whether nothing comes after it.

        What needs no sync by itself waits a moment for something that does, and stands with that.
        """
        batch, is_urgent, until = [first], first.sync, time.monotonic() + LINGER
        while len(batch) < BATCH:
            try:
                one = self._queue.get_nowait() if is_urgent else self._queue.get(timeout=until - time.monotonic())
            except (Empty, ValueError):  # a timeout below 0
                break
            if one is None:
                return batch, True
            batch.append(one)
            is_urgent = is_urgent or one.sync
        return batch, False

    def _write(self, batch: Sequence[_Wanted]) -> None:
        if self._error is None:
            try:
                entries = [entry for one in batch for entry in one.draft()]
                if entries:
                    self._commit(entries, sync=any(one.sync for one in batch))
            except Exception as error:  # whatever it was: after it nothing may be taken as written
                self._error = error if isinstance(error, StoreError) else _unexpected(error)
        for one in batch:
            if one.then is not None:
                one.then(self._error)


def _unexpected(error: Exception) -> StoreError:
    made = StoreError("the run store failed", got=f"{type(error).__name__}: {error}")
    made.__cause__ = error
    return made
