"""JSON: ``--json FILE`` writes the results of all runs as one JSON document; ``-`` is stdout."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from flowbuilder import RunResult, Settings, Terminal, hookimpl
from flowbuilder.builtin.report_file import ReportFile
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
    if path == "-":
        config.plugins.register(JsonToStdout(config.terminal), NAME)
    elif path:
        config.plugins.register(JsonToFile(ReportFile("--json", path)), NAME)


def document(results: Sequence[RunResult[Any]]) -> str:
    """Return the results of all runs as one JSON document."""
    import json

    from flowbuilder import __version__

    runs = [result.to_dict() for result in results]
    # In ASCII, so that a stream of any encoding can take it.
    return json.dumps({"flowbuilder": __version__, "runs": runs}, indent=2) + "\n"


class JsonToFile:
    """Writes the document to a file."""

    def __init__(self, file: ReportFile) -> None:
        self._file = file

    @hookimpl
    def flowbuilder_summary(self, results: Sequence[RunResult[Any]]) -> None:
        """Write the file."""
        self._file.write(document(results))


class JsonToStdout:
    """Writes the document to stdout and keeps everything else out of it.

    From its making to ``flowbuilder_unconfigure`` whatever else is written to stdout goes to
    stderr: the report, what steps print, and what programs write that a step starts.
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

    @hookimpl
    def flowbuilder_summary(self, results: Sequence[RunResult[Any]]) -> None:
        """Give stdout back and write the document.

        Raises:
            SettingsError: when it cannot be written; a reader that has gone away is no error.
        """
        others = sys.stdout
        self._restore()
        stdout = Terminal(self._stdout)
        stdout.put(document(results))
        sys.stdout = others
        if stdout.error is not None and not isinstance(stdout.error, BrokenPipeError):
            raise SettingsError("the document of --json - cannot be written", got=shown(error_line(stdout.error)))

    @hookimpl
    def flowbuilder_unconfigure(self) -> None:
        """Give stdout back, also where no run came to its end."""
        self._restore()
