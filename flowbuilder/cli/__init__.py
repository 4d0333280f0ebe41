"""The command line: one module per command, one place where errors become exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

from flowbuilder.cli.boundary import exit_code_of
from flowbuilder.cli.group import make_group
from flowbuilder.cli.setup import Setup
from flowbuilder.supervisor import Watched

NAME = "flowbuilder"
COMPLETE = "_FLOWBUILDER_COMPLETE"


def main(arguments: Sequence[str] | None = None, plugins: Sequence[Any] = (), watched: Watched | None = None) -> int:
    """Run a command line and return its exit code; nothing is raised for what a user may do wrong.

    Args:
        arguments: what follows ``flowbuilder``; those of this process if left out.
        plugins: objects with hooks, beside those that are found.
        watched: the word to a parent that watches this process, where the process is the command's own.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    return exit_code_of(lambda: _command(given, plugins, watched))


def _command(arguments: list[str], plugins: Sequence[Any], watched: Watched | None) -> Any:
    """Run one command; click's own ``main`` is passed by, since it exits where a reader goes away."""
    group = make_group()
    if COMPLETE in os.environ:
        from flowbuilder.cli.completion import complete

        return complete(group, NAME, COMPLETE)
    with group.make_context(NAME, arguments, obj=Setup(arguments, plugins, watched)) as context:
        return group.invoke(context)
