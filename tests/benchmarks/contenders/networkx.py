"""Bare networkx: a graph and its generations, run one step after another."""

from __future__ import annotations

import networkx

from tests.benchmarks.graph import Graph, Run, plain_body


def serial(graph: Graph) -> Run:
    """Run plain functions one after another, generation by generation."""
    body, values = plain_body(graph), [0] * len(graph)
    order = generations(graph)

    def run() -> list[int]:
        for generation in order:
            for number in generation:
                values[number] = body(number, *[values[one] for one in graph.upstream[number]])
        return values

    return run


def generations(graph: Graph) -> list[list[int]]:
    """Return the steps in generations, each after its upstream."""
    made: networkx.DiGraph[int] = networkx.DiGraph()
    for number, above in enumerate(graph.upstream):
        made.add_node(number)
        made.add_edges_from((one, number) for one in above)
    return list(networkx.topological_generations(made))
