"""What was measured is kept as it was, and its figures are medians of what was disturbed least."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.measured import load
from tests.benchmarks.samples import made, sample
from tests.benchmarks.workloads import OURS, TASKS, THREADS, WORKLOADS

CHAIN = next(one for one in WORKLOADS if one.name == "chain-plain")


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    measured = made(chain_plain={OURS: (sample(0.005),), THREADS: (sample(0.025, others=0.5),)})
    measured.save(tmp_path / "new" / "measured.json")

    assert load(tmp_path / "new" / "measured.json") == measured


def test_a_figure_is_the_median_in_the_unit_of_its_workload() -> None:
    found = made(chain_plain={OURS: (sample(0.005), sample(0.009), sample(0.006))}).rows(CHAIN)

    assert [(row.figure, row.least, row.most) for row in found] == [pytest.approx((6.0, 5.0, 9.0))]


def test_the_samples_that_others_disturbed_least_count() -> None:
    quiet, disturbed = [sample(0.005)] * CHAIN.rounds, [sample(0.05, others=1.0)] * 10
    found = made(chain_plain={OURS: (*disturbed, *quiet)}).rows(CHAIN)

    assert found[0].most == 5.0


def test_memory_and_ideal_time_have_units_of_their_own() -> None:
    measured = made(
        memory_100000={OURS: (sample(9.0, kib=200_000),), TASKS: (sample(9.0, kib=100_000),)},
        sleeps={OURS: (sample(0.3, ideal=0.2),), TASKS: (sample(0.2, ideal=0.2),)},
    )

    figures = {one.name: [row.figure for row in measured.rows(one)] for one in measured.workloads()}
    assert figures == {"memory-100000": [1.0, 2.0], "sleeps": pytest.approx([1.0, 1.5])}


def test_a_workload_without_its_reference_is_not_shown() -> None:
    assert list(made(chain_plain={OURS: (sample(0.005),)}).workloads()) == []


def test_memory_that_the_system_does_not_tell_is_not_shown() -> None:
    assert list(made(memory_100000={OURS: (sample(1.0),), TASKS: (sample(1.0),)}).workloads()) == []
