"""Setup: what stands before a command line is parsed: its folder, its settings, its plugins."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from flowbuilder.cli.catalog import fresh
from flowbuilder.cli.early import Early, read_early
from flowbuilder.cli.output import say
from flowbuilder.cli.project import Project, find_project
from flowbuilder.installed import may_be_installed
from flowbuilder.supervisor import Watched

if TYPE_CHECKING:
    import pluggy


class Setup:
    """Finds each thing when it is first asked for, so that ``--help`` pays for little of it."""

    def __init__(
        self, arguments: Sequence[str] = (), plugins: Sequence[Any] = (), watched: Watched | None = None
    ) -> None:
        self.watched = watched or Watched()
        self._owns_process = watched is not None
        self._arguments = tuple(arguments)  # a copy: click eats up the list it parses
        self._plugins = plugins
        self._is_extended = False

    def settle(self) -> None:
        """Take what there is for what stays, before any code of the user's comes.

        Python looks for garbage in the modules of a process again and again, and most thoroughly at its end, which
        would take a tenth of a short run. Where this is only a part of a process, that is left to its owner.
        """
        if self._owns_process:
            gc.freeze()
            gc.set_threshold(10_000)

    @cached_property
    def early(self) -> Early:
        """What the command line says of plugins and paths."""
        return read_early(self._arguments)

    @cached_property
    def project(self) -> Project:
        """The root and the settings of ``pyproject.toml``."""
        return find_project(self.early.paths)

    @property
    def has_plugins(self) -> bool:
        """Whether there may be plugins beside the built-in ones, which add no commands."""
        return bool(self._plugins or self.early.plugins or self.project.plugins or may_be_installed())

    @cached_property
    def host(self) -> pluggy.PluginManager:
        """The plugin manager, with every plugin that is known before files are collected."""
        from flowbuilder.host import BUILT_IN, make_host

        root = str(self.project.root)
        if root not in sys.path:  # as for flow files, so that a plugin beside them is found by its name
            sys.path.append(root)
        names = dict.fromkeys((*self.project.plugins, *self.early.plugins))
        return make_host(plugins=self._plugins, names=list(names), builtin=list(BUILT_IN), warn=_warn)

    @cached_property
    def run_command(self) -> click.Command:
        """The command ``run`` with the options of plugins."""
        from flowbuilder.cli.extending import add_options

        command = fresh("run")
        add_options(command, self.host)
        return command

    @property
    def plugin_options(self) -> list[click.Parameter]:
        """The options that plugins have added to ``run``."""
        return self.run_command.params[len(fresh("run").params) :]

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """The values of ``[tool.flowbuilder]`` by parameter name, checked."""
        if not self.project.table:
            return {}  # and no command is loaded for nothing
        return self.project.defaults(self.run_command.params, click.Context(self.run_command))

    def extend(self, group: click.Group) -> None:
        """Let plugins add their commands, once."""
        from flowbuilder.cli.extending import add_commands

        if not self._is_extended:
            self._is_extended = True
            add_commands(group, self.host)


def _warn(text: str) -> None:
    say(f"warning: {text}")
