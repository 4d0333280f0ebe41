"""Names: what each member is called in one plan, where no two may be called alike."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from flowbuilder.declare.definitions import Definition
from flowbuilder.plan.home import Member


class Names:
    """The names of one plan, given out in the order they are first asked for."""

    def __init__(self) -> None:
        self._names: dict[Member, str] = {}
        self._taken: dict[str, None] = {}

    def of(self, member: Member) -> str:
        """Return the name of a member, with its module where another one has it already."""
        known = self._names.get(member)
        if known is None:
            home, definition, *_ = member
            is_named = home.name and definition is home.workflow
            known = self._names[member] = home.name if is_named else self.new(definition, home.prefix)
        return known

    def new(self, definition: Definition, prefix: str = "") -> str:
        """Return a name that nothing in the plan has, and take it."""
        name = prefix + definition.name
        if name in self._taken:
            name = next(one for one in _candidates(definition, prefix) if one not in self._taken)
        self._taken[name] = None
        return name

    def __iter__(self) -> Iterator[str]:
        return iter(self._taken)


def _candidates(definition: Definition, prefix: str) -> Iterator[str]:
    full = f"{prefix}{definition.module}.{definition.name}"
    yield full
    yield from (f"{full}~{number}" for number in count(2))
