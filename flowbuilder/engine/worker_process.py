"""WorkerProcess: one spawned Python process that calls functions for one thread of the parent."""

from __future__ import annotations

import fcntl
import logging
import os
import pickle
import select
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

from flowbuilder.declare.signature import unwrapped
from flowbuilder.discovery import install_finder
from flowbuilder.engine.attempt import DeadlinePassedError
from flowbuilder.errors import WorkerDiedError

HEADER = struct.Struct("!Q")
LOOK_EVERY = 0.5  # seconds
ANSWER = struct.Struct("!?Q")  # whether it is the last one of its call, and its size
PIECE = 1 << 20  # bytes
# Behind all else, and not from the current folder, where a signal.py would stand for Python's own.
HOME = str(Path(__file__).parents[2])
BOOT = """\
import sys
sys.path.append(sys.argv[1])
from flowbuilder.engine.worker import main
main(*map(int, sys.argv[2:]))
"""


Report = Callable[[float, float | None], None]


class RemoteTraceback(Exception):
    """The traceback of an error in a worker process, as text; the cause of the error in the parent."""

    def __str__(self) -> str:
        return f"\n\n{self.args[0]}"


class Reply(NamedTuple):
    """How a call in a worker ended: what it returned, or the error it raised and its traceback as text."""

    returned: Any
    error: BaseException | None
    trace: str

    def value(self) -> Any:
        """Return what the function returned, or raise what it raised."""
        if self.error is not None:
            raise self.error from RemoteTraceback(self.trace)
        return self.returned


