"""Counters: how many upstream steps each step still waits for; what a bare loop needs to run a graph."""

from __future__ import annotations

from collections.abc import Iterator

from tests.benchmarks.graph import Graph


class Counters:
    """Counts down the upstream of each step; ``first`` are the steps that have none."""

    def __init__(self, graph: Graph) -> None:
        self._waits_for = [len(above) for above in graph.upstream]
        self._below: list[list[int]] = [[] for _ in graph.upstream]
        for number, above in enumerate(graph.upstream):
            for one in above:
                self._below[one].append(number)
        self.first = [number for number, above in enumerate(graph.upstream) if not above]

    def done(self, number: int) -> Iterator[int]:
        """Yield the steps for which a step was the last they waited for."""
        for below in self._below[number]:
            self._waits_for[below] -= 1
            if not self._waits_for[below]:
                yield below
