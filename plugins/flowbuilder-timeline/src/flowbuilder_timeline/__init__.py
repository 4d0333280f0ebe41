"""A FlowBuilder plugin: ``--timeline FILE`` writes a run as a trace to open in Perfetto or chrome://tracing.

The file is in the Trace Event Format's JSON array form. Each run is a process of the trace; each
slot of an executor ("thread 1", "process 2", "loop 1") is a row in it, and each attempt of a step
or item a slice in the row of the slot it held. A run and a mapped step as a whole are spans of
their own, and a step whose body was never called is an instant in the row "did not run".
"""

from __future__ import annotations

import os
from pathlib import Path

import click

from flowbuilder import Settings, hookimpl
from flowbuilder.errors import SettingsError, shown
from flowbuilder_timeline.timeline import Timeline

__all__ = ["Timeline", "flowbuilder_add_options", "flowbuilder_configure"]
__version__ = "0.1.0"

LONGEST_PATH = 500


@hookimpl
def flowbuilder_add_options(command: click.Command) -> None:
    """Add ``--timeline``."""
    command.params.append(
        click.Option(["--timeline"], metavar="FILE", help="Write a trace to open in Perfetto or chrome://tracing.")
    )


@hookimpl
def flowbuilder_configure(config: Settings) -> None:
    """Register a timeline, if one is wanted of a run.

    Raises:
        SettingsError: when the file cannot be written.
    """
    path = config.options.get("timeline")
    if path and config.command == "run":
        config.plugins.register(Timeline(_writable(Path(path))), "timeline-writer")


def _writable(path: Path) -> Path:
    what, got = "--timeline cannot be written", shown(path, LONGEST_PATH)
    try:
        if path.is_dir():
            raise SettingsError(what, got=f"{got}, a folder", hint="name a file in it")
        if not path.parent.is_dir():
            raise SettingsError(what, got=f"{got}, in no folder", hint=f"mkdir -p {shown(path.parent)}")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise SettingsError(what, got=f"{got}, permission denied")
    except OSError as error:  # such as a name too long for the file system
        raise SettingsError(what, got=f"{got}, {error.strerror}") from error
    return path
