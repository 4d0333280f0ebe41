"""Catalog: the built-in commands by name, each imported when it is asked for."""

from __future__ import annotations

import copy
import importlib

import click

# The help is told here too, so that listing the commands imports none of them.
COMMANDS = {
    "run": "Collect and run workflows.",
    "list": "List workflows and their steps.",
    "plan": "Show what a run would do.",
    "graph": "Draw a workflow.",
    "resume": "Go on with a run that did not succeed.",
    "runs": "List the runs that were kept.",
    "show": "Show one run: its steps, errors and output.",
    "purge": "Forget runs.",
    "cache": "List or forget the stored results of steps.",
    "doctor": "Check the run store.",
    "plugins": "List plugins and their hooks.",
}
COLLECTING = ("run", "list", "plan", "graph")  # those that take paths


def fresh(name: str) -> click.Command:
    """Return a copy of a built-in command, whose options may be added to."""
    command: click.Command = copy.copy(importlib.import_module(f"flowbuilder.cli.commands.{name}").command)
    command.params = list(command.params)
    return command
