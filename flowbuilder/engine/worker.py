"""What a worker process runs: reads calls from a pipe, answers on another, dies with its parent."""

from __future__ import annotations

import importlib
import logging
import os
import pickle
import signal
import struct
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from typing import Any

from flowbuilder.discovery import install_finder
from flowbuilder.errors import shown_value
from flowbuilder.plain import error_text, traceback_text

HEADER = struct.Struct("!Q")
ANSWER = struct.Struct("!?Q")  # whether it is the last one of its call, and its size


class Records(logging.Handler):
    """Collects log records, made fit for sending."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record, its message and traceback as text, and what else is on it as far as it can be sent."""
        try:
            record.msg, record.args = record.getMessage(), None
        except Exception:  # a format that does not fit its arguments is the user's, and must not raise here
            self.handleError(record)
            return
        if record.exc_info:
            record.exc_text = record.exc_text or logging.Formatter().formatException(record.exc_info)
            record.exc_info = None
        for name, value in record.__dict__.items():
            record.__dict__[name] = _plain(value)
        self.records.append(record)


def _plain(value: object) -> object:
    """Return a value that can be sent: itself, or its text where it cannot."""
    if value is None or isinstance(value, str | int | float):
        return value
    try:
        pickle.loads(pickle.dumps(value))
    except Exception:  # the user's __reduce__ may raise anything
        return shown_value(value, 1000)
    return value


def main(read: int, write: int, parent: int) -> None:
    """Serve calls until the pipe closes."""
    _die_with(parent)
    _open_streams(anew=True)
    stream = os.fdopen(read, "rb")
    setup = pickle.loads(_next(stream) or b"")
    sys.path[:] = setup["path"]
    install_finder().table.update(setup["table"])
    handler = Records()
    logging.root.addHandler(handler)
    logging.root.setLevel(setup["level"])
    while (message := _next(stream)) is not None:
        answers = Answers(write)
        answers.end(_reply(message, handler, answers))


class Answers:
    """What goes back while one call is executed, and what ends it; then nothing more of it does.

    A body may say how far it is from any thread, but not from a process that it forked.
    """

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._is_over = False

    def tell(self, done: float, total: float | None) -> None:
        """Send how far the body is."""
        if os.getpid() == self._process:
            message = pickle.dumps((_plain(done), _plain(total)), protocol=5)
            with self._lock:
                if not self._is_over:
                    self._send(message, is_last=False)

    def end(self, reply: bytes) -> None:
        """Send how the call ended."""
        with self._lock:
            self._is_over = True
            self._send(reply, is_last=True)

    def _send(self, message: bytes, *, is_last: bool) -> None:
        for part in (ANSWER.pack(is_last, len(message)), message):
            view = memoryview(part)
            while view:
                view = view[os.write(self._pipe, view) :]


def _die_with(parent: int) -> None:
    """End when the parent does: by the pipe's end when idle, by a watch while a body runs.

    A parent-death signal would follow the thread that spawned this process, which may end first.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        threading.Event().wait(0.5)
    os.kill(os.getpid(), signal.SIGKILL)


def _next(stream: Any) -> bytes | None:
    header = stream.read(HEADER.size)
    return stream.read(HEADER.unpack(header)[0]) if len(header) == HEADER.size else None


def _reply(message: bytes, handler: Records, answers: Answers) -> bytes:
    outcome, value = "returned", None
    _open_streams()
    try:
        module, qualname, settled, kwargs = pickle.loads(message)
        fn: Any = importlib.import_module(module)
        for part in qualname.split("."):
            fn = getattr(fn, part)
        value = fn(**settled, **_reporting(kwargs, answers))
    except BaseException as error:  # around a user's step anything may come
        outcome, value = "raised", _sendable(error)
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # a body has closed it, or put something else there
            stream.flush()
    records, handler.records = handler.records, []
    try:
        return pickle.dumps((outcome, value, records), protocol=5)
    except Exception as error:  # pickling calls the user's __reduce__, which may raise anything
        what = f"the step's result ({type(value).__name__}) cannot be sent back: {error_text(error)}"
        failure = (TypeError(what), "")
        return pickle.dumps(("raised", failure, records), protocol=5)


def _reporting(kwargs: dict[str, Any], answers: Answers) -> dict[str, Any]:
    """Return the arguments, of which a ``ctx`` says how far its body is to whoever waits for the answer."""
    known = sys.modules.get("flowbuilder.engine.context")
    if known is None:  # it is loaded with the first ctx that is sent
        return kwargs
    from flowbuilder.engine.reports import Reports

    return {
        name: replace(value, report=Reports(answers.tell)) if isinstance(value, known.Context) else value
        for name, value in kwargs.items()
    }


def _open_streams(*, anew: bool = False) -> None:
    """Open stdout and stderr, or those of them that a body has closed or taken away.

    Each line is written at once, so that a crash loses none.
    """
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if anew or stream is None or getattr(stream, "closed", False):
            file = open(descriptor, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115  # it stays open
            setattr(sys, name, file)


def _sendable(error: BaseException) -> tuple[BaseException, str]:
    """Return the error, or a stand-in where it cannot be sent, and its traceback as text."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    text = traceback_text(error.with_traceback(trace))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # the user's exception cannot be pickled, or not be loaded again
        return RuntimeError(f"{type(error).__name__}: {error_text(error)}"), text
    return error, text
