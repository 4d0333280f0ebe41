"""Extending: lets each plugin add options and commands, and refuses those that exist already."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
import pluggy

from flowbuilder.cli.commands import COMMANDS
from flowbuilder.errors import PluginError, shown

OURS = "flowbuilder"


def add_options(command: click.Command, host: pluggy.PluginManager) -> None:
    """Let plugins add options to ``run``.

    Raises:
        PluginError: for an option or parameter name that exists already, naming both owners.
    """
    owners = {word: OURS for param in command.params for word in _words_of(param)}
    for plugin, call in each_plugin(host, "flowbuilder_add_options"):
        before = len(command.params)
        call(command=command)
        for param in command.params[before:]:
            for word in _words_of(param):
                if word in owners:
                    raise _taken("option", word, owners[word], plugin)
                owners[word] = plugin


def add_commands(group: click.Group, host: pluggy.PluginManager) -> None:
    """Let plugins add commands.

    Raises:
        PluginError: for a name that exists already, naming both owners.
    """
    owners = dict.fromkeys(COMMANDS, OURS)
    for plugin, call in each_plugin(host, "flowbuilder_add_commands"):
        before = dict(group.commands)
        call(cli=group)
        for name, command in group.commands.items():
            if before.get(name) is not command:
                if name in owners:
                    raise _taken("command", name, owners[name], plugin)
                owners[name] = plugin


def each_plugin(host: pluggy.PluginManager, hook: str) -> Iterator[tuple[str, Any]]:
    """Yield each plugin that implements a hook, in registration order, and a call of its implementation alone.

    What it raises goes on with a note that names the plugin.
    """
    for name, plugin in host.list_name_plugin():
        if plugin is not None and any(one.plugin is plugin for one in getattr(host.hook, hook).get_hookimpls()):
            yield name, lambda plugin=plugin, name=name, **facts: call_one(host, hook, plugin, name, **facts)


def call_one(host: pluggy.PluginManager, hook: str, plugin: Any, name: str, **facts: Any) -> None:
    """Call one plugin's implementation of a hook."""
    others = [one for one in host.get_plugins() if one is not plugin]
    try:
        host.subset_hook_caller(hook, remove_plugins=others)(**facts)
    except Exception as error:
        error.add_note(f"raised by the plugin {shown(name)} in {hook}")
        raise


def _words_of(param: click.Parameter) -> list[str]:
    return [str(param.name), *(opt for opt in (*param.opts, *param.secondary_opts) if opt.startswith("-"))]


def _taken(kind: str, word: str, owner: str, plugin: str) -> PluginError:
    return PluginError(
        f"the plugin {shown(plugin)!r} adds the {kind} {shown(word)!r}, which {shown(owner)} has already",
        hint=f"leave one out with -p no:{shown(plugin)}",
    )
