"""Capture: keeps what each step prints and logs, threads and async steps told apart, for its result."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Generator
from typing import Any, TextIO

import click

from flowbuilder import Call, Settings, hookimpl
from flowbuilder.builtin.captured import CapturedLog, CapturedStream, calling

NAME = "captured-output"


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
        self._captured: list[CapturedStream] = []
        self._log = CapturedLog()

    def start(self) -> None:
        """Replace the streams."""
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if stream is not None:
                self._streams[name] = stream
                self._captured.append(CapturedStream(name, stream, self._pass_on))
                setattr(sys, name, self._captured[-1])

    def stop(self) -> None:
        """Give the streams back, whatever a step has put in their place."""
        for name, stream in self._streams.items():
            setattr(sys, name, stream)
        self._streams.clear()
        for captured in self._captured:
            captured.pass_on_begun()
        self._captured.clear()
        logging.root.removeHandler(self._log)

    @hookimpl
    def flowbuilder_collection_finish(self) -> None:
        """Begin to capture log records: only now, so that ``logging.basicConfig`` in a flow file is heeded."""
        logging.root.addHandler(self._log)

    @hookimpl
    def flowbuilder_step_call(self, call: Call) -> Generator[None, Any, None]:
        """Keep what the body prints and logs in sections of the step's result."""
        token = calling.set(call)
        try:
            yield
        finally:
            calling.reset(token)

    @hookimpl
    def flowbuilder_unconfigure(self) -> None:
        """End capturing."""
        self.stop()
