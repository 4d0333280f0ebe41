"""Completion: what a shell asks for on Tab, and the script that teaches it to ask."""

from __future__ import annotations

import os

import click
from click.shell_completion import BashComplete, FishComplete, ZshComplete, get_completion_class, shell_complete

from flowbuilder.cli.setup import Setup
from flowbuilder.errors import FlowBuilderError, SettingsError, listed, shown_value

SHELLS = (BashComplete.name, FishComplete.name, ZshComplete.name)


def complete(group: click.Group, name: str, variable: str) -> int:
    """Do what the environment variable asks for, and return the exit code.

    Raises:
        SettingsError: for a shell that click does not know.
    """
    instruction = os.environ[variable]
    shell = instruction.partition("_")[0]
    if get_completion_class(shell) is None:
        raise SettingsError(f"{variable}: there is no completion for {shown_value(shell)}", allowed=listed(SHELLS))
    try:
        return shell_complete(group, {"obj": Setup([])}, name, variable, instruction)
    except FlowBuilderError:
        return 1  # half a command line may be wrong in any way, and Tab is no place to say so
