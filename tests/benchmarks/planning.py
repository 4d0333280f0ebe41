"""Planning: from what a user declared to what can be run, without running it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from itertools import chain
from types import ModuleType
from typing import Any

from tests.benchmarks.graph import Graph, Run, plain_body


class Order:
    """A graph to be planned; the answer is its steps in an order in which each comes after its upstream."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def __len__(self) -> int:
        return len(self.graph)

    def is_right(self, order: Iterable[int]) -> bool:
        """Return whether each step comes once, and after its upstream."""
        place = {number: place for place, number in enumerate(order)}
        edges = ((one, number) for number, above in enumerate(self.graph.upstream) for one in above)
        return len(place) == len(self) and all(place[one] < place[number] for one, number in edges)


def flowbuilder(order: Order) -> Run:
    """Plan a workflow of declared steps, as a run does."""
    ours = _contender("flowbuilder")
    workflow = ours.declared(order.graph, plain_body(order.graph), is_async=False)
    return lambda: (int(step.name[1:]) for step in ours.planned(workflow).steps)


def flowbuilder_batches(order: Order) -> Run:
    """Plan a workflow, and its graph and batches, which a run does not need."""
    ours = _contender("flowbuilder")
    workflow = ours.declared(order.graph, plain_body(order.graph), is_async=False)
    return lambda: (int(name[1:]) for name in chain.from_iterable(ours.planned(workflow).batches))


def networkx(order: Order) -> Run:
    """Build a graph and its generations."""
    generations = _contender("networkx").generations
    return lambda: chain.from_iterable(generations(order.graph))


def hamilton(order: Order) -> Run:
    """Build a driver from a module of functions."""
    theirs = _contender("hamilton")
    module = theirs.module(order.graph)
    return lambda: _hamilton_order(theirs.built(order.graph, module))


def _hamilton_order(driver: Any) -> Iterator[int]:
    # It lists functions by name; numbers grow from upstream to downstream.
    yield from sorted(int(one.name[1:]) for one in driver.list_available_variables())


def dask(order: Order) -> Run:
    """Build delayed calls, which is all that is known before a run."""
    delayed = _contender("dask").delayed
    return lambda: (number for number, _ in enumerate(delayed(order.graph)))


def pipefunc(order: Order) -> Run:
    """Build a pipeline."""
    theirs = _contender("pipefunc")
    return lambda: (int(one.output_name[1:]) for one in theirs.pipeline(order.graph).sorted_functions)


def _contender(name: str) -> ModuleType:
    return import_module(f"tests.benchmarks.contenders.{name}")
