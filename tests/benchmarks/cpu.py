"""Work for processors: pieces of pure Python over two processes, which each contender starts in its run."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from typing import Any

from tests.benchmarks.graph import Run

PROCESSES = 2
TURNS = 300_000


class Pieces:
    """A number of equal pieces of work."""

    def __init__(self, size: int) -> None:
        self.numbers = range(size)

    def __len__(self) -> int:
        return len(self.numbers)

    def is_right(self, values: Iterable[int]) -> bool:
        """Return whether these are the values of the pieces."""
        whole = burn(0)
        return list(values) == [whole + number for number in self.numbers]


def burn(number: int) -> int:
    """Keep a processor busy for about 20 ms."""
    total = 0
    for turn in range(TURNS):
        total += turn & 3
    return total + number


def serial(pieces: Pieces) -> Run:
    """Do one piece after another."""
    return lambda: [burn(number) for number in pieces.numbers]


def stdlib(pieces: Pieces) -> Run:
    """Map over a ProcessPoolExecutor, which forks its workers on Linux."""

    def run() -> list[int]:
        with ProcessPoolExecutor(PROCESSES) as pool:
            return list(pool.map(burn, pieces.numbers))

    return run


def loky(pieces: Pieces) -> Run:
    """Map over loky's executor, which spawns its workers, as FlowBuilder does."""
    executor: Any = import_module("loky").get_reusable_executor

    def run() -> list[int]:
        pool = executor(max_workers=PROCESSES)
        values = list(pool.map(burn, pieces.numbers))
        pool.shutdown(wait=True, kill_workers=True)
        return values

    return run


def loky_warm(pieces: Pieces) -> Run:
    """Map over loky's executor, whose workers have imported and done a piece of work before."""
    pool: Any = import_module("loky").get_reusable_executor(max_workers=PROCESSES)
    list(pool.map(burn, range(2 * PROCESSES)))
    return lambda: list(pool.map(burn, pieces.numbers))


def dask(pieces: Pieces) -> Run:
    """Compute delayed pieces with the scheduler of processes."""
    library: Any = import_module("dask")
    steps = [library.delayed(burn, pure=False)(number) for number in pieces.numbers]
    return lambda: list(library.compute(*steps, scheduler="processes", num_workers=PROCESSES))
