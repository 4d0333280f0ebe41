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
from flowbuilder.plan.home import Home, Member


class Clash(NamedTuple):
    """Two definitions that one place knows by the same name."""

    first: Definition
    second: Definition


Layer = Mapping[str, Definition | Clash]


class Scope:
    """Looks names up lexically, for one plan.

    A name is looked for in what a ``FlowBuilder`` or registry brought along, in the enclosing
    functions of the requester, in its module with what that imports, in the ``flowconf.py`` of its
    folder and of the folders above, in the modules of plugins. What a ``FlowBuilder`` brought along
    is for its own workflow, and for none that is requested in it.
    """

    def __init__(self, collection: Collection, plugins: Iterable[str] = ()) -> None:
        self._collection = collection
        self._added: Layer = collection.own()
        self._plugins = tuple(plugins)
        self._modules: dict[str, Layer] = {}
        self._seen: dict[tuple[Home, str, str], tuple[Member, dict[str, Definition | None]]] = {}

    def again(self) -> Scope:
        """Return the same scope for another plan."""
        return Scope(self._collection, self._plugins)

    def is_current(self) -> bool:
        """Return whether each name that was looked up still stands for the same, wherever it is defined by now."""
        now = self.again()
        try:
            return all(
                now.find(name, requester) is found
                for requester, seen in list(self._seen.values())
                for name, found in list(seen.items())
            )
        except PlanError:  # one stands for two by now
            return False

    def find(self, name: str, requester: Member) -> Definition | None:
        """Return the definition ``name`` stands for, or None when it is an input.

        Raises:
            PlanError: when it stands for two that were imported under different names.
        """
        home, definition = requester.home, requester.definition
        # All that is written in one place sees the same, so each name is looked for there once.
        _, seen = self._seen.setdefault((home, definition.module, definition.scope), (requester, {}))
        if name not in seen:
            seen[name] = self._found(composed(name), requester)
        return seen[name]

    def _found(self, name: str, requester: Member) -> Definition | None:
        for names in self._layers(requester):
            found = names.get(name)
            if isinstance(found, Clash):
                raise _two_found(name, found, requester)
            if found is not None:
                return found
        return None

    def of(self, thing: Any, requester: Member) -> Definition | None:
        """Return the definition that a function, definition or name stands for, None for any other thing."""
        if isinstance(thing, str):
            return self.find(thing, requester)
        found = definition_of(thing)
        if found is None:
            return None
        # A ``FlowBuilder`` may have given it other words.
        own = requester.home.workflow.own.get(found.name)
        if own is None or own is found:
            return found
        return own if found.fn is not None and own.fn is found.fn else found

    def step(self, thing: Any, requester: Member) -> Definition:
        """Return the definition that a function, definition or name stands for.

        Raises:
            UnknownNameError: when it stands for none.
        """
        found = self.of(thing, requester)
        if found is None:
            name = thing if isinstance(thing, str) else shown_value(thing)
            raise UnknownNameError("step", name, self.names(requester), requester.definition.where)
        return found

    def names(self, requester: Member) -> list[str]:
        """Return every name in scope of ``requester`` that it may request, nearest first."""
        found: dict[str, Definition | Clash] = {}
        for names in self._layers(requester):
            found |= {name: one for name, one in names.items() if name not in found}
        return [name for name, one in found.items() if not _is_around(one, requester)]

    def is_outer(self, name: str, requester: Member) -> bool:
        """Return whether a name comes from beyond the place where the requester was written."""
        return not any(name in names for names in self._near(requester))

    def _layers(self, requester: Member) -> Iterator[Layer]:
        return chain(self._near(requester), self._far(requester))

    def _near(self, requester: Member) -> Iterator[Layer]:
        home, definition = requester.home, requester.definition
        yield home.workflow.own
        yield self._added
        if definition.scope:
            yield self._collection.at(definition.module, definition.scope)
        else:
            yield self._module(definition.module, definition)

    def _far(self, requester: Member) -> Iterator[Layer]:
        definition = requester.definition
        scope = _enclosing(definition.scope)
        while scope:
            yield self._collection.at(definition.module, scope)
            scope = _enclosing(scope)
        if definition.scope:
            yield self._module(definition.module, definition)
        for name in (*self._collection.outer.get(definition.module, ()), *self._plugins):
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


def _is_around(found: Definition | Clash, requester: Member) -> bool:
    """Return whether this is a workflow that the requester is part of."""
    return isinstance(found, WorkflowDefinition) and requester.home.enclosing(found) is not None


def _enclosing(scope: str) -> str:
    return scope.rpartition(".")[0].removesuffix(".<locals>")


def _globals(name: str, requester: Definition | None) -> list[object]:
    """Return the globals of a module, also of one that is executed without being imported."""
    module = sys.modules.get(name)
    if module is not None:
        return list(vars(module).values())
    fn = innermost(requester.fn) if requester and requester.fn else None
    return list(getattr(fn, "__globals__", {}).values())


def _two_found(name: str, clash: Clash, requester: Member) -> PlanError:
    return PlanError(
        f"{shown_value(name)} stands for two definitions in the scope of {shown_value(requester.label)}",
        where=requester.definition.where,
        got=f"{clash.first.where} and {clash.second.where}",
        hint='say which one is meant: needs={"parameter": step}, or give one of them a name=',
    )
