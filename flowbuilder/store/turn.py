"""Turn: one writer at a time over all processes, by a lock that the kernel frees when its holder dies."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType

from flowbuilder.errors import StoreError

SHORTEST, LONGEST = 0.0002, 0.005


class Turn:
    """The lock around everything that writes a store: its file, its log and the values beside it.

    SQLite has locks of its own. This one is around a checkpoint too, in which some releases of SQLite
    can lose a commit that another process makes at the same instant; and nothing is deleted while a
    value is there that is not referred to yet.

    Args:
        path: the file to lock.
        patience: seconds to wait for another process.
    """

    def __init__(self, path: Path, patience: float) -> None:
        self._path = path
        self._patience = patience
        self._number = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    def __enter__(self) -> None:
        """Take the turn.

        Raises:
            StoreError: when another process does not give it up.
        """
        nap, deadline = SHORTEST, time.monotonic() + self._patience
        while not self._is_locked():
            if time.monotonic() > deadline:
                raise StoreError(
                    f"another process has been writing to the run store for {self._patience:g} s", where=str(self._path)
                )
            time.sleep(nap)
            nap = min(nap * 2, LONGEST)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        fcntl.flock(self._number, fcntl.LOCK_UN)

    def _is_locked(self) -> bool:
        try:
            fcntl.flock(self._number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Let go of the file, which stays: another process may be about to lock it."""
        os.close(self._number)
