"""Measured: what a whole measurement found, as frozen data that is kept as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks.probe import Reading
from tests.benchmarks.workloads import OURS, WORKLOADS, Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One process's reading, and how many processors others used meanwhile."""

    reading: Reading
    others: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A contender at a workload: its figure in the workload's unit, from the least to the most."""

    contender: str
    size: int
    figure: float
    least: float
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """All samples by workload and contender, and what machine they are of.

    ``left_out`` has a sentence for each contender that could not be measured, ``versions`` those of
    the packages.
    """

    date: str
    machine: str
    python: str
    command: str
    versions: Mapping[str, str] = field(default_factory=dict)
    samples: Mapping[str, Mapping[str, tuple[Sample, ...]]]
    left_out: tuple[str, ...] = ()

    @property
    def others(self) -> float:
        """How many processors others used, in the middle."""
        return median(sample.others for per in self.samples.values() for found in per.values() for sample in found)

    def workloads(self) -> Iterator[Workload]:
        """Yield the workloads that were measured, FlowBuilder and its reference at least."""
        for workload in WORKLOADS:
            is_there = {OURS, workload.reference} <= set(self.samples.get(workload.name, ()))
            # Where the system does not tell memory, it reads as nothing.
            if is_there and all(row.figure > 0 for row in self.rows(workload)):
                yield workload

    def rows(self, workload: Workload) -> list[Row]:
        """Return the contenders of a workload, the best first."""
        found = [_row(workload, *one) for one in self.samples[workload.name].items()]
        return sorted(found, key=lambda row: row.figure)

    def save(self, file: Path) -> None:
        """Write it as JSON, each fact on a line of its own."""
        lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(fact)}" for name, fact in asdict(self).items())
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


def load(file: Path) -> Measured:
    """Return what was saved."""
    data: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    samples = {
        name: {contender: tuple(_sample(one) for one in found) for contender, found in per.items()}
        for name, per in data.pop("samples").items()
    }
    return Measured(**{**data, "left_out": tuple(data["left_out"])}, samples=samples)


def _sample(data: dict[str, Any]) -> Sample:
    return Sample(reading=Reading(**data["reading"]), others=data["others"])


def _row(workload: Workload, contender: str, samples: tuple[Sample, ...]) -> Row:
    # Where more was measured than was asked for, since the machine was busy, the quietest count.
    quiet = sorted(samples, key=lambda sample: sample.others)[: workload.rounds_of(contender)]
    size = workload.size_of(contender)
    figures = [_figure(workload, size, sample.reading) for sample in quiet]
    return Row(contender=contender, size=size, figure=median(figures), least=min(figures), most=max(figures))


def _figure(workload: Workload, size: int, reading: Reading) -> float:
    if workload.unit == "KiB a step":
        return reading.kib / size
    if workload.unit == "µs a step":
        return reading.seconds / size * 1e6
    if workload.unit == "× ideal":
        return reading.seconds / reading.ideal
    return reading.seconds * 1e3
