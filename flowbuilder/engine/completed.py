"""Completed: what can be undone, in the order in which it succeeded, and what no longer counts after that; pure."""

from __future__ import annotations

from collections.abc import Iterator, Set

from flowbuilder.engine.items import Items
from flowbuilder.plan.edges import Edge, Edges

ITEMS = int(Edge.ITEMS)


class Completed:
    """The units that succeeded and can be undone: ``order`` has them, the last one last.

    Args:
        undoable: the steps that can be undone.
        edges: who is below whom.
        items: the items of mapped steps.
    """

    def __init__(self, undoable: Set[int], edges: Edges, items: Items) -> None:
        self.undoable = undoable
        self.order: list[int] = []
        self._edges = edges
        self._items = items
        self._undone: set[int] = set()

    def undo(self, unit: int) -> list[int]:
        """Say that a unit is undone, and return it and all downstream of it that was not said before."""
        found, work = [], [unit]
        while work:
            one = work.pop()
            if one not in self._undone:
                self._undone.add(one)
                found.append(one)
                work += self._below_step(one) if one < len(self._edges) else self._below_item(one)
        return found

    def _below_step(self, step: int) -> Iterator[int]:
        for below, edge in self._below(step):
            if edge != ITEMS:
                yield below
                yield from self._items.of(below)

    def _below_item(self, item: int) -> Iterator[int]:
        """Yield the mapped step of an item, and the items of the same index of what is mapped over that."""
        step = self._items.parent(item)
        yield step
        index = item - self._items.of(step).start
        for below, edge in self._below(step):
            if edge == ITEMS and below in self._items:
                yield self._items.of(below)[index]

    def _below(self, step: int) -> Iterator[tuple[int, int]]:
        starts = self._edges.starts
        for coded in self._edges.below[starts[step] : starts[step + 1]]:
            yield coded >> 2, coded & 3
