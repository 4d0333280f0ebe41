"""Rounds measure all contenders in turn, and again those that others disturbed."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest

from tests.benchmarks import rounds
from tests.benchmarks.probe import Reading
from tests.benchmarks.processors import wait_for_quiet
from tests.benchmarks.rounds import Rounds, probed
from tests.benchmarks.workloads import OURS, THREADS, WORKLOADS, Workload

CHAIN = replace(next(one for one in WORKLOADS if one.name == "chain-plain"), size=5, rounds=4)
FOUND = asdict(Reading(seconds=1.0, prepared=0.0, ideal=0.0, kib=0.0))


class Probes:
    """Stands in for the processes, and counts them; the first ``disturbed`` rounds are."""

    def __init__(self, disturbed: int = 0) -> None:
        self.order: list[str] = []
        self._disturbed = disturbed

    def __call__(self, workload: Workload, contender: str) -> dict[str, Any]:
        self.order.append(contender)
        return {"left_out": "dask is not installed"} if contender == "dask" else FOUND

    def used(self) -> float:
        return 1.0 if self.order.count(OURS) <= self._disturbed else 0.0


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch) -> Probes:
    made = Probes(disturbed=2)
    monkeypatch.setattr(rounds, "probed", made)
    monkeypatch.setattr(rounds, "Others", lambda: made)
    monkeypatch.setattr(rounds, "wait_for_quiet", lambda share, patience: patience)
    return made


def test_each_round_has_every_contender_once_and_peers_are_measured_less(probes: Probes) -> None:
    Rounds([CHAIN], None, 0.0).measure(lambda line: None)

    assert probes.order[:6] == list(CHAIN.contenders)
    assert [probes.order.count(one) for one in (OURS, THREADS, "doit", "dask")] == [4, 4, 3, 1]


def test_what_others_disturbed_is_measured_again_while_there_is_time(probes: Probes) -> None:
    found = Rounds([CHAIN], None, 60.0)
    found.measure(lambda line: None)

    assert [sample.others for sample in found.samples["chain-plain"][OURS]] == [1.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    assert probes.order.count("doit") == 3


def test_a_contender_that_is_not_installed_is_named_with_its_workloads(probes: Probes) -> None:
    found = Rounds([CHAIN, replace(CHAIN, name="layers-plain")], 1, 0.0)
    found.measure(lambda line: None)

    assert list(found.sentences()) == ["dask is left out of chain-plain, layers-plain: dask is not installed."]


def test_a_fresh_process_measures() -> None:
    found = probed(CHAIN, THREADS)

    assert found["seconds"] > 0


def test_a_process_that_fails_says_why() -> None:
    found = probed(replace(CHAIN, name="nothing"), THREADS)

    assert found == {"left_out": "it failed: StopIteration"}


def test_patience_ends() -> None:
    assert wait_for_quiet(share=-1.0, patience=0.01) == 0.0
