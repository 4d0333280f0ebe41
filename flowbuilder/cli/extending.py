"""Extending: lets each plugin add options and commands, and refuses those that exist already."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import click
import pluggy

from flowbuilder.cli.catalog import COMMANDS
from flowbuilder.errors import PluginError, shown, shown_value

OURS = "FlowBuilder itself"
HELP = ("-h", "--help", "help")


def add_options(command: click.Command, host: pluggy.PluginManager) -> None:
    """Let plugins add options to ``run``.

    Raises:
        PluginError: for an option or parameter name that exists already, naming both owners.
    """
    owners = dict.fromkeys([*HELP, *(word for param in command.params for word in _words_of(param))], OURS)
    for plugin, call in each_plugin(host, "flowbuilder_add_options"):
        before = len(command.params)
        call(command=command)
        for param in command.params[before:]:
            if not isinstance(param, click.Parameter):
                raise PluginError(f"the plugin {shown_value(plugin)} adds no option", got=shown_value(param))
            _claim("option", _words_of(param), plugin, owners)


def add_commands(group: click.Group, host: pluggy.PluginManager) -> None:
    """Let plugins add commands.

    Raises:
        PluginError: for a name that exists already, naming both owners.
    """
    owners = dict.fromkeys(COMMANDS, OURS)
    for plugin, call in each_plugin(host, "flowbuilder_add_commands"):
        before = dict(group.commands)
        call(cli=group)
        new = [name for name, command in group.commands.items() if before.get(name) is not command]
        _claim("command", new, plugin, owners)


def _words_of(param: click.Parameter) -> list[str]:
    return [*(word for word in (*param.opts, *param.secondary_opts) if word.startswith("-")), str(param.name)]


def _claim(kind: str, words: Iterable[str], plugin: str, owners: dict[str, str]) -> None:
    for word in words:
        if word in owners:
            owner = owners[word] if owners[word] == OURS else f"the plugin {shown_value(owners[word])}"
            raise PluginError(
                f"the plugin {shown_value(plugin)} adds the {kind} {shown_value(word)}, which {owner} has already",
                hint=f"leave it out with -p no:{shown(plugin)}",
            )
        owners[word] = plugin


def each_plugin(host: pluggy.PluginManager, hook: str) -> list[tuple[str, Callable[..., None]]]:
    """Return each plugin that implements a hook, in registration order, with a call of its implementation alone."""
    implementations = [one.plugin for one in getattr(host.hook, hook).get_hookimpls()]
    named = [(name, plugin) for name, plugin in host.list_name_plugin() if plugin in implementations]
    return [(name, partial(call_one, host, hook, plugin, name)) for name, plugin in named]


def call_one(host: pluggy.PluginManager, hook: str, plugin: Any, name: str, **facts: Any) -> None:
    """Call one plugin's implementation of a hook; what it raises goes on with a note that names the plugin."""
    others = [one for one in host.get_plugins() if one is not plugin]
    try:
        host.subset_hook_caller(hook, remove_plugins=others)(**facts)
    except BaseException as error:
        error.add_note(f"raised by the plugin {shown(name)} in {hook}")
        raise
