"""The command line: one module per command, one place where errors become exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from flowbuilder.cli.boundary import exit_code_of
from flowbuilder.cli.group import make_group
from flowbuilder.cli.setup import Setup


def main(arguments: Sequence[str] | None = None, plugins: Sequence[Any] = ()) -> int:
    """Run a command line and return its exit code; nothing is raised for what a user may do wrong.

    Args:
        arguments: what follows ``flowbuilder``; those of this process if left out.
        plugins: objects with hooks, beside those that are found.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    return exit_code_of(
        lambda: make_group().main(given, "flowbuilder", standalone_mode=False, obj=Setup(given, plugins))
    )