class WorkerProcess:
    """A worker and the two pipes to it; its stdout and stderr are files that outlive it."""

    def __init__(self) -> None:
        self._out, self._err = _appended_file(), _appended_file()
        self._records: list[logging.LogRecord] = []
        child_in, self._to = os.pipe()
        # So that much is written at once, as far as it fits, and a worker that does not read blocks nobody.
        os.set_blocking(self._to, False)
        self._from, child_out = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", BOOT, HOME, str(child_in), str(child_out), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=self._out,
                stderr=self._err,
                pass_fds=(child_in, child_out),
                # A terminal's Ctrl-C is the parent's to act on.
                start_new_session=True,
            )
        finally:
            os.close(child_in)
            os.close(child_out)
        _widen(self._to, self._from)
        self._send(pickle.dumps({"path": sys.path, "table": install_finder().table, "level": logging.root.level}))

    def call(
        self,
        fn: Callable[..., Any],
        kwargs: Mapping[str, Any],
        deadline: float | None,
        report: Report,
    ) -> Reply:
        """Call ``fn`` in the worker and return how that ended; ``report`` is told how far it says it is.

        Raises:
            DeadlinePassedError: when ``deadline`` (monotonic seconds) passes; the worker is killed.
            WorkerDiedError: when the worker ends before it answers.
            TypeError: when the arguments cannot be sent.
        """
        inner = unwrapped(fn)
        settled = _settled(fn)
        try:
            message = pickle.dumps((inner.__module__, inner.__qualname__, settled, dict(kwargs)), protocol=5)
        except Exception as error:  # pickling calls the user's __reduce__, which may raise anything
            raise TypeError(f"{_culprit(kwargs)} cannot be sent to a worker process: {error}") from error
        try:
            self._send(message, deadline)
            data = self._answer(deadline, report)
        except DeadlinePassedError:
            self.kill()
            raise
        except (EOFError, OSError):
            raise WorkerDiedError(self._epitaph()) from None
        outcome, value, self._records = pickle.loads(data)
        return Reply(None, *value) if outcome == "raised" else Reply(value, None, "")

    @property
    def is_alive(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def printed(self) -> list[tuple[str, str]]:
        """Return what the worker wrote to stdout and stderr since it was last asked; a closed one, its last words."""
        found = []
        for name, file in (("stdout", self._out), ("stderr", self._err)):
            if file.closed:
                continue
            found.append((name, _all_of(file)))
            if self._to < 0:
                file.close()
        return found

    def logged(self) -> list[logging.LogRecord]:
        """Return the log records of the last call."""
        records, self._records = self._records, []
        return records

    def kill(self) -> None:
        """Kill the worker at once; safe from any thread."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            self._process.kill()

    def close(self) -> None:
        """Kill the worker, wait for its end and close the pipes."""
        self.kill()
        self._process.wait()
        for fd in (self._to, self._from):
            if fd >= 0:
                os.close(fd)
        self._to = self._from = -1

    def _epitaph(self) -> str:
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.kill()
            code = self._process.wait()
        if code < 0:
            name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
            hint = " (out of memory?)" if -code == signal.SIGKILL else ""
            return f"the worker process was killed by {name}{hint}"
        return f"the worker process exited with code {code} before the step returned"

    def _send(self, message: bytes, deadline: float | None = None) -> None:
        header = HEADER.pack(len(message))
        # A large message is not copied for the sake of a few bytes before it.
        parts = [header, message] if len(message) > PIECE else [header + message]
        for part in parts:
            view = memoryview(part)
            while view:
                self._wait(self._to, select.POLLOUT, deadline)
                view = view[os.write(self._to, view[:PIECE]) :]

    def _answer(self, deadline: float | None, report: Report) -> bytearray:
        """Return the last answer of a call; those before it say how far its body is."""
        while True:
            is_last, size = ANSWER.unpack(self._read_exactly(ANSWER.size, deadline))
            data = self._read_exactly(size, deadline)
            if is_last:
                return data
            report(*pickle.loads(data))

    def _read_exactly(self, size: int, deadline: float | None) -> bytearray:
        data = bytearray(size)
        left = memoryview(data)
        while left:
            self._wait(self._from, select.POLLIN, deadline)
            count = os.readv(self._from, [left[:PIECE]])
            if not count:
                raise EOFError
            left = left[count:]
        return data

    def _wait(self, fd: int, readiness: int, deadline: float | None) -> None:
        """Wait until a pipe can be read or written; what a worker forked may hold it open after its end."""
        pipe = select.poll()
        pipe.register(fd, readiness)
        while True:
            left = LOOK_EVERY if deadline is None else deadline - time.monotonic()
            if left <= 0:
                raise DeadlinePassedError
            if pipe.poll(min(left, LOOK_EVERY) * 1000):
                return
            if not self.is_alive and not pipe.poll(0):
                raise EOFError


def _culprit(kwargs: Mapping[str, Any]) -> str:
    for name, value in kwargs.items():
        try:
            pickle.dumps(value, protocol=5)
        except Exception:  # as above
            return f"the argument {name!r} ({type(value).__name__})"
    return "an argument that partial() settled"


def _settled(fn: Any) -> dict[str, Any]:
    """Return the arguments that partials have settled, the outer ones first."""
    found: dict[str, Any] = {}
    while hasattr(fn, "func") and hasattr(fn, "keywords"):
        found = {**fn.keywords, **found}
        if fn.args:
            raise TypeError("a partial with positional arguments cannot be sent to a worker process; use keywords")
        fn = fn.func
    return found


def _widen(*pipes: int) -> None:
    """Let pipes hold more, where the system can and allows it, so that large values take fewer turns."""
    for pipe in pipes:
        with suppress(AttributeError, OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIECE)


def _appended_file() -> IO[bytes]:
    """Return a new file that is always written at its end, so that what was read may be cut off."""
    file = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the worker
    fcntl.fcntl(file.fileno(), fcntl.F_SETFL, fcntl.fcntl(file.fileno(), fcntl.F_GETFL) | os.O_APPEND)
    return file


def _all_of(file: IO[bytes]) -> str:
    """Return all that a file holds, and empty it."""
    data = bytearray()
    while part := os.pread(file.fileno(), 1 << 20, len(data)):
        data += part
    if data:
        os.ftruncate(file.fileno(), 0)
    return data.decode(errors="replace")
