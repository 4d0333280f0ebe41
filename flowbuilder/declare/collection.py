"""Collection: what decorators collect into, by the place each definition was written."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar, Unpack, overload

from flowbuilder.declare.decorators import caller, make_provider, make_step, make_workflow, mark
from flowbuilder.declare.definitions import (
    Definition,
    ProviderDefinition,
    StepDefinition,
    WorkflowDefinition,
    definition_of,
)
from flowbuilder.declare.validate import composed
from flowbuilder.declare.words import ProviderWords, StepWords, WorkflowWords
from flowbuilder.errors import DefinitionError, DuplicateNameError, UnknownNameError, listed, shown_value

F = TypeVar("F", bound=Callable[..., Any])
D = TypeVar("D", bound=Definition)
Place = tuple[str, str]


class Collection:
    """Definitions by module, enclosing function and name; the one object that owns them.

    Names are looked up first among what was decorated by this collection or added to it; in a
    ``lexical`` one, as the package's own registry is, only in the place of whoever asks.
    ``outer`` says for a module which modules, nearest first, its names are looked up in after
    its own (the ``flowconf.py`` of its folder and of the folders above).
    """

    def __init__(self, *, lexical: bool = False) -> None:
        self._lexical = lexical
        self._places: dict[Place, dict[str, Definition]] = {}
        self._added: dict[str, Definition] = {}
        self._decorated: dict[tuple[str, str, str], Definition] = {}
        self._specs: dict[str, object] = {}
        self._lock = threading.RLock()
        self.outer: dict[str, tuple[str, ...]] = {}

    def add(self, thing: Callable[..., Any] | Definition) -> Definition:
        """Add a decorated function or a definition, and return the definition.

        What is added so is found by name from every definition planned with this collection.

        Raises:
            DefinitionError: when it is neither.
            DuplicateNameError: when its file already has this name in another place.
        """
        definition = definition_of(thing)
        if definition is None:
            raise DefinitionError(
                "this is neither a decorated function nor a definition", got=shown_value(thing), hint="use @step"
            )
        before = self._added.get(definition.name)
        if before is not None and before.where != definition.where:
            raise DuplicateNameError(definition.name, before.where, definition.where)
        self.keep(definition)
        self._added[definition.name] = definition
        return definition

    def own(self) -> Mapping[str, Definition]:
        """Return what is found by name from every definition planned with this collection.

        That is what was added to it and, unless the collection is lexical, what was decorated by
        it under a name of its own.
        """
        found: dict[str, Definition] = {}
        clashing: set[str] = set()
        with self._lock:
            for one in () if self._lexical else self._decorated.values():
                if found.setdefault(one.name, one) is not one:
                    clashing.add(one.name)
            return {name: one for name, one in found.items() if name not in clashing} | self._added

    def keep(self, definition: Definition) -> None:
        """Keep a definition under the place it was written.

        Raises:
            DuplicateNameError: when its file already has this name in another place.
        """
        with self._lock:
            self._start_afresh(definition.module)
            names = self._places.setdefault((definition.module, definition.scope), {})
            before = names.get(definition.name)
            # The same line again is a function called twice or a notebook cell run twice: it replaces.
            if before and before.where.file == definition.where.file and before.where.line != definition.where.line:
                raise DuplicateNameError(definition.name, before.where, definition.where)
            names[definition.name] = definition

    def forget(self, module: str) -> None:
        """Drop every definition of one module, as before importing it again."""
        with self._lock:
            for place in [place for place in self._places if place[0] == module]:
                del self._places[place]
            self._added = {name: one for name, one in self._added.items() if one.module != module}
            self._decorated = {key: one for key, one in self._decorated.items() if one.module != module}

    def _start_afresh(self, module: str) -> None:
        """Drop what a module defined before it was reloaded: its lines may have moved since."""
        spec = getattr(sys.modules.get(module), "__spec__", None)
        before = self._specs.setdefault(module, spec)
        if before is not spec:
            self._specs[module] = spec
            if before is not None and spec is not None:
                self.forget(module)

    def at(self, module: str, scope: str = "") -> Mapping[str, Definition]:
        """Return what was written in one module, at module level or inside one function."""
        return self._places.get((module, scope), {})

    def written_in(self, module: str, kind: type[D]) -> list[D]:
        """Return the definitions of one kind at the top level of a module, in definition order."""
        return [one for one in self.at(module).values() if isinstance(one, kind)]

    def __iter__(self) -> Iterator[Definition]:
        with self._lock:
            found = [one for names in self._places.values() for one in names.values()]
        return iter(found)

    def __len__(self) -> int:
        return sum(map(len, self._places.values()))

    def __contains__(self, thing: object) -> bool:
        """Return whether a definition, or one of that name, is here."""
        return any(thing is one or thing == one.name for one in self)

    def _by_name(self, kind: type[D]) -> dict[str, D]:
        return {one.name: one for one in self if isinstance(one, kind)}

    @property
    def steps(self) -> Mapping[str, StepDefinition]:
        """All steps by name, in definition order."""
        return self._by_name(StepDefinition)

    @property
    def workflows(self) -> Mapping[str, WorkflowDefinition]:
        """All workflows by name, in definition order."""
        return self._by_name(WorkflowDefinition)

    @property
    def providers(self) -> Mapping[str, ProviderDefinition]:
        """All providers by name, in definition order."""
        return self._by_name(ProviderDefinition)

    def __getitem__(self, name: str) -> Definition:
        """Return the definition called ``name``, or ``module::name`` where several modules have one.

        Raises:
            UnknownNameError: when there is none, or (as the hint says) more than one.
        """
        module, _, text = name.rpartition("::")
        short = composed(text)
        found = [one for one in self if one.name == short and (not module or one.module == module)]
        if len(found) > 1 and len({one.module for one in found}) > 1:
            raise DefinitionError(
                f"several modules have a {shown_value(short)}",
                hint="say which: " + listed(f"{one.module}::{short}" for one in found),
            )
        if not found:
            raise UnknownNameError("definition", name, [one.name for one in self])
        return found[-1]

    @overload
    def step(self, fn: F, /) -> F: ...

    @overload
    def step(self, /, **words: Unpack[StepWords]) -> Callable[[F], F]: ...

    def step(self, fn: F | None = None, /, **words: Unpack[StepWords]) -> F | Callable[[F], F]:
        """Declare a step: ``@step`` bare, or ``@step(retries=2, timeout=30)``.

        The function is returned unchanged but for one attribute.

        Args:
            fn: the function, when used bare.
            **words: ``name`` replaces the function's name; ``needs`` wires parameters to steps;
                ``after`` orders without data; ``each`` calls once per item; ``when`` is a
                predicate; ``until`` an ``Until``, whose predicate says when to stop repeating it;
                ``retries`` a number or a ``Retry``; ``timeout`` seconds or a ``timedelta`` for each
                attempt; ``executor`` "thread", "process", "inline" or one of a plugin;
                ``resources`` amounts it holds while it runs; ``on_error`` "fail", "continue" or a
                function; ``undo`` a function that takes back what it did when its run fails; ``cache``
                True, a key function or a ``Cache``, to use a stored result where nothing has changed;
                ``idempotent=False`` for one that must not be repeated where nobody knows whether it
                finished; ``tags`` words for ``-m``.

        Raises:
            DefinitionError: for each wrong argument, with its place and what is allowed.
            DuplicateNameError: when the file already has a definition of this name.
        """
        frame = caller()

        def decorate(fn: F) -> F:
            return self._taken(fn, make_step(fn, frame, **words))

        return decorate if fn is None else decorate(fn)

    @overload
    def workflow(self, fn: F, /) -> F: ...

    @overload
    def workflow(self, /, **words: Unpack[WorkflowWords]) -> Callable[[F], F]: ...

    def workflow(self, fn: F | None = None, /, **words: Unpack[WorkflowWords]) -> F | Callable[[F], F]:
        """Declare a workflow: its parameters request steps, its return value is the run's value.

        Args:
            fn: the function, when used bare.
            **words: ``name`` replaces the function's name; ``priority`` -1000 to 1000, higher goes
                first; ``resources`` amounts it holds while it runs, all of it; ``timeout`` seconds or
                a ``timedelta`` for the whole run; ``steps`` adds steps the body does not name;
                ``config`` is a ``ParallelConfig``; ``tags`` words for ``-m``.

        Raises:
            DefinitionError: for each wrong argument.
            DuplicateNameError: when the file already has a definition of this name.
        """
        frame = caller()

        def decorate(fn: F) -> F:
            return self._taken(fn, make_workflow(fn, frame, **words))

        return decorate if fn is None else decorate(fn)

    @overload
    def provider(self, fn: F, /) -> F: ...

    @overload
    def provider(self, /, **words: Unpack[ProviderWords]) -> Callable[[F], F]: ...

    def provider(self, fn: F | None = None, /, **words: Unpack[ProviderWords]) -> F | Callable[[F], F]:
        """Declare a provider: a function or generator whose value is injected by name.

        What a generator does after its ``yield`` is the tear-down.

        Args:
            fn: the function, when used bare.
            **words: ``name`` replaces the function's name; ``scope`` is "run", once for all steps of
                a run, or "step", anew for each attempt of each step and item that requests it.
        """
        frame = caller()

        def decorate(fn: F) -> F:
            return self._taken(fn, make_provider(fn, frame, **words))

        return decorate if fn is None else decorate(fn)

    def _taken(self, fn: F, definition: Definition) -> F:
        mark(fn, definition)
        self.keep(definition)
        with self._lock:
            self._decorated[definition.module, definition.scope, definition.name] = definition
        return fn
