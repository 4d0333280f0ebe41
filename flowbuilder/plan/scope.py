"""Scope: which definition a name stands for, seen from the definition that asks."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Mapping

from flowbuilder.declare.collection import Collection
from flowbuilder.declare.definitions import Definition, WorkflowDefinition, definition_of
from flowbuilder.declare.signature import unwrapped


class Scope:
    """Looks names up lexically, for one plan.

    A name is looked for in what a ``FlowBuilder`` brought along, in the enclosing functions of the
    requester, in its module with what that imports, in the ``flowconf.py`` of its folder and of
    the folders above.
    """

    def __init__(self, collection: Collection, workflow: WorkflowDefinition) -> None:
        self._collection = collection
        self._own = workflow.own
        self._modules: dict[str, Mapping[str, Definition]] = {}
        self._explicit = collection.explicit

    def find(self, name: str, requester: Definition) -> Definition | None:
        """Return the definition ``name`` stands for, or None when it is an input."""
        for names in self._layers(requester):
            if (found := names.get(name)) is not None:
                return found
        return None

    def names(self, requester: Definition) -> list[str]:
        """Return every name in scope of ``requester``, nearest first."""
        return list(dict.fromkeys(name for names in self._layers(requester) for name in names))

    def is_outer(self, found: Definition, requester: Definition) -> bool:
        """Return whether a definition comes from outside the requester's file."""
        return found.module != requester.module and found.name not in self._own

    def _layers(self, requester: Definition) -> Iterator[Mapping[str, Definition]]:
        yield self._own
        yield self._explicit
        scope = requester.scope
        while scope:
            yield self._collection.at(requester.module, scope)
            scope = scope.rpartition(".")[0].removesuffix(".<locals>")
        yield self._module(requester)
        for outer in self._collection.outer.get(requester.module, ()):
            yield self._collection.at(outer)

    def _module(self, requester: Definition) -> Mapping[str, Definition]:
        """Return what a module defines and, behind it, what it imports, by definition name."""
        known = self._modules.get(requester.module)
        if known is None:
            imported = {d.name: d for value in self._globals(requester).values() if (d := definition_of(value))}
            known = {**imported, **self._collection.at(requester.module)}
            self._modules[requester.module] = known
        return known

    @staticmethod
    def _globals(requester: Definition) -> dict[str, object]:
        module = sys.modules.get(requester.module)
        if module is not None:
            return dict(vars(module))
        fn = inspect.unwrap(unwrapped(requester.fn)) if requester.fn else None
        return dict(getattr(fn, "__globals__", {}))
