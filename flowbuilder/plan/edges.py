"""Edges: who waits for whom, in flat arrays of small integers."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import accumulate


class Edge(IntEnum):
    """What a step asks of one upstream step."""

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


def edges_of(upstream: Iterable[Sequence[tuple[int, Edge]]]) -> Edges:
    """Return the edges of steps, of which each says which others it waits for, and what it asks of them."""
    waits, sources, coded = array("i"), array("i"), array("i")
    maps: dict[int, list[int]] = {}
    for number, edges in enumerate(upstream):
        waits.append(len(edges))
        for source, edge in edges:
            sources.append(source)
            coded.append(number << 2 | edge)
            if edge is Edge.ITEMS:
                maps.setdefault(number, []).append(source)
    starts = _starts(len(waits), sources)
    places, below = list(starts), array("i", coded)
    for source, code in zip(sources, coded, strict=True):
        below[places[source]] = code
        places[source] += 1
    return Edges(waits=waits, starts=starts, below=below, maps=maps)


def _starts(count: int, sources: Iterable[int]) -> array[int]:
    """Return where those below each step begin."""
    counts = [0] * (count + 1)
    for source in sources:
        counts[source + 1] += 1
    return array("i", accumulate(counts))
