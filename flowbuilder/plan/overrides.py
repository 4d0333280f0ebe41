"""Overrides: values given to take the place of steps and providers in one plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flowbuilder.declare.definitions import Definition, WorkflowDefinition, definition_of
from flowbuilder.declare.validate import composed
from flowbuilder.errors import PlanError, UnknownNameError, shown_value


class Overrides:
    """The overrides of one plan; a function means that step alone, a name every one so called.

    ``standing_for`` says which definition the plan has in the place of a function's own.
    """

    def __init__(self, given: Mapping[Any, Any], standing_for: Callable[[Definition], Definition]) -> None:
        self._values: dict[Definition | str, Any] = {}
        self._used: set[Definition | str] = set()
        for thing, value in given.items():
            key = _key(thing)
            self._values[key if isinstance(key, str) else standing_for(key)] = value

    def has(self, definition: Definition) -> bool:
        """Return whether a value takes the place of a definition."""
        return bool(self._values) and (definition in self._values or definition.name in self._values)

    def value(self, definition: Definition) -> Any:
        """Return the value that takes the place of a definition."""
        key: Definition | str = definition if definition in self._values else definition.name
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
            name = key if isinstance(key, str) else key.name
            if name in set(inputs):
                raise PlanError(
                    f"{shown_value(name)} is an input: it has nothing to override", hint="give it by params="
                )
            raise UnknownNameError("step or provider to override", name, list(names))


def _key(thing: Any) -> Definition | str:
    definition = definition_of(thing)
    if isinstance(thing, str):
        return composed(thing)
    if definition is None or isinstance(definition, WorkflowDefinition):
        raise PlanError("overrides= takes steps, providers or their names", got=shown_value(thing))
    return definition
