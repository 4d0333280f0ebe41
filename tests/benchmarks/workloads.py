"""Workloads: what is measured, by whom, and what is to be held."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from tests.benchmarks.cpu import Pieces
from tests.benchmarks.graph import chain, fan, layers, recorded, sleeps, uneven, wide_layers
from tests.benchmarks.planning import Order
from tests.benchmarks.start import Text

Unit = Literal["µs a step", "ms", "× ideal", "KiB a step"]
OURS, MAPPED, IN_THREADS = "FlowBuilder", "FlowBuilder, mapped", "FlowBuilder, threads"
THREADS, TASKS, WORKERS, ANYIO = "graphlib + threads", "asyncio.TaskGroup", "bare anyio workers", "bare anyio"
SQLITE = "bare sqlite3"
BARE_IMPORTS = "import click, pluggy, anyio"


class Work(Protocol):
    """What a contender is given: it has a size, and knows the right answer."""

    def __len__(self) -> int: ...

    def is_right(self, values: Any) -> bool:
        """Return whether the values are those a run of this work returns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Work of a size, and who does it.

    ``contenders`` are places, ``module:function`` below this package, by their names; the first is
    FlowBuilder. ``reference`` is the one the others are compared with, ``hold`` what FlowBuilder is to
    hold: a ratio to it, or a figure where the unit is of that kind. ``sizes`` are those of contenders
    that are too slow for ``size``.
    ``rounds`` is how many processes measure it, ``runs`` how many runs in each at most.
    """

    name: str
    title: str
    make: Callable[[int], Work]
    size: int
    unit: Unit
    contenders: Mapping[str, str]
    reference: str
    hold: float
    sizes: Mapping[str, int] = field(default_factory=dict)
    rounds: int = 7
    runs: int = 5
    is_headline: bool = False

    @property
    def holds_figure(self) -> bool:
        """Whether ``hold`` is a figure, not a ratio."""
        return self.unit in ("× ideal", "KiB a step")

    def size_of(self, contender: str) -> int:
        """Return the size at which a contender is measured."""
        return self.sizes.get(contender, self.size)

    def rounds_of(self, contender: str) -> int:
        """Return how many processes measure a contender; fewer are enough for those not compared with."""
        return self.rounds if contender in (self.reference, OURS) else min(self.rounds, 3)


PLAIN = {
    OURS: "contenders.flowbuilder:plain",
    THREADS: "contenders.stdlib:threads",
    "hamilton": "contenders.hamilton:plain",
    "pipefunc": "contenders.pipefunc:plain",
    "doit": "contenders.doit:plain",
    "dask": "contenders.dask:plain",
}
LOOP = {
    OURS: "contenders.flowbuilder:loop",
    TASKS: "contenders.stdlib:tasks",
    WORKERS: "contenders.anyio:workers",
    ANYIO: "contenders.anyio:tasks",
    "taskiq": "contenders.taskiq:loop",
}
HEARD = {
    OURS: "contenders.flowbuilder:heard",
    MAPPED: "contenders.flowbuilder:mapped",
    **{name: place for name, place in PLAIN.items() if name != OURS},
}
TIMED = {
    OURS: LOOP[OURS],
    IN_THREADS: PLAIN[OURS],
    TASKS: LOOP[TASKS],
    ANYIO: LOOP[ANYIO],
    "taskiq": LOOP["taskiq"],
    **{name: place for name, place in PLAIN.items() if name != OURS},
}
# Building a pipeline takes pipefunc minutes for a thousand functions.
FEW = {"pipefunc": 100}
KEPT_FULL = {OURS: "contenders.flowbuilder:durable", SQLITE: "contenders.sqlite:full"}
KEPT_NORMAL = {OURS: "contenders.flowbuilder:durable_normal", SQLITE: "contenders.sqlite:normal"}
BIG = {
    OURS: PLAIN[OURS],
    TASKS: LOOP[TASKS],
    THREADS: PLAIN[THREADS],
    WORKERS: LOOP[WORKERS],
}


def among(contenders: Mapping[str, str], *names: str) -> dict[str, str]:
    """Return some of the contenders."""
    return {name: contenders[name] for name in names}


def planned(size: int) -> Order:
    """Return layers to be planned."""
    return Order(layers(size) if size <= 10_000 else wide_layers(size))


WORKLOADS = (
    Workload(
        name="fan-plain", title="fan of 1,000, plain functions, two hooks listening", make=fan, size=1_000,
        unit="µs a step", contenders=HEARD, reference=THREADS, hold=0.6,
    ),
    Workload(
        name="fan-plain-10000", title="fan of 10,000, plain functions, two hooks listening", make=fan, size=10_000,
        unit="µs a step", contenders=HEARD, reference=THREADS, hold=0.6, is_headline=True, sizes={"dask": 1_000},
    ),
    Workload(
        name="chain-plain", title="chain of 1,000, plain functions", make=chain, size=1_000,
        unit="µs a step", contenders=PLAIN, reference=THREADS, hold=0.2, sizes=FEW, is_headline=True,
    ),
    Workload(
        name="layers-plain", title="layers of 10 × 100, plain functions", make=layers, size=1_000,
        unit="µs a step", contenders=PLAIN, reference=THREADS, hold=1.0, sizes=FEW, is_headline=True,
    ),
    Workload(
        name="durable-chain", title="durable chain of 1,000, a commit with a sync a step", make=chain, size=1_000,
        unit="µs a step", contenders=KEPT_FULL, reference=SQLITE, hold=1.25, is_headline=True,
    ),
    Workload(
        name="durable-chain-normal", title="durable chain of 1,000, a commit a step (normal)", make=chain, size=1_000,
        unit="µs a step", contenders=KEPT_NORMAL, reference=SQLITE, hold=5.0,
    ),
    Workload(
        name="fan-async", title="fan of 1,000, async functions", make=fan, size=1_000,
        unit="µs a step", contenders=LOOP, reference=TASKS, hold=1.0,
    ),
    Workload(
        name="fan-async-10000", title="fan of 10,000, async functions", make=fan, size=10_000,
        unit="µs a step", contenders=LOOP, reference=TASKS, hold=1.0, is_headline=True,
    ),
    Workload(
        name="chain-async", title="chain of 1,000, async functions", make=chain, size=1_000,
        unit="µs a step", contenders=LOOP, reference=TASKS, hold=1.5, is_headline=True,
    ),
    Workload(
        name="layers-async", title="layers of 10 × 100, async functions", make=layers, size=1_000,
        unit="µs a step", contenders=LOOP, reference=TASKS, hold=1.5, is_headline=True,
    ),
    Workload(
        name="many-plain", title="100,000 steps in layers of 1,000, plain functions", make=wide_layers, size=100_000,
        unit="µs a step", contenders=among(PLAIN, OURS, THREADS), reference=THREADS, hold=1.0, rounds=3, runs=1,
    ),
    Workload(
        name="many-async", title="100,000 steps in layers of 1,000, async functions", make=wide_layers, size=100_000,
        unit="µs a step", contenders=among(LOOP, OURS, TASKS, WORKERS), reference=TASKS, hold=1.5, rounds=3, runs=1,
    ),
    Workload(
        name="planning", title="planning layers of 10 × 100", make=planned, size=1_000, unit="µs a step",
        contenders={
            OURS: "planning:flowbuilder",
            "FlowBuilder, with graph and batches": "planning:flowbuilder_batches",
            "bare networkx": "planning:networkx",
            "hamilton": "planning:hamilton",
            "dask": "planning:dask",
            "pipefunc": "planning:pipefunc",
        },
        reference="bare networkx", hold=2.0, sizes=FEW, is_headline=True,
    ),
    Workload(
        name="planning-100000", title="planning 100,000 steps in layers of 1,000", make=planned, size=100_000,
        unit="µs a step", contenders={OURS: "planning:flowbuilder", "bare networkx": "planning:networkx"},
        reference="bare networkx", hold=2.0, rounds=3, runs=1,
    ),
    Workload(
        name="memory-10000", title="peak memory of 10,000 steps", make=wide_layers, size=10_000,
        unit="KiB a step", contenders={**BIG, ANYIO: LOOP[ANYIO]}, reference=TASKS, hold=1.5,
        rounds=1, runs=1,
    ),
    Workload(
        name="memory-100000", title="peak memory of 100,000 steps", make=wide_layers, size=100_000,
        unit="KiB a step", contenders=BIG, reference=TASKS, hold=1.5, rounds=1, runs=1, is_headline=True,
    ),
    Workload(
        name="sleeps", title="200 sleeps of 50 ms at 50 slots", make=sleeps, size=200,
        unit="× ideal", contenders=TIMED, reference=TASKS, hold=1.02, is_headline=True,
    ),
    Workload(
        name="uneven", title="20 uneven chains of 5 steps", make=uneven, size=100,
        unit="× ideal", contenders=TIMED, reference=TASKS, hold=1.03, is_headline=True,
    ),
    Workload(
        name="replay", title="replay of a recorded graph (Montage)", make=recorded, size=58,
        unit="× ideal", contenders=among(TIMED, OURS, IN_THREADS, TASKS, THREADS), reference=TASKS,
        hold=1.03,
    ),
    Workload(
        name="processes", title="work for two processors, in processes started by the run", make=Pieces, size=100,
        unit="ms",
        contenders={
            OURS: "contenders.flowbuilder:processes",
            "ProcessPoolExecutor": "cpu:stdlib",
            "loky": "cpu:loky",
            "loky, warm": "cpu:loky_warm",
            "dask": "cpu:dask",
            "for loop": "cpu:serial",
        },
        reference="ProcessPoolExecutor", hold=1.03, rounds=3, runs=1, is_headline=True,
    ),
    Workload(
        name="start", title="a flow of three steps, whole process", make=Text, size=3, unit="ms",
        contenders={
            OURS: "start:flowbuilder",
            ANYIO: "start:anyio",
            "asyncio": "start:asyncio",
            "no library": "start:bare",
            "doit": "start:doit",
            "taskiq": "start:taskiq",
            "pipefunc": "start:pipefunc",
            "hamilton": "start:hamilton",
            "dask": "start:dask",
        },
        reference=ANYIO, hold=2.0, is_headline=True,
    ),
    Workload(
        name="help", title="--help, whole process", make=lambda size: Text(0), size=1, unit="ms",
        contenders={OURS: "start:flowbuilder_help", BARE_IMPORTS: "start:bare_imports", "doit": "start:doit_help"},
        reference=BARE_IMPORTS, hold=1.5, is_headline=True,
    ),
)  # fmt: skip
