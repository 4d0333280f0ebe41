"""JUnit XML: ``--junitxml FILE`` writes what continuous integration servers read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from flowbuilder import RunResult, Settings, hookimpl
from flowbuilder.builtin.report_file import ReportFile


@hookimpl
def flowbuilder_add_options(command: click.Command) -> None:
    """Add ``--junitxml``."""
    command.params.append(
        click.Option(["--junitxml"], metavar="FILE", help="Write the results as JUnit XML to a file.")
    )


@hookimpl
def flowbuilder_configure(config: Settings) -> None:
    """Register the report, if it is wanted."""
    path = config.options.get("junitxml") if config.command == "run" else None
    if path:
        config.plugins.register(JUnitXml(ReportFile("--junitxml", path)), "junitxml-report")


class JUnitXml:
    """Writes one ``testsuite`` for each run, in it a ``testcase`` for each step and each item that did not succeed."""

    def __init__(self, file: ReportFile) -> None:
        self._file = file

    @hookimpl
    def flowbuilder_summary(self, results: Sequence[RunResult[Any]]) -> None:
        """Write the file."""
        from flowbuilder.builtin.junit_document import document  # which loads an XML library

        self._file.write(document(results))
