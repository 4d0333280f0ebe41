"""Host: builds the plugin manager with the built-in, installed, named and given plugins."""

from __future__ import annotations

import importlib
import inspect
import os
import types
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import pluggy

from flowbuilder.discovery import CONF, foreign_frames, last_line
from flowbuilder.engine.lanes.base import LaneFactory
from flowbuilder.engine.policies import POLICIES, Policy
from flowbuilder.errors import PluginError, did_you_mean, listed, shown, shown_value
from flowbuilder.installed import installed_plugins
from flowbuilder.registration import PREFIX, Plugins

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

BUILT_IN = {
    name: f"flowbuilder.builtin.{name if name != 'json' else 'jsonreport'}"
    for name in ("terminal", "debugger", "capture", "durations", "junitxml", "json")
}
F = TypeVar("F")
NO_AUTOLOAD = "FLOWBUILDER_DISABLE_PLUGIN_AUTOLOAD"


class PluginWarning(UserWarning):
    """A plugin that is installed cannot be used; the run goes on without it."""


class PluginInfo(NamedTuple):
    """What ``flowbuilder plugins`` shows of a plugin."""

    name: str
    source: str
    version: str
    hooks: tuple[str, ...]


def _warned(text: str) -> None:
    warnings.warn(text, PluginWarning, stacklevel=3)


def make_host(
    *,
    plugins: Iterable[Any] | None = None,
    names: Sequence[str] = (),
    builtin: Sequence[str] = (),
    entry_points: bool = True,
    warn: Callable[[str], None] = _warned,
) -> Plugins:
    """Return a new plugin manager with built-in, installed, named and given plugins, in that order.

    ``names`` are the values of ``-p``: a module, the name of an installed or built-in plugin, or
    ``no:NAME`` to leave one out. ``plugins`` are objects. ``warn`` is told of installed plugins
    that cannot be used; one that ``names`` asks for is an error.

    Raises:
        PluginError: for a plugin that cannot be imported or implements a hook wrongly.
    """
    pm = Plugins()
    found = {} if not entry_points or os.environ.get(NO_AUTOLOAD) else installed_plugins()
    wanted = [name for name in dict.fromkeys(names) if not name.startswith("no:")]
    left_out = {name.removeprefix("no:") for name in names if name.startswith("no:")}
    _refuse_unknown(sorted(left_out - {*BUILT_IN, *found, *wanted}), [*BUILT_IN, *found])
    for name in left_out:
        pm.set_blocked(name)
    for name in dict.fromkeys([*builtin, *(one for one in wanted if one in BUILT_IN)]):
        if name not in left_out:
            pm.register(importlib.import_module(BUILT_IN[name]), name)
    for name, point in found.items():
        if name not in left_out:
            _register_installed(pm, name, point, None if name in wanted else warn)
    for name in wanted:
        if name not in left_out and name not in BUILT_IN and name not in found:
            _register_named(pm, name, [*BUILT_IN, *found])
    for plugin in _objects(plugins):
        pm.register(plugin)
    return pm


def host_of(plugins: Any) -> Plugins:
    """Return the plugin manager of runs from code, with the given plugins; those without any share one.

    Raises:
        PluginError: for a plugin that implements a hook wrongly.
    """
    if plugins is None or (isinstance(plugins, list | tuple) and not plugins):
        return _host_of_none()
    return make_host(plugins=plugins, entry_points=False)


@cache
def _host_of_none() -> Plugins:
    """Return a plugin manager without plugins: to read the specifications takes as long as a small run."""
    return make_host(entry_points=False)


def _objects(plugins: Any) -> Iterable[Any]:
    if plugins is None:
        return ()
    if isinstance(plugins, str | Mapping) or not isinstance(plugins, Iterable):
        raise PluginError(
            "plugins= takes a list of objects with hooks", got=shown_value(plugins), hint="plugins=[plugin]"
        )
    return plugins


def _refuse_unknown(names: Sequence[str], known: Iterable[str]) -> None:
    for name in names:
        raise PluginError(
            f"-p no:{shown(name)}: there is no such plugin", allowed=listed(known), hint=did_you_mean(name, known)
        )


def _register_installed(
    pm: pluggy.PluginManager, name: str, point: EntryPoint, warn: Callable[[str], None] | None
) -> None:
    """Register what an entry point names; where it is broken, warn if told to, so that the rest works."""
    try:
        pm.register(_loaded(name, point.load), name)
    except PluginError as error:
        if warn is None:
            raise
        what = f"{error.what} ({error.where})" if error.where else error.what
        what = what.removeprefix(f"the plugin {shown_value(name)} ")
        text = f"{what}: {error.got}" if error.got else what
        warn(f"the installed plugin {shown_value(name)} is left out: {text}; switch it off with -p no:{shown(name)}")


