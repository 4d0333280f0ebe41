"""Edges: who waits for whom, in flat arrays of small integers."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import accumulate, chain


class Edge(IntEnum):
    """What a step asks of one upstream step; where there are many, it is written down as a plain integer."""

    VALUE = 0  # success
    SOFT = 1  # success, or skipped by a false `when`: a default takes the value's place, or it only orders
    ANY = 2  # that it ended
    ITEMS = 3  # that its items are known: a map of a map


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Edges:
    """Steps by number, and those that wait for each: some tens of bytes a step, and no garbage to collect.

    ``waits`` has how many others each step waits for. Those that wait for step ``n`` are
    ``below[starts[n] : starts[n + 1]]``, in their order, each as ``number << 2 | edge``. ``maps`` has
    for each map of a map the steps whose items it is mapped over.
    """

    waits: Sequence[int]
    starts: Sequence[int]
    below: Sequence[int]
    maps: dict[int, list[int]]

    def __len__(self) -> int:
        return len(self.waits)


def edges_of(upstream: Iterable[Sequence[tuple[int, int]]]) -> Edges:
    """Return the edges of steps, of which each says which others it waits for, all before it, and what it asks."""
    gathered = EdgeLists()
    for edges in upstream:
        gathered.add(edges)
    return gathered.flat()


class EdgeLists:
    """The edges of steps while they are gathered, one step after another; all are to steps before it."""

    __slots__ = ("_below", "_maps", "_waits")

    def __init__(self) -> None:
        self._waits: list[int] = []
        self._below: list[list[int]] = []
        self._maps: dict[int, list[int]] = {}

    def add(self, edges: Sequence[tuple[int, int]]) -> None:
        """Add a step by those that it waits for, and what it asks of each."""
        number = len(self._waits)
        self._waits.append(len(edges))
        self._below.append([])
        for source, edge in edges:
            self._below[source].append(number << 2 | edge)
            if edge == Edge.ITEMS:
                self._maps.setdefault(number, []).append(source)

    def add_values(self, sources: Sequence[int]) -> None:
        """Add a step by those that it waits for, of each of which it asks the value: most do, so this is short."""
        waits, below = self._waits, self._below
        code = len(waits) << 2  # | Edge.VALUE, which is 0
        waits.append(len(sources))
        below.append([])
        for source in sources:
            below[source].append(code)

    def flat(self) -> Edges:
        """Return all of them."""
        starts = array("i", accumulate(map(len, self._below), initial=0))
        below = array("i", chain.from_iterable(self._below))
        return Edges(waits=array("i", self._waits), starts=starts, below=below, maps=self._maps)
