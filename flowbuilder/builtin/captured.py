"""Captured: streams and a log handler that look up in a context variable which step is writing.

What a step writes goes to its call; outside of steps everything is passed on. A thread that a
step starts itself is outside, since it does not inherit the variable.
"""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TextIO

from flowbuilder import Call

FORMAT = "%(levelname)-8s %(name)s:%(filename)s:%(lineno)d %(message)s"

calling: ContextVar[Call | None] = ContextVar("flowbuilder_calling", default=None)


class CapturedStream(io.TextIOBase):
    """Stands in for ``sys.stdout`` or ``sys.stderr``: keeps what a step writes and passes on the rest.

    It is passed on in whole lines, each thread's own, so that no line of somebody else comes between
    the text and the line break of a ``print``; a flush passes on the begun line, too.
    """

    def __init__(self, title: str, stream: TextIO, pass_on: Callable[[TextIO, str], None]) -> None:
        self._title = title
        self._stream = stream
        self._pass_on = pass_on
        self._begun: dict[int, str] = {}

    def write(self, text: str) -> int:
        """Keep or pass on text."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        call = calling.get()
        if call is None:
            self._pass_on_lines(text)
        else:
            call.write(self._title, text)
        return len(text)

    def _pass_on_lines(self, text: str) -> None:
        thread = threading.get_ident()
        text = self._begun.pop(thread, "") + text
        end = max(text.rfind("\n"), text.rfind("\r")) + 1
        if end < len(text):
            self._begun[thread] = text[end:]
        if end:
            self._pass_on(self._stream, text[:end])

    def pass_on_begun(self) -> None:
        """Pass on the lines that threads have begun and not ended."""
        while self._begun:
            self._pass_on(self._stream, self._begun.popitem()[1])

    def writable(self) -> bool:
        """Return True: this is written to."""
        return True

    def isatty(self) -> bool:
        """Return whether this is a terminal, which a step's captured output never is."""
        return calling.get() is None and self._stream.isatty()

    def flush(self) -> None:
        """Flush what was passed on, with the line that this thread has begun."""
        if calling.get() is None:
            begun = self._begun.pop(threading.get_ident(), "")
            if begun:
                self._pass_on(self._stream, begun)
            self._stream.flush()

    def fileno(self) -> int:
        """Return the number of the real stream."""
        return self._stream.fileno()

    def close(self) -> None:
        """Stay open: a step that closes its stdout must not close everybody's."""

    @property
    def encoding(self) -> str:  # type: ignore[override]  # typeshed has an attribute here
        """The encoding of the real stream."""
        return self._stream.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]  # typeshed has an attribute here
        """How the real stream treats what it cannot encode."""
        return self._stream.errors

    @property
    def buffer(self) -> CapturedBytes:
        """The same stream for bytes."""
        return CapturedBytes(self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class CapturedBytes(io.RawIOBase):
    """The ``buffer`` of a ``CapturedStream``; bytes are kept as text."""

    def __init__(self, text: CapturedStream) -> None:
        self._text = text

    def write(self, data: Any) -> int:
        """Keep or pass on bytes."""
        found = bytes(data)
        self._text.write(found.decode(self._text.encoding or "utf-8", "backslashreplace"))
        return len(found)

    def writable(self) -> bool:
        """Return True: this is written to."""
        return True

    def flush(self) -> None:
        """Flush what was passed on."""
        self._text.flush()

    def fileno(self) -> int:
        """Return the number of the real stream."""
        return self._text.fileno()


class CapturedLog(logging.Handler):
    """Keeps what a step logs."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter(FORMAT))

    def emit(self, record: logging.LogRecord) -> None:
        """Keep or pass on a record."""
        call = calling.get()
        if call is None:
            self._pass_on(record)
            return
        try:
            text = self.format(record) + "\n"
        except Exception:  # a record whose arguments do not fit its message: logging has its own way to tell
            self.handleError(record)
            return
        call.write("log", text)

    def _pass_on(self, record: logging.LogRecord) -> None:
        """Do what logging does where no handler hears a record, which is so only because of this one."""
        last = logging.lastResort
        if last is not None and record.levelno >= last.level and not self._has_others(record):
            last.handle(record)

    def _has_others(self, record: logging.LogRecord) -> bool:
        logger: logging.Logger | None = logging.getLogger(record.name)
        while logger is not None:
            if any(one is not self for one in logger.handlers):
                return True
            logger = logger.parent
        return False
