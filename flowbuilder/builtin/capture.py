"""Capture: keeps what each step prints and logs, threads and async steps told apart, for its result.

``sys.stdout`` and ``sys.stderr`` are replaced by streams that look up in a context variable which
step is printing; outside of steps they pass everything on.
"""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable, Generator
from contextvars import ContextVar
from typing import Any, TextIO

import click

from flowbuilder import Call, Settings, hookimpl
from flowbuilder.builtin.tail import Tail

NAME = "captured-output"
FORMAT = "%(levelname)-8s %(name)s:%(filename)s:%(lineno)d %(message)s"

Tails = dict[str, Tail]
_tails: ContextVar[Tails | None] = ContextVar("flowbuilder_captured", default=None)


@hookimpl
def flowbuilder_add_options(command: click.Command) -> None:
    """Add ``-s``."""
    command.params.append(
        click.Option(
            ["-s", "--no-capture", "no_capture"],
            is_flag=True,
            help="Let steps print at once instead of showing their output only where they fail.",
        )
    )


@hookimpl
def flowbuilder_configure(config: Settings) -> None:
    """Begin to capture, unless ``-s`` was given."""
    if config.command == "run" and not config.options.get("no_capture"):
        capture = Capture(config.terminal.pass_on)
        capture.start()
        config.plugins.register(capture, NAME)


class Capture:
    """Captures between ``start`` and ``stop``; ``pass_on(stream, text)`` gets what is printed outside of steps."""

    def __init__(self, pass_on: Callable[[TextIO, str], None]) -> None:
        self._pass_on = pass_on
        self._streams: dict[str, TextIO] = {}
        self._logs = _Logs()
        self._level = logging.NOTSET

    def start(self) -> None:
        """Replace the streams."""
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if stream is not None:
                self._streams[name] = stream
                setattr(sys, name, CapturedStream(name, stream, self._pass_on))

    def stop(self) -> None:
        """Give the streams back, whatever a step has put in their place."""
        for name, stream in self._streams.items():
            setattr(sys, name, stream)
        self._streams.clear()
        logging.root.removeHandler(self._logs)

    @hookimpl
    def flowbuilder_collection_finish(self) -> None:
        """Begin to capture log records: only now, so that ``logging.basicConfig`` in a flow file is heeded."""
        logging.root.addHandler(self._logs)

    @hookimpl
    def flowbuilder_step_call(self, call: Call) -> Generator[None, Any, None]:
        """Keep what the body prints and logs in sections of the step's result."""
        tails: Tails = {}
        token = _tails.set(tails)
        try:
            yield
        finally:
            _tails.reset(token)
            for title in sorted(tails, key=("stdout", "stderr", "log").index):
                call.add_section(title, tails[title].text)

    @hookimpl
    def flowbuilder_unconfigure(self) -> None:
        """End capturing."""
        self.stop()


class CapturedStream(io.TextIOBase):
    """Stands in for ``sys.stdout`` or ``sys.stderr``: keeps what a step writes and passes on the rest."""

    def __init__(self, title: str, stream: TextIO, pass_on: Callable[[TextIO, str], None]) -> None:
        self._title = title
        self._stream = stream
        self._pass_on = pass_on

    def write(self, text: str) -> int:
        """Keep or pass on text."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        tails = _tails.get()
        if tails is None:
            self._pass_on(self._stream, text)
        else:
            tail = tails.get(self._title)
            if tail is None:
                tail = tails[self._title] = Tail()
            tail.write(text)
        return len(text)

    def writable(self) -> bool:
        """Return True: this is written to."""
        return True

    def isatty(self) -> bool:
        """Return whether this is a terminal, which a step's captured output never is."""
        return _tails.get() is None and self._stream.isatty()

    def flush(self) -> None:
        """Flush what was passed on."""
        if _tails.get() is None:
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


class _Logs(logging.Handler):
    """Keeps what a step logs."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter(FORMAT))

    def emit(self, record: logging.LogRecord) -> None:
        tails = _tails.get()
        if tails is None:
            self._pass_on(record)
            return
        try:
            text = self.format(record) + "\n"
        except Exception:  # a record whose arguments do not fit its message: logging has its own way to tell
            self.handleError(record)
            return
        tail = tails.get("log")
        if tail is None:
            tail = tails["log"] = Tail()
        tail.write(text)

    def _pass_on(self, record: logging.LogRecord) -> None:
        """Do what logging does where there is no handler, which there is only because of this one."""
        last = logging.lastResort
        if last is not None and logging.root.handlers == [self] and record.levelno >= last.level:
            last.handle(record)
