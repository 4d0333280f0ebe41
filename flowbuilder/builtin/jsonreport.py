"""JSON: ``--json FILE`` writes the results of all runs as one JSON document; ``-`` is stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any, TextIO

import click

from flowbuilder import RunResult, Settings, hookimpl
from flowbuilder.builtin.report_file import ReportFile

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
        config.plugins.register(JsonToStdout(config), NAME)
    elif path:
        config.plugins.register(JsonToFile(ReportFile("--json", path)), NAME)


def document(results: Sequence[RunResult[Any]]) -> str:
    """Return the results of all runs as one JSON document."""
    from flowbuilder import __version__

    runs = [result.to_dict() for result in results]
    return json.dumps({"flowbuilder": __version__, "runs": runs}, indent=2, ensure_ascii=True) + "\n"


class JsonToFile:
    """Writes the document to a file."""

    def __init__(self, file: ReportFile) -> None:
        self._file = file

    @hookimpl
    def flowbuilder_summary(self, results: Sequence[RunResult[Any]]) -> None:
        """Write the file."""
        self._file.write(document(results))


class JsonToStdout:
    """Writes the document to stdout, and keeps everything else out of it."""

    def __init__(self, config: Settings) -> None:
        self._stdout: TextIO = sys.stdout
        sys.stdout = sys.stderr
        config.terminal.move_to(sys.stderr)

    @hookimpl
    def flowbuilder_summary(self, results: Sequence[RunResult[Any]]) -> None:
        """Write the document."""
        self._stdout.write(document(results))
        self._stdout.flush()

    @hookimpl
    def flowbuilder_unconfigure(self) -> None:
        """Give stdout back."""
        sys.stdout = self._stdout
