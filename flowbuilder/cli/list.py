"""``flowbuilder list``: what there is."""

from __future__ import annotations

from typing import Any

import click

from flowbuilder.cli.commands import COMMANDS
from flowbuilder.cli.options import collecting
from flowbuilder.cli.work import working


@click.command("list", params=collecting(), short_help=COMMANDS["list"])
@click.pass_context
def command(context: click.Context, **options: Any) -> None:
    """List the workflows and steps of each flow file, with the first lines of their docstrings."""
    with working(context) as work:
        work.select()
