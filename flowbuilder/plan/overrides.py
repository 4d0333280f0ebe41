"""Overrides: values given to take the place of steps and providers in one plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flowbuilder.declare.definitions import Definition, definition_of
from flowbuilder.declare.validate import composed
from flowbuilder.errors import PlanError, UnknownNameError, shown_value
from flowbuilder.plan.home import Home

Key = str | tuple[str, int]


class Overrides:
    """The overrides of one plan.

    A function means its step alone, in whatever words a ``FlowBuilder`` has it; a name every one
    so called, and a qualified one, ``sales.load``, the one of that sub-workflow.

    Args:
        given: values by function, definition or name.
        optional: those that the plan may have no use for.
    """

    def __init__(self, given: Mapping[Any, Any], optional: Mapping[Key, Any] | None = None) -> None:
        self._values: dict[Key, Any] = {**(optional or {}), **{_key(thing): value for thing, value in given.items()}}
        self._used: set[Key] = set(optional or ())

    def again(self) -> Overrides:
        """Return the same overrides for another plan, which need not use them all."""
        return Overrides({}, self._values)

    def __len__(self) -> int:
        return len(self._values)

    def has(self, definition: Definition, home: Home) -> bool:
        """Return whether a value takes the place of a definition that is requested in ``home``."""
        return any(key in self._values for key in _keys(definition, home))

    def value(self, definition: Definition, home: Home) -> Any:
        """Return the value that takes the place of a definition."""
        key = next(one for one in _keys(definition, home) if one in self._values)
        self._used.add(key)
        return self._values[key]

    def refuse_unused(self, names: Iterable[str], inputs: Iterable[str]) -> None:
        """Refuse an override of something the plan does not need.

        Raises:
            UnknownNameError: naming what could be overridden.
            PlanError: for an input, which takes its value in another way.
        """
        for key in self._values:
            if key in self._used:
                continue
            name = key if isinstance(key, str) else key[0]
            if name in set(inputs):
                raise PlanError(
                    f"{shown_value(name)} is an input: it has nothing to override", hint="give it by params="
                )
            raise UnknownNameError("step or provider to override", name, list(names))


def _key(thing: Any) -> Key:
    if isinstance(thing, str):
        return composed(thing)
    definition = definition_of(thing)
    if definition is None:
        raise PlanError("overrides= takes steps, workflows, providers or their names", got=shown_value(thing))
    return _function(definition)


def _function(definition: Definition) -> Key:
    """Return what a definition has in common with the same function in other words."""
    return definition.name, id(definition if definition.fn is None else definition.fn)


def _keys(definition: Definition, home: Home) -> tuple[Key, ...]:
    """Return the keys that mean a definition, the one that says most first."""
    return home.prefix + definition.name, _function(definition), definition.name
