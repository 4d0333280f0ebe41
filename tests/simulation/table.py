"""Table: what the policies make of recorded graphs, and of several runs at once, in Markdown."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from flowbuilder.engine.policies import POLICIES
from tests.simulation.graph import Graph, fan
from tests.simulation.simulation import makespan
from tests.simulation.together import STREAM, delay, lateness, overtakers, unequal, unevenness

SEEDS = 20
WRONG_BY = 0.5

Replay = Callable[[Graph, int], float]


def replays() -> dict[str, Replay]:
    """Return by name how a graph is replayed at so many slots, each giving the makespan."""
    known: dict[str, Replay] = {policy: _known(policy) for policy in POLICIES}
    return known | {"critical-path, in steps": in_steps, "critical-path, ± 50 %": when_wrong}


def _known(policy: str) -> Replay:
    return lambda graph, slots: makespan(graph, policy, slots)


def in_steps(graph: Graph, slots: int) -> float:
    """Return the makespan of ``critical-path`` where no run times are known."""
    return makespan(graph, "critical-path", slots, None)


def when_wrong(graph: Graph, slots: int) -> float:
    """Return the mean makespan of ``critical-path`` where it believes in run times that are wrong by up to a half."""
    choose = random.Random(1)
    return fmean(makespan(graph, "critical-path", slots, graph.disturbed(choose, WRONG_BY)) for _ in range(SEEDS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The makespans of a graph at so many slots, each as a multiple of the least there can be."""

    graph: str
    slots: int
    ratios: dict[str, float]


def rows(graphs: Sequence[Graph], slots: Sequence[int]) -> list[Row]:
    """Replay each graph at each number of slots in every way."""
    return [
        Row(
            graph=graph.name,
            slots=number,
            ratios={name: replay(graph, number) / graph.bound(number) for name, replay in replays().items()},
        )
        for graph in graphs
        for number in slots
    ]


def recorded_table(found: Sequence[Row]) -> str:
    """Return the rows, and their means, as a table."""
    names = list(replays())
    lines = [[row.graph, str(row.slots), *(f"{row.ratios[name]:.3f}" for name in names)] for row in found]
    means = [f"{fmean(row.ratios[name] for row in found):.3f}" for name in names]
    return "\n".join(_markdown(["graph", "slots", *names], [*lines, ["**mean**", "", *means]], words=1))


def together_table() -> str:
    """Return what each policy does when several runs wait, as a table."""
    even = fan((1.0,) * 20)
    figures: dict[str, Callable[[str], str]] = {
        "six equal runs: slowest / fastest": lambda policy: f"{unevenness(policy, even):.2f}",
        "urgent run after 40 starts of a wide one: its time / alone": lambda policy: f"{delay(policy, 40):.2f}",
        "the same after 600 starts": lambda policy: f"{delay(policy, 600):.2f}",
        "independent steps: mean end / least": lambda policy: f"{lateness(policy, unequal()):.2f}",
        f"starts that a long step sees while {STREAM:,} urgent short ones come": lambda policy: f"{overtakers(policy)}",
        "the same for a very short step": lambda policy: f"{overtakers(policy, 0.5)}",
    }
    lines = [[what, *(figure(policy) for policy in POLICIES)] for what, figure in figures.items()]
    return "\n".join(_markdown(["", *POLICIES], lines, words=1))


def _markdown(head: Sequence[str], lines: Sequence[Sequence[str]], words: int) -> Iterator[str]:
    """Yield the lines of a table; after the first ``words`` columns there are numbers."""
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
    rule = ["-" * width if place < words else "-" * (width - 1) + ":" for place, width in enumerate(widths)]
    for line in (head, rule, *lines):
        cells = [
            cell.ljust(width) if place < words else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        yield f"| {' | '.join(cells)} |"
