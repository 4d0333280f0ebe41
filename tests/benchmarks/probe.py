"""Probe: measures one contender at one workload in this process, and prints what it found as JSON.

python -m tests.benchmarks.probe WORKLOAD CONTENDER SIZE
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.benchmarks.graph import Graph
from tests.benchmarks.workloads import WORKLOADS, Work, Workload

ENOUGH = 0.3
WARM_UP = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one process measured.

    ``seconds`` are those of the shortest run, ``prepared`` of its preparation, ``ideal`` of the least
    it could take where its steps take time. ``kib`` is memory at the peak, over what was there before.
    """

    seconds: float
    prepared: float
    ideal: float
    kib: float


class WrongAnswerError(Exception):
    """A contender did not return the right values, so its speed says nothing."""


def read(workload: Workload, contender: str, size: int | None = None) -> Reading:
    """Measure a contender, after a small warm-up, until it has run for long enough.

    Raises:
        ImportError: where its package is not installed.
        WrongAnswerError: where it does not return the right values.
    """
    prepare = _found(workload.contenders[contender])
    size = size or workload.size_of(contender)
    _once(prepare, workload.make(min(size, WARM_UP)))
    work = workload.make(size)
    before = _memory("VmRSS")
    runs: list[tuple[float, float]] = []
    while not runs or (len(runs) < workload.runs and sum(seconds for seconds, _ in runs) < ENOUGH):
        runs.append(_once(prepare, work))
    seconds, prepared = (round(one, 7) for one in min(runs))
    kib = _memory("VmHWM") - before
    ideal = work.bound if isinstance(work, Graph) and work.seconds else 0.0
    return Reading(seconds=seconds, prepared=prepared, ideal=ideal, kib=kib)


def _found(place: str) -> Callable[[Work], Callable[[], Any]]:
    module, name = place.split(":")
    return getattr(import_module(f"tests.benchmarks.{module}"), name)  # type: ignore[no-any-return]  # by its name


def _once(prepare: Callable[[Work], Callable[[], Any]], work: Work) -> tuple[float, float]:
    """Return the seconds of one run and of its preparation."""
    gc.collect()
    begun = time.perf_counter()
    run = prepare(work)
    started = time.perf_counter()
    values = run()
    ended = time.perf_counter()
    if not work.is_right(values):
        raise WrongAnswerError
    return ended - started, started - begun


def _memory(word: str) -> float:
    """Return KiB of this process by a word of Linux; 0 on other systems."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((float(line.split()[1]) for line in lines if line.startswith(f"{word}:")), 0.0)


def main(name: str, contender: str, size: str) -> None:
    """Print the reading, or why there is none."""
    workload = next(one for one in WORKLOADS if one.name == name)
    try:
        found = asdict(read(workload, contender, int(size)))
    except ModuleNotFoundError as error:
        found = {"left_out": f"{error.name} is not installed"}
    except WrongAnswerError:
        found = {"left_out": "it returned a wrong answer"}
    print(json.dumps(found), flush=True)
    # Threads and processes that a contender leaves behind are not waited for.
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
