"""Ownership: which process carries a run on, told by a lock that the kernel frees when that process dies."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from pathlib import Path

from flowbuilder.errors import RunRefusedError, StoreError
from flowbuilder.store.rows import Unit

PATIENCE = 0.5


class Owned:
    """A run that this process owns; its file tells who that is, and which attempts began."""

    def __init__(self, path: Path, number: int) -> None:
        self._path = path
        self._number = number

    def begin(self, unit: Unit, number: int) -> None:
        """Note that an attempt begins: what is written outlives the process at once, if not a loss of power."""
        step, item = unit
        try:
            os.write(self._number, f"{number} {item} {step}\n".encode("utf-8", "backslashreplace"))
        except OSError:
            return  # a note that is missing costs the number of an attempt, and nothing else

    def release(self) -> None:
        """Give the run back."""
        if self._number >= 0:
            # Deleted first: whoever opens it now makes a new one, and nobody waits for this.
            self._path.unlink(missing_ok=True)
            os.close(self._number)
            self._number = -1


class Ownership:
    """The locks of a store's runs, one file each in ``folder``; no clock says who is alive."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def claim(self, run_id: str) -> Owned:
        """Make this process the owner of a run.

        Raises:
            RunRefusedError: when another one is, naming it.
            StoreError: when the lock cannot be made.
        """
        path, deadline = self._folder / run_id, time.monotonic() + PATIENCE
        while True:
            number = self._locked(path)
            if number is not None:
                break
            # Whoever only looks holds it for a moment.
            if time.monotonic() > deadline:
                raise RunRefusedError(f"the run {run_id} is owned by another process", got=self.owner(run_id))
            time.sleep(0.01)
        os.write(number, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        return Owned(path, number)

    def is_alive(self, run_id: str) -> bool:
        """Return whether a process owns a run."""
        path = self._folder / run_id
        if not path.exists():
            return False
        try:
            number = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(number, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(number)
        return False

    def owner(self, run_id: str) -> str:
        """Return the words by which the owner of a run is named."""
        return self._lines(run_id)[0]

    def begun(self, run_id: str) -> list[tuple[Unit, int]]:
        """Return the attempts that the last owner has noted; the last line may be torn."""
        found = [line.split(" ", 2) for line in self._lines(run_id)[1:]]
        return [(Unit(line[2], int(line[1])), int(line[0])) for line in found if len(line) == 3]

    def forget(self, run_id: str) -> None:
        """Delete what is kept of the owner of a run that is no more."""
        (self._folder / run_id).unlink(missing_ok=True)

    def _lines(self, run_id: str) -> list[str]:
        """Return the lines of the last owner: its name, and what it has noted."""
        try:
            text = (self._folder / run_id).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return [""]
        whole = text[: text.rfind("\n")]
        return whole[whole.rfind("\nprocess ") + 1 :].split("\n")

    def _locked(self, path: Path) -> int | None:
        """Return the open lock file of a run, None while another process has it."""
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise StoreError(f"the run store cannot be used: {error.strerror}", where=str(path)) from error
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The one who had it may have deleted the file meanwhile: then this lock is nobody's.
            if os.fstat(number).st_ino == path.stat().st_ino:
                return number
        except (BlockingIOError, FileNotFoundError):
            pass
        os.close(number)
        return None
