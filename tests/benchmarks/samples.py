"""Samples for tests of what is shown: figures that nobody measured."""

from __future__ import annotations

from tests.benchmarks.measured import Measured, Sample
from tests.benchmarks.probe import Reading


def sample(seconds: float, others: float = 0.0, kib: float = 0.0, ideal: float = 1.0) -> Sample:
    """Return a sample."""
    return Sample(reading=Reading(seconds=seconds, prepared=0.0, ideal=ideal, kib=kib), others=others)


def made(**samples: dict[str, tuple[Sample, ...]]) -> Measured:
    """Return what was measured; ``_`` stands for the dash of a workload's name."""
    return Measured(
        date="2026-01-02",
        machine="2 cores",
        python="3.11.7",
        command="make bench",
        versions={"anyio": "4.16.0"},
        samples={name.replace("_", "-"): found for name, found in samples.items()},
        left_out=("dask is left out of chain-plain: dask is not installed.",),
    )
