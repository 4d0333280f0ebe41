"""The command group: built-in commands load when they are asked for, those of plugins beside them."""

from __future__ import annotations

import click

from flowbuilder.cli.catalog import COMMANDS, fresh
from flowbuilder.cli.options import plugin_option
from flowbuilder.cli.setup import Setup
from flowbuilder.errors import FlowBuilderError, UnknownNameError

HELP = "pytest for workflows: decorate plain functions, run them in parallel."
EPILOG = """\
Completion of commands, options and paths by Tab, for bash (or zsh, fish):

  eval "$(_FLOWBUILDER_COMPLETE=bash_source flowbuilder)"
"""


class LazyGroup(click.Group):
    """The group ``flowbuilder``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the built-in commands, then those of plugins."""
        return [*COMMANDS, *sorted(self.commands)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, after plugins have added theirs; ``run`` and ``resume`` have the options of plugins."""
        setup = ctx.ensure_object(Setup)
        # Built-in plugins add no commands: without others, what only reads the history loads none of them.
        if setup.has_plugins or cmd_name not in COMMANDS:
            setup.extend(self)
        if cmd_name not in COMMANDS:
            return self.commands.get(cmd_name)
        if cmd_name == "run":
            return setup.run_command
        command = fresh(cmd_name)
        if cmd_name == "resume":  # which reports as run does
            command.params += setup.plugin_options
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that ``args`` ask for, and set the defaults of ``pyproject.toml``.

        Raises:
            UnknownNameError: when there is no such command.
        """
        name, *rest = args
        command = self.get_command(ctx, name)
        if command is None and not ctx.resilient_parsing:
            raise UnknownNameError("command", name, self.list_commands(ctx))
        if name in COMMANDS:
            defaults = ctx.ensure_object(Setup).defaults
            ctx.default_map = {name: defaults, "run": defaults}
        return name, command, rest

    def invoke(self, ctx: click.Context) -> object:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx  # the parser of options leaves it out, and whose help to hint at is told by it
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a line for each command. Help must come whatever is wrong, and importing as little as can be."""
        trouble = ""
        try:
            setup = ctx.ensure_object(Setup)
            if setup.has_plugins:
                setup.extend(self)
        except FlowBuilderError as error:
            trouble = str(error)
        theirs = [
            (name, command.get_short_help_str())
            for name, command in sorted(self.commands.items())
            if name not in COMMANDS
        ]
        with formatter.section("Commands"):
            formatter.write_dl([*COMMANDS.items(), *theirs])
        if trouble:
            with formatter.section("Commands of plugins cannot be shown"):
                for line in trouble.split("\n"):
                    formatter.write_text(line.strip())


def make_group() -> LazyGroup:
    """Return the group ``flowbuilder``, to which plugins may add."""
    from flowbuilder import __version__

    group = LazyGroup(
        "flowbuilder",
        params=[plugin_option()],
        help=HELP,
        epilog="\b\n" + EPILOG.replace("\n\n", "\n\n\b\n"),
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    return click.version_option(__version__, prog_name="flowbuilder", message="%(prog)s %(version)s")(group)
