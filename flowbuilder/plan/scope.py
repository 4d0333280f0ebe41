"""Scope: which definition a name stands for, seen from the definition that asks."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple

from flowbuilder.declare.collection import Collection
from flowbuilder.declare.definitions import Definition, WorkflowDefinition, definition_of
from flowbuilder.declare.signature import innermost
from flowbuilder.declare.validate import composed
from flowbuilder.errors import PlanError, UnknownNameError, shown_value


class Clash(NamedTuple):
    """Two definitions that one place knows by the same name."""

    first: Definition
    second: Definition


Layer = Mapping[str, Definition | Clash]


class Scope:
    """Looks names up lexically, for one plan.

    A name is looked for in what a ``FlowBuilder`` or registry brought along, in the enclosing
    functions of the requester, in its module with what that imports, in the ``flowconf.py`` of its
    folder and of the folders above, in the modules of plugins.
    """

    def __init__(self, collection: Collection, workflow: WorkflowDefinition, plugins: Iterable[str] = ()) -> None:
        self._collection = collection
        self._own = workflow.own
        self._first: tuple[Layer, ...] = (workflow.own, collection.own())
        self._plugins = tuple(plugins)
        self._modules: dict[str, Layer] = {}

    def find(self, name: str, requester: Definition) -> Definition | None:
        """Return the definition ``name`` stands for, or None when it is an input.

        Raises:
            PlanError: when it stands for two that were imported under different names.
        """
        name = composed(name)
        for names in self._layers(requester):
            found = names.get(name)
            if isinstance(found, Clash):
                raise _two_found(name, found, requester)
            if found is not None:
                return found
        return None

    def of(self, thing: Any, requester: Definition) -> Definition | None:
        """Return the definition that a function, definition or name stands for, None for any other thing."""
        if isinstance(thing, str):
            return self.find(thing, requester)
        found = definition_of(thing)
        return None if found is None else self.standing_for(found)

    def standing_for(self, definition: Definition) -> Definition:
        """Return what the workflow has in the place of a definition: a ``FlowBuilder`` may give it other words."""
        own = self._own.get(definition.name)
        return own if own is not None and own.fn is definition.fn else definition

    def step(self, thing: Any, requester: Definition) -> Definition:
        """Return the definition that a function, definition or name stands for.

        Raises:
            UnknownNameError: when it stands for none.
        """
        found = self.of(thing, requester)
        if found is None:
            name = thing if isinstance(thing, str) else shown_value(thing)
            raise UnknownNameError("step", name, self.names(requester), requester.where)
        return found

    def names(self, requester: Definition) -> list[str]:
        """Return every name of a step or provider in scope of ``requester``, nearest first."""
        found: dict[str, Definition | Clash] = {}
        for names in self._layers(requester):
            found |= {name: one for name, one in names.items() if name not in found}
        return [name for name, one in found.items() if not isinstance(one, WorkflowDefinition)]

    def is_outer(self, name: str, requester: Definition) -> bool:
        """Return whether a name comes from beyond the place where the requester was written."""
        return not any(name in names for names in self._near(requester))

    def _layers(self, requester: Definition) -> Iterator[Layer]:
        return chain(self._near(requester), self._far(requester))

    def _near(self, requester: Definition) -> Iterator[Layer]:
        yield from self._first
        if requester.scope:
            yield self._collection.at(requester.module, requester.scope)
        else:
            yield self._module(requester.module, requester)

    def _far(self, requester: Definition) -> Iterator[Layer]:
        scope = _enclosing(requester.scope)
        while scope:
            yield self._collection.at(requester.module, scope)
            scope = _enclosing(scope)
        if requester.scope:
            yield self._module(requester.module, requester)
        for name in (*self._collection.outer.get(requester.module, ()), *self._plugins):
            yield self._module(name)

    def _module(self, name: str, requester: Definition | None = None) -> Layer:
        """Return what a module defines and, behind it, what it imports, by definition name."""
        known = self._modules.get(name)
        if known is None:
            here = [one for value in _globals(name, requester) if (one := definition_of(value)) is not None]
            imported: dict[str, Definition | Clash] = {}
            for one in here:
                before = imported.setdefault(one.name, one)
                if before is not one and not isinstance(before, Clash):
                    imported[one.name] = Clash(before, one)
            own = {one.name: one for one in here if one.module == name}
            known = self._modules[name] = {**imported, **own, **self._collection.at(name)}
        return known


def _enclosing(scope: str) -> str:
    return scope.rpartition(".")[0].removesuffix(".<locals>")


def _globals(name: str, requester: Definition | None) -> list[object]:
    """Return the globals of a module, also of one that is executed without being imported."""
    module = sys.modules.get(name)
    if module is not None:
        return list(vars(module).values())
    fn = innermost(requester.fn) if requester and requester.fn else None
    return list(getattr(fn, "__globals__", {}).values())


def _two_found(name: str, clash: Clash, requester: Definition) -> PlanError:
    return PlanError(
        f"{shown_value(name)} stands for two definitions in the scope of {shown_value(requester.name)}",
        where=requester.where,
        got=f"{clash.first.where} and {clash.second.where}",
        hint='say which one is meant: needs={"parameter": step}, or give one of them a name=',
    )
