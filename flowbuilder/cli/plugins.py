"""``flowbuilder plugins``: what is registered."""

from __future__ import annotations

import click

from flowbuilder.cli.commands import COMMANDS
from flowbuilder.cli.options import plugin_option
from flowbuilder.cli.setup import Setup
from flowbuilder.errors import shown
from flowbuilder.host import describe
from flowbuilder.terminal import Terminal


@click.command("plugins", params=[plugin_option()], short_help=COMMANDS["plugins"])
@click.pass_context
def command(context: click.Context, plugins: tuple[str, ...]) -> None:
    """List plugins: name, version, where each comes from, and the hooks it implements."""
    setup = context.find_object(Setup)
    assert setup is not None
    terminal = Terminal()
    for one in describe(setup.host):
        facts = " ".join(shown(text) for text in (one.version, one.source) if text)
        terminal.print(f"{shown(one.name)}  {facts}")
        terminal.print(f"    {', '.join(one.hooks) or 'no hooks'}", style="dim")
