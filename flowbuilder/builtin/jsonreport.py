"""JSON: ``--json FILE`` writes the results of all runs as one JSON document; ``-`` is stdout."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

from flowbuilder import RunResult, Settings, Terminal, hookimpl
from flowbuilder.builtin.report_file import ReportFile
from flowbuilder.builtin.wording import message_of
from flowbuilder.errors import SettingsError, error_line, shown

NAME = "json-report"


@hookimpl
def flowbuilder_add_options(command: click.Command) -> None:
    """Add ``--json``."""
    command.params.append(
        click.Option(
            ["--json", "json_file"],
            metavar="FILE",
            help="Write the results as JSON; with - to stdout, and everything else to stderr.",
        )
    )


@hookimpl
def flowbuilder_configure(config: Settings) -> None:
    """Register the report, if it is wanted."""
    path = config.options.get("json_file") if config.command == "run" else None
    if path:
        others = {"--junitxml": config.options.get("junitxml")}
        write = Stdout(config.terminal).write if path == "-" else ReportFile("--json", path, others).write
        config.plugins.register(JsonReport(write), NAME)


def document(results: Sequence[RunResult[Any]], error: BaseException | None = None) -> str:
    """Return the results of all runs, and what ended the command where that was no run, as one JSON document."""
    import json

    from flowbuilder import __version__

    runs = [result.to_dict() for result in results]
    told = None if error is None else {"type": _name(type(error)), "message": message_of(error)}
    # In ASCII, so that a stream of any encoding can take it.
    return json.dumps({"flowbuilder": __version__, "runs": runs, "error": told}, indent=2) + "\n"


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


class JsonReport:
    """Writes the document when all is over: only then is it known whether the command came to its end."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._results: Sequence[RunResult[Any]] = ()

    @hookimpl
    def flowbuilder_summary(self, results: Sequence[RunResult[Any]]) -> None:
        """Keep the results."""
        self._results = results

    @hookimpl
    def flowbuilder_unconfigure(self, error: BaseException | None) -> None:
        """Write the document."""
        self._write(document(self._results, error))


class Stdout:
    """The process's stdout, kept for the document alone.

    From its making to ``write`` whatever else is written to stdout goes to stderr: the report, what
    steps print, and what programs write that a step starts.
    """

    def __init__(self, terminal: Terminal) -> None:
        self._stdout = sys.stdout
        self._descriptor: int | None = None
        self._divert(terminal)

    def _divert(self, terminal: Terminal) -> None:
        sys.stdout = sys.stderr
        terminal.move_to(sys.stderr)
        # Not where stdout is something else than the process's own, as in tests.
        with contextlib.suppress(AttributeError, OSError, ValueError):
            if self._stdout.fileno() == 1:
                self._stdout.flush()
                self._descriptor = os.dup(1)
                os.dup2(2, 1)

    def _restore(self) -> None:
        sys.stdout = self._stdout
        if self._descriptor is not None:
            os.dup2(self._descriptor, 1)
            os.close(self._descriptor)
            self._descriptor = None

    def write(self, text: str) -> None:
        """Give stdout back and write a text to it.

        Raises:
            SettingsError: when it cannot be written; a reader that has gone away is no error.
        """
        self._restore()
        stdout = Terminal(self._stdout)
        stdout.put(text)
        if stdout.error is not None and not isinstance(stdout.error, BrokenPipeError):
            raise SettingsError("the document of --json - cannot be written", got=shown(error_line(stdout.error)))