def _register_named(pm: pluggy.PluginManager, name: str, known: Iterable[str]) -> None:
    """Register the module that ``-p`` names, unless it is there already under another name."""
    plugin = _loaded(name, partial(importlib.import_module, name), known)
    if not pm.is_registered(plugin):
        pm.register(plugin, name)


def _loaded(name: str, load: Callable[[], Any], known: Iterable[str] = ()) -> Any:
    try:
        return load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # importing runs the plugin's code, which may raise anything
        frames = "" if _is_missing(name, error) else foreign_frames(error)
        raise PluginError(
            f"the plugin {shown_value(name)} cannot be loaded",
            got=last_line(error),
            hint=_loading_hint(name, error, known),
            frames=frames,
        ) from error


def _is_missing(name: str, error: BaseException) -> bool:
    """Return whether it is the plugin's own module that was not found."""
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    return bool(missing) and f"{name}.".startswith(f"{missing}.")


def _loading_hint(name: str, error: BaseException, known: Iterable[str]) -> str:
    if "=" in name:
        return f"inputs are given with -P {shown(name)}"
    near = did_you_mean(name, known) if _is_missing(name, error) else ""
    return near or f"leave it out with -p no:{shown(name)}"


def executors_of(pm: pluggy.PluginManager, own: Mapping[str, LaneFactory]) -> dict[str, LaneFactory]:
    """Return every executor by name: FlowBuilder's own, and those that plugins offer.

    Raises:
        PluginError: when a plugin offers what is none, or a name that is taken.
    """
    return _with_offered(own, pm.hook.flowbuilder_executors, "executor", "executors")


def policies_of(pm: pluggy.PluginManager) -> dict[str, Callable[[], Policy]]:
    """Return every policy by name: FlowBuilder's own, and those that plugins offer.

    Raises:
        PluginError: when a plugin offers what is none, or a name that is taken.
    """
    return _with_offered(POLICIES, pm.hook.flowbuilder_policies, "policy", "policies")


def _with_offered(own: Mapping[str, F], hook: pluggy.HookCaller, noun: str, plural: str) -> dict[str, F]:
    found = dict(own)
    owners = dict.fromkeys(own, "FlowBuilder itself")
    for one in hook.get_hookimpls():
        plugin = f"the plugin {shown_value(one.plugin_name)}"
        for name, factory in _checked(hook.name, plugin, one.function(), plural).items():
            if name in owners:
                raise PluginError(
                    f"{plugin} offers the {noun} {shown_value(name)}, which {owners[name]} has already",
                    hint=f"leave it out with -p no:{shown(one.plugin_name)}",
                )
            owners[name], found[name] = plugin, factory
    return found


def _checked(hook: str, plugin: str, offered: Any, plural: str) -> Mapping[str, Any]:
    good = isinstance(offered, Mapping) and all(isinstance(k, str) and callable(v) for k, v in offered.items())
    if offered is not None and not good:
        raise PluginError(
            f"{hook} of {plugin} returns no {plural}", got=shown_value(offered), allowed='{"name": factory}'
        )
    return offered or {}


def modules_of(pm: pluggy.PluginManager) -> tuple[str, ...]:
    """Return the names of plugins' modules, whose definitions are in scope of every flow file."""
    return tuple(
        plugin.__name__
        for name, plugin in pm.list_name_plugin()
        if isinstance(plugin, types.ModuleType) and name not in BUILT_IN and Path(str(plugin.__file__)).name != CONF
    )


def describe(pm: pluggy.PluginManager) -> list[PluginInfo]:
    """Return what is registered, with version and hooks."""
    versions = {name: point.dist.version for name, point in installed_plugins().items() if point.dist}
    found = []
    for name, plugin in pm.list_name_plugin():
        if plugin is None:
            continue
        hooks = tuple(sorted(caller.name.removeprefix(PREFIX) for caller in pm.get_hookcallers(plugin) or ()))
        module = plugin if isinstance(plugin, types.ModuleType) else inspect.getmodule(type(plugin))
        source = "built-in" if name in BUILT_IN else str(getattr(module, "__file__", "") or "given")
        version = versions.get(name) or str(getattr(plugin, "__version__", ""))
        found.append(PluginInfo(name=name, source=source, version=version, hooks=hooks))
    return found
