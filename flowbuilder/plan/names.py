"""Names: what each definition is called in one plan, where no two may be called alike."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from flowbuilder.declare.definitions import Definition


class Names:
    """The names of one plan, given out in the order they are first asked for."""

    def __init__(self) -> None:
        self._names: dict[Definition, str] = {}
        self._taken: dict[str, Definition] = {}

    def of(self, definition: Definition) -> str:
        """Return the name of a definition, with its module where another one has it already."""
        known = self._names.get(definition)
        if known is None:
            known = next(name for name in _candidates(definition) if name not in self._taken)
            self._names[definition] = known
            self._taken[known] = definition
        return known

    def __iter__(self) -> Iterator[str]:
        return iter(self._taken)


def _candidates(definition: Definition) -> Iterator[str]:
    yield definition.name
    full = f"{definition.module}.{definition.name}"
    yield full
    yield from (f"{full}~{number}" for number in count(2))
