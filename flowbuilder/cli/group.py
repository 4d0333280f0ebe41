"""The command group: built-in commands load when they are asked for, those of plugins beside them."""

from __future__ import annotations

from typing import Any

import click

from flowbuilder.cli.commands import COMMANDS, fresh
from flowbuilder.cli.options import plugin_option
from flowbuilder.cli.setup import Setup
from flowbuilder.errors import FlowBuilderError


class LazyGroup(click.Group):
    """The group ``flowbuilder``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the built-in commands, then those of plugins."""
        return [*COMMANDS, *sorted(self.commands)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command with the options that plugins add to it, a built-in one as a fresh copy."""
        setup = ctx.find_object(Setup)
        if setup is None:
            return None
        setup.extend(self)
        if cmd_name not in COMMANDS:
            return self.commands.get(cmd_name)
        if cmd_name == "run":
            return setup.run_command
        return fresh(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that ``args`` ask for, with the defaults of pyproject.toml set."""
        setup = ctx.find_object(Setup)
        name, command, rest = super().resolve_command(ctx, args)
        if setup is not None and name in COMMANDS:
            ctx.default_map = {name: setup.defaults}
        return name, command, rest

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands with a line of help each."""
        rows = list(COMMANDS.items())
        setup = ctx.find_object(Setup)
        trouble = ""
        try:
            if setup is not None and setup.has_plugins:
                setup.extend(self)
        except FlowBuilderError as error:
            trouble = str(error)
        rows += [(name, command.get_short_help_str()) for name, command in sorted(self.commands.items())]
        with formatter.section("Commands"):
            formatter.write_dl(rows)
        if trouble:
            with formatter.section("Not all of it can be shown"):
                formatter.write_text(trouble)


def make_group() -> LazyGroup:
    """Return the group ``flowbuilder``, to which plugins may add."""
    from flowbuilder import __version__

    params: list[Any] = [plugin_option()]
    group = LazyGroup("flowbuilder", params=params, help="pytest for workflows.", no_args_is_help=True)
    version = click.version_option(__version__, prog_name="flowbuilder", message="%(prog)s %(version)s")
    return version(group)
