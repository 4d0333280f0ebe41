"""``flowbuilder plugins``: what is registered."""

from __future__ import annotations

import click

from flowbuilder.cli.catalog import COMMANDS
from flowbuilder.cli.options import plugin_option
from flowbuilder.cli.output import put
from flowbuilder.cli.setup import Setup
from flowbuilder.errors import shown
from flowbuilder.host import describe


@click.command("plugins", params=[plugin_option()], short_help=COMMANDS["plugins"])
@click.pass_context
def command(context: click.Context, /, plugins: tuple[str, ...]) -> None:
    """List plugins: name, version, where each comes from, and the hooks it implements."""
    found = describe(context.ensure_object(Setup).host)
    width = max((len(one.name) for one in found), default=0)
    lines = []
    for one in found:
        lines.append(f"{shown(one.name):<{width}}  {shown(one.source)}{f' {shown(one.version)}' * bool(one.version)}")
        lines.append(f"{'':<{width}}  {', '.join(one.hooks) or 'no hooks'}")
    put("\n".join(lines))
