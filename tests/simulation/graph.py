"""Graph: a workflow to replay, in numbers: what its steps wait for, how long they take and what they need."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from flowbuilder import FlowBuilder, Registry

SHIPPED = Path(__file__).parent.parent.parent / "examples" / "data"

Amounts = Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Graph:
    """Steps by number, each after its upstream.

    ``seconds`` is how long each takes, ``lanes`` the lane of each and ``needs`` what it needs; left
    out where all are in the first lane and need nothing. ``holds`` is what the run holds all the time.
    """

    name: str
    upstream: tuple[tuple[int, ...], ...]
    seconds: tuple[float, ...]
    lanes: tuple[int, ...] = ()
    needs: tuple[Amounts, ...] = ()
    holds: Amounts | None = None

    def __len__(self) -> int:
        return len(self.upstream)

    @cached_property
    def critical_path(self) -> float:
        """How long the longest chain takes."""
        ends: list[float] = []
        for above, seconds in zip(self.upstream, self.seconds, strict=True):
            ends.append(seconds + max((ends[one] for one in above), default=0.0))
        return max(ends)

    @property
    def work(self) -> float:
        """How long all steps take one after the other."""
        return sum(self.seconds)

    def bound(self, slots: int) -> float:
        """Return the least time that any order of the steps takes."""
        return max(self.critical_path, self.work / slots)

    def disturbed(self, choose: random.Random, by: float) -> tuple[float, ...]:
        """Return what each step takes, wrong by up to a part of it."""
        return tuple(seconds * choose.uniform(1 - by, 1 + by) for seconds in self.seconds)


def recorded(folder: Path = SHIPPED) -> list[Graph]:
    """Return the recorded graphs of a folder, in WfCommons WfInstances format."""
    return [_read(file) for file in sorted(folder.glob("*.json"))]


def _read(file: Path) -> Graph:
    found = {one["id"]: one for one in json.loads(file.read_bytes())["tasks"]}
    flow = FlowBuilder(file.stem)
    for name, one in found.items():
        flow.step(_nothing, name=name, after=one["parents"])
    # The order is the plan's, so that ties are what they are in a run.
    order = [step.name for step in Registry().plan(flow.build()).steps]
    numbers = {name: number for number, name in enumerate(order)}
    return Graph(
        name=file.stem,
        upstream=tuple(tuple(numbers[parent] for parent in found[name]["parents"]) for name in order),
        seconds=tuple(found[name]["runtime_s"] for name in order),
    )


def _nothing() -> None:
    """Stand in for a body: only the plan is asked for."""


# Shapes.


def fan(seconds: tuple[float, ...]) -> Graph:
    """Return steps that are all independent."""
    return Graph(name="fan", upstream=((),) * len(seconds), seconds=seconds)


def chain(seconds: tuple[float, ...]) -> Graph:
    """Return steps of which each waits for the one before."""
    return Graph(name="chain", upstream=((), *((one,) for one in range(len(seconds) - 1))), seconds=seconds)


def drawn(choose: random.Random, size: int) -> Graph:
    """Return steps that wait for up to three of the ten before, and take from one second to about a minute."""
    upstream = tuple(
        tuple(sorted(choose.sample(range(max(0, one - 10), one), min(one, choose.randint(0, 3)))))
        for one in range(size)
    )
    return Graph(name="drawn", upstream=upstream, seconds=tuple(choose.lognormvariate(2, 1) for _ in range(size)))


def in_tree(choose: random.Random, size: int) -> Graph:
    """Return steps of one second that all lead to the last, each by one way."""
    below = [choose.randint(one + 1, min(one + 6, size - 1)) for one in range(size - 1)]
    upstream = tuple(tuple(one for one in range(size - 1) if below[one] == number) for number in range(size))
    return Graph(name="in-tree", upstream=upstream, seconds=(1.0,) * size)
