"""Host: builds the plugin manager; every plugin is registered, and checked, here."""

from __future__ import annotations

import importlib
import inspect
import os
import types
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import entry_points as installed
from typing import Any

import pluggy

import flowbuilder.hookspecs as hookspecs
from flowbuilder.engine.relay import WATCHERS
from flowbuilder.errors import PluginError, did_you_mean, error_line, listed, shown, shown_value

BUILT_IN = {
    name: f"flowbuilder.builtin.{name if name != 'json' else 'jsonreport'}"
    for name in ("terminal", "capture", "durations", "junitxml", "json")
}
NO_AUTOLOAD = "FLOWBUILDER_DISABLE_PLUGIN_AUTOLOAD"
PREFIX = "flowbuilder_"


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginInfo:
    """What ``flowbuilder plugins`` shows of a plugin."""

    name: str
    source: str
    version: str
    hooks: tuple[str, ...]


def make_host(
    *,
    plugins: Sequence[Any] = (),
    names: Sequence[str] = (),
    builtin: Sequence[str] = (),
    entry_points: bool = True,
) -> pluggy.PluginManager:
    """Return a new plugin manager with built-in, installed, named and given plugins, in that order.

    ``names`` are the values of ``-p``: a module, the name of an installed or built-in plugin, or
    ``no:NAME`` to leave one out. ``plugins`` are objects.

    Raises:
        PluginError: for a plugin that cannot be imported or implements a hook wrongly.
    """
    pm = pluggy.PluginManager(hookspecs.PROJECT)
    pm.add_hookspecs(hookspecs)
    left_out = [name.removeprefix("no:") for name in names if name.startswith("no:")]
    wanted = [name for name in names if not name.startswith("no:")]
    found = {} if not entry_points or os.environ.get(NO_AUTOLOAD) else _installed()
    for name in left_out:
        if name not in BUILT_IN and name not in found and name not in wanted:
            known = [*BUILT_IN, *found]
            raise PluginError(f"-p no:{shown(name)}: there is no such plugin", allowed=listed(known),
                              hint=did_you_mean(name, known))  # fmt: skip
        pm.set_blocked(name)
    for name in [*builtin, *(one for one in wanted if one in BUILT_IN and one not in builtin)]:
        if name not in left_out:
            register(pm, importlib.import_module(BUILT_IN[name]), name)
    for name, point in found.items():
        if name not in left_out:
            register(pm, _loaded(name, point.load), name)
    for name in wanted:
        if name not in BUILT_IN and name not in found and not pm.has_plugin(name) and name not in left_out:
            register(pm, _loaded(name, partial(importlib.import_module, name)), name)
    for plugin in plugins:
        register(pm, plugin, getattr(plugin, "__name__", None))
    return pm


def _installed() -> dict[str, Any]:
    return {point.name: point for point in installed(group=hookspecs.PROJECT)}


def _loaded(name: str, load: Any) -> Any:
    try:
        return load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # importing runs the plugin's code, which may raise anything
        hint = f"inputs are given with -P {shown(name)}" if "=" in name else f"leave it out with -p no:{shown(name)}"
        raise PluginError(
            f"the plugin {shown_value(name)} cannot be loaded", got=shown(error_line(error), 500), hint=hint
        ) from error


def register(pm: pluggy.PluginManager, plugin: Any, name: str | None = None) -> None:
    """Register a plugin after checking each of its hooks.

    Raises:
        PluginError: for a class, an unknown hook or argument, an async implementation, a wrapper
            around a watching hook, or a name that is taken.
    """
    if isinstance(plugin, type):
        raise PluginError(
            "a plugin is a module or an object, not a class", got=shown_value(plugin), hint=f"{plugin.__name__}()"
        )
    shown_name = name or pm.get_canonical_name(plugin)
    _check_hooks(plugin, shown_name, pm)
    try:
        pm.register(plugin, name)
        pm.check_pending()
    except ValueError as error:
        raise PluginError(
            f"the plugin {shown_value(shown_name)} is registered twice", got=shown(error_line(error))
        ) from None
    except pluggy.PluginValidationError as error:
        pm.unregister(plugin)
        raise PluginError(f"the plugin {shown_value(shown_name)} cannot be used", got=shown(str(error), 500)) from None


def _check_hooks(plugin: Any, name: str, pm: pluggy.PluginManager) -> None:
    known = [hook for hook in vars(hookspecs) if hook.startswith(PREFIX)]
    for attribute in dir(plugin):
        if attribute.startswith("__"):
            continue
        fn = getattr(plugin, attribute, None)
        options = pm.parse_hookimpl_opts(plugin, attribute) if inspect.isroutine(fn) else None
        if options is None or fn is None:
            continue
        where = f"plugin {shown(name)}, {shown(attribute)}"
        _check_hook(attribute, fn, dict(options), known, where)


def _check_hook(attribute: str, fn: Any, options: dict[str, Any], known: list[str], where: str) -> None:
    hook = options.get("specname") or attribute
    if hook not in known:
        raise PluginError(
            f"there is no hook {shown_value(hook)}",
            where=where,
            hint=did_you_mean(hook, known) or "see the hook reference",
        )
    if inspect.iscoroutinefunction(fn) or inspect.isasyncgenfunction(fn):
        raise PluginError("a hook cannot be async: hooks are plain calls", where=where, hint="make it a def")
    arguments = list(inspect.signature(getattr(hookspecs, hook)).parameters)
    for argument in inspect.signature(fn).parameters:
        if argument not in arguments:
            raise PluginError(
                f"the hook has no argument {argument!r}", where=where, allowed=listed(arguments) or "none",
                hint=did_you_mean(argument, arguments),
            )  # fmt: skip
    is_wrapper = options.get("wrapper") or options.get("hookwrapper")
    if is_wrapper and hook.removeprefix(PREFIX) in WATCHERS:
        raise PluginError("a hook that watches cannot be wrapped", where=where, hint="use @hookimpl without wrapper")
    if hook == "flowbuilder_step_call" and not inspect.isgeneratorfunction(fn):
        raise PluginError("flowbuilder_step_call is a generator that yields once", where=where, hint="yield in it")


def describe(pm: pluggy.PluginManager) -> list[PluginInfo]:
    """Return what is registered, with version and hooks."""
    dists = {id(plugin): dist for plugin, dist in pm.list_plugin_distinfo()}
    found = []
    for name, plugin in pm.list_name_plugin():
        if plugin is None:
            continue
        hooks = tuple(sorted(caller.name.removeprefix(PREFIX) for caller in pm.get_hookcallers(plugin) or ()))
        module = plugin if isinstance(plugin, types.ModuleType) else inspect.getmodule(type(plugin))
        source = "built-in" if name in BUILT_IN else str(getattr(module, "__file__", "") or "given")
        version = str(getattr(dists.get(id(plugin)), "version", getattr(plugin, "__version__", "")))
        found.append(PluginInfo(name=name, source=source, version=version, hooks=hooks))
    return found
