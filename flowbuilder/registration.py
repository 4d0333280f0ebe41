"""Registration: a plugin is taken in after each of its hooks was checked."""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

import pluggy

import flowbuilder.hookspecs as hookspecs
from flowbuilder.engine.relay import WATCHERS
from flowbuilder.errors import PluginError, did_you_mean, listed, shown, shown_value

PREFIX = "flowbuilder_"
KNOWN_HOOKS = tuple(hook for hook in vars(hookspecs) if hook.startswith(PREFIX))
STEP_CALL = "flowbuilder_step_call"


class Plugins(pluggy.PluginManager):
    """The plugins of one host: pluggy's manager, which is silent on many slips, with each hook checked."""

    def __init__(self) -> None:
        super().__init__(hookspecs.PROJECT)
        self.add_hookspecs(hookspecs)

    def parse_hookspec_opts(self, module_or_class: Any, name: str) -> pluggy.HookspecOpts | None:
        """Return what the specification of a hook says; of the names beside the hooks nothing is asked."""
        return super().parse_hookspec_opts(module_or_class, name) if name.startswith(PREFIX) else None

    def get_canonical_name(self, plugin: Any) -> str:
        """Return what a plugin without a name is called: its module's name, or its class's with a number."""
        name = getattr(plugin, "__name__", None)
        if isinstance(name, str):
            return name
        kind = type(plugin).__name__
        numbered = (f"{kind}#{number}" if number > 1 else kind for number in count(1))
        return next(one for one in numbered if (known := self.get_plugin(one)) is None or known is plugin)

    def register(self, plugin: Any, name: str | None = None) -> str | None:
        """Register a plugin after checking each of its hooks; return its name, or None if it is left out.

        Raises:
            PluginError: for what is no plugin, an unknown hook or argument, a hook that is not
                marked, an async implementation, a wrapper where none can stand, or a name that is
                taken.
        """
        if isinstance(plugin, type):
            raise PluginError(
                "a plugin is a module or an object, not a class", got=shown_value(plugin), hint=f"{plugin.__name__}()"
            )
        called = name or self.get_canonical_name(plugin)
        if self.is_blocked(called):
            return None
        if self.has_plugin(called) or self.is_registered(plugin):
            raise _taken(self, plugin, called)
        hooks = _check_hooks(self, plugin, called)
        if not hooks and not isinstance(plugin, types.ModuleType):
            raise PluginError(
                "a plugin has functions that are hooks, and this has none",
                got=shown_value(plugin),
                hint=f"name a module with -p {shown(plugin)}" if isinstance(plugin, str) else "mark them: @hookimpl",
            )
        try:
            return super().register(plugin, called)
        except pluggy.PluginValidationError as error:
            if self.is_registered(plugin):  # an older pluggy checks a hook only when it is half taken in
                self.unregister(plugin)
            what = str(error).splitlines()[-1]
            raise PluginError(f"the plugin {shown_value(called)} cannot be used", got=shown(what, 500)) from None


def _taken(pm: pluggy.PluginManager, plugin: Any, name: str) -> PluginError:
    known = pm.get_name(plugin)
    other = plugin if known is not None else pm.get_plugin(name)
    return PluginError(
        f"the plugin {shown_value(name)} is registered twice",
        got=f"{shown_value(other)}" + (f", as {shown_value(known)}" if known not in (None, name) else ""),
        hint="give it once" if known is not None else "two plugins need two names",
    )


def _check_hooks(pm: pluggy.PluginManager, plugin: Any, name: str) -> list[str]:
    """Check every hook of a plugin and return their names."""
    found = []
    for attribute, fn in _routines(plugin):
        options = pm.parse_hookimpl_opts(plugin, attribute)
        where = f"plugin {shown(name)}, {shown(attribute)}"
        if options is not None:
            found.append(attribute)
            _check_hook(attribute, fn, options, where)
        elif attribute in KNOWN_HOOKS and getattr(fn, "__module__", "") != hookspecs.__name__:
            raise PluginError(
                "a hook that is not marked would never be called", where=where, hint="put @hookimpl on it"
            )
    return found


def _routines(plugin: Any) -> Iterator[tuple[str, Any]]:
    """Yield the functions and methods of a plugin by name; properties are its own code, and left alone."""
    for name in dir(plugin):
        if name.startswith("__") or isinstance(inspect.getattr_static(plugin, name, None), property):
            continue
        fn = getattr(plugin, name, None)
        if inspect.isroutine(fn):
            yield name, fn


def _check_hook(attribute: str, fn: Any, options: Mapping[str, Any], where: str) -> None:
    hook = options.get("specname") or attribute
    if hook not in KNOWN_HOOKS:
        # The prefix all hooks share would make every one look near.
        near = did_you_mean(hook.removeprefix(PREFIX), [one.removeprefix(PREFIX) for one in KNOWN_HOOKS])
        raise PluginError(f"there is no hook {shown_value(hook)}", where=where, hint=near or "see the hook reference")
    if inspect.iscoroutinefunction(fn) or inspect.isasyncgenfunction(fn):
        raise PluginError("a hook cannot be async: hooks are plain calls", where=where, hint="make it a def")
    _check_arguments(hook, fn, where)
    _check_wrapper(hook, fn, options, where)


def _check_arguments(hook: str, fn: Any, where: str) -> None:
    allowed = list(inspect.signature(getattr(hookspecs, hook)).parameters)
    for name, parameter in inspect.signature(fn).parameters.items():
        if name not in allowed:
            raise PluginError(
                f"the hook has no argument {shown_value(name)}",
                where=where,
                allowed=listed(allowed) or "none",
                hint=did_you_mean(name, allowed),
            )
        if parameter.default is not parameter.empty:
            raise PluginError(
                f"the argument {shown_value(name)} has a default, so it would never be filled",
                where=where,
                hint=f"write it without: {shown(name)}",
            )


def _check_wrapper(hook: str, fn: Any, options: Mapping[str, Any], where: str) -> None:
    is_wrapper = options.get("wrapper") or options.get("hookwrapper")
    if is_wrapper and hook.removeprefix(PREFIX) in WATCHERS:
        raise PluginError("a hook that watches cannot be wrapped", where=where, hint="use @hookimpl without wrapper")
    if hook != STEP_CALL:
        return
    if options.get("hookwrapper"):
        raise PluginError(f"{STEP_CALL} takes no hookwrapper", where=where, hint="use @hookimpl, and yield once in it")
    if not inspect.isgeneratorfunction(fn):
        raise PluginError(f"{STEP_CALL} is a generator that yields once", where=where, hint="yield in it")
