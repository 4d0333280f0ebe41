"""Spelling: finds names in scope that differ from another one as a slip of the finger does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain

from flowbuilder.plan.home import Home, Member

SHORTEST = 5  # of shorter words too many differ by a letter and are meant
MOST = 5_000  # names of one place; more are made by a program, which does not slip


class Spelling:
    """Knows the names in scope of each place; ``names`` gives those in scope of a member."""

    def __init__(self, names: Callable[[Member], list[str]]) -> None:
        self._names = names
        self._known: dict[tuple[Home, str, str], dict[str, list[str]]] = {}

    def near(self, name: str, member: Member) -> list[str]:
        """Return names in scope with one letter more, less or other than ``name``, or with two neighbours swapped."""
        if len(name) < SHORTEST:
            return []
        place = member.home, member.definition.module, member.definition.scope
        known = self._known.get(place)
        if known is None:
            known = self._known[place] = _by_what_is_left(self._names(member))
        found = dict.fromkeys(chain.from_iterable(known.get(left, ()) for left in _what_is_left(name)))
        return [one for one in found if one != name]


def _by_what_is_left(names: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names if len(names) <= MOST else ():
        for left in _what_is_left(name):
            found.setdefault(left, []).append(name)
    return found


def _what_is_left(name: str) -> Iterator[str]:
    """Yield a name, and all that is left of it without one of its letters: near ones have one of these in common."""
    yield name
    yield from {name[:place] + name[place + 1 :] for place in range(len(name))}
