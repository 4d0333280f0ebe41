"""Graph: what is to be run, alike for every contender, with its right answer and the least time it can take."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

MODULUS = 1_000_003
DATA = Path(__file__).parent.parent.parent / "examples" / "data"

Plain = Callable[..., int]
Loop = Callable[..., Awaitable[int]]
Sleep = Callable[[float], Awaitable[None]]
# What a contender runs; the values may come lazily, so that reading them is not timed.
Run = Callable[[], Iterable[int]]


@dataclass(frozen=True, kw_only=True)
class Graph:
    """Steps by number, each after its upstream.

    ``upstream`` are the numbers whose values a step gets. ``seconds`` is how long each sleeps; nothing
    for steps that do nothing. ``slots`` is how many run at once; None for what a contender takes by itself.
    """

    upstream: tuple[tuple[int, ...], ...]
    seconds: tuple[float, ...] = ()
    slots: int | None = None

    def __len__(self) -> int:
        return len(self.upstream)

    def is_right(self, values: Iterable[int]) -> bool:
        """Return whether these are the values of the steps."""
        return list(values) == self.answer

    @cached_property
    def answer(self) -> list[int]:
        """The right value of each step."""
        values: list[int] = []
        for number, above in enumerate(self.upstream):
            values.append(join(number, *[values[one] for one in above]))
        return values

    @cached_property
    def bound(self) -> float:
        """The least seconds any run can take: of its longest chain, or of all its work over its slots."""
        ends: list[float] = []
        for above, seconds in zip(self.upstream, self.seconds, strict=True):
            ends.append(seconds + max((ends[one] for one in above), default=0.0))
        return max(max(ends), sum(self.seconds) / (self.slots or len(self)))


def join(number: int, *above: int) -> int:
    """Return the value of a step: it tells whether each step got the values of its own upstream."""
    return (number + sum(above)) % MODULUS


def plain_body(graph: Graph) -> Plain:
    """Return the body of every step as a plain function of its number and the values above it."""
    seconds = graph.seconds
    if not seconds:
        return join

    def slept(number: int, *above: int) -> int:
        time.sleep(seconds[number])
        return join(number, *above)

    return slept


def loop_body(graph: Graph, sleep: Sleep) -> Loop:
    """Return the body of every step as an async function; ``sleep`` is the loop's own."""
    seconds = graph.seconds

    async def joined(number: int, *above: int) -> int:
        return (number + sum(above)) % MODULUS

    async def slept(number: int, *above: int) -> int:
        await sleep(seconds[number])
        return join(number, *above)

    return slept if seconds else joined


@cache
def named(body: Callable[..., Any], count: int, is_async: bool) -> Callable[..., Any]:
    """Return a body with ``count`` named parameters, as a user would write it: steps are wired by name."""
    names = ", ".join(["number", *(f"a{place}" for place in range(count))])
    made: dict[str, Any] = {"body": body}
    define, call = ("async def", "await body") if is_async else ("def", "body")
    exec(f"{define} step({names}): return {call}({names})", made)
    return made["step"]  # type: ignore[no-any-return]  # it was just defined


# Shapes, by how many steps they have.


def fan(size: int) -> Graph:
    """Return steps that are all independent."""
    return Graph(upstream=((),) * size)


def chain(size: int) -> Graph:
    """Return steps of which each waits for the one before."""
    return Graph(upstream=((), *((number,) for number in range(size - 1))))


def layers(size: int, width: int = 100, inputs: int = 3) -> Graph:
    """Return layers of which each step gets three values of the layer before, drawn by seed 7."""
    width = min(width, max(inputs, size // 10))
    choose = random.Random(7)
    above = [
        tuple(choose.sample(range((number // width - 1) * width, number // width * width), inputs))
        for number in range(width, size)
    ]
    return Graph(upstream=(*[()] * min(width, size), *above))


def wide_layers(size: int) -> Graph:
    """Return layers of a thousand steps."""
    return layers(size, width=1_000)


def sleeps(size: int) -> Graph:
    """Return independent sleeps of 50 ms, at 50 slots."""
    return Graph(upstream=((),) * size, seconds=(0.05,) * size, slots=50)


def uneven(size: int) -> Graph:
    """Return chains of five steps of 10 ms, but one of them of 100 ms, at another place in each chain."""
    upstream = tuple((number - 1,) if number % 5 else () for number in range(size))
    seconds = tuple(0.1 if number % 5 == number // 5 % 5 else 0.01 for number in range(size))
    return Graph(upstream=upstream, seconds=seconds, slots=50)


def recorded(size: int, name: str = "montage-chameleon-2mass-005d-001") -> Graph:
    """Return the first steps of a recorded graph, whose longest chain is scaled to half a second."""
    steps = {step["id"]: step for step in json.loads((DATA / f"{name}.json").read_bytes())["tasks"]}
    order = list(TopologicalSorter({one: step["parents"] for one, step in steps.items()}).static_order())
    numbers = {one: number for number, one in enumerate(order)}
    upstream = tuple(tuple(numbers[parent] for parent in steps[one]["parents"]) for one in order)
    whole = Graph(upstream=upstream, seconds=tuple(steps[one]["runtime_s"] for one in order))
    seconds = tuple(one * 0.5 / whole.bound for one in whole.seconds)
    return Graph(upstream=upstream[:size], seconds=seconds[:size], slots=len(whole))
