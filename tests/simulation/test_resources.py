"""Many runs with random needs of three resources: limits are reached and never exceeded, and nothing is lost."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field, replace

import pytest

from flowbuilder.engine.admission import Admission
from flowbuilder.engine.aging import PATIENCE
from flowbuilder.engine.limits import pool_of
from flowbuilder.engine.policies import POLICIES
from flowbuilder.engine.share import Share
from tests.simulation.graph import Amounts, Graph, drawn
from tests.simulation.simulation import Run, Simulation

SLOTS = 6
LANES = (4, 3)
RESOURCES = {"db": 4, "gpu": 1, "net": 3}


LIMITS = {**RESOURCES, "slots": SLOTS} | {f"lane {number}": limit for number, limit in enumerate(LANES)}


@dataclass
class Watch:
    """Counts, from what runs and what its graph says, what is held at each moment."""

    simulation: Simulation
    most: Counter[str] = field(default_factory=Counter)

    def look(self) -> None:
        held: Counter[str] = Counter()
        for run in self.simulation.runs:
            if run.is_going_on:
                held.update(run.graph.holds or inside(run))
                held.update(f"lane {run.graph.lanes[unit]}" for unit in run.running)
                held["slots"] += len(run.running)
                assert run.graph.holds is None or inside(run) <= Counter(run.graph.holds)
        for name, limit in LIMITS.items():
            assert held[name] <= limit
            self.most[name] = max(self.most[name], held[name])


def inside(run: Run) -> Counter[str]:
    """Return what the running steps of a run need together."""
    return sum((Counter(run.graph.needs[unit]) for unit in run.running), Counter())


def needy(choose: random.Random) -> Graph:
    """Return a graph in two lanes whose steps need up to three resources; some runs hold them from start to end."""
    graph = drawn(choose, choose.randint(1, 8))
    holds = amounts(choose, RESOURCES) if choose.random() < 0.2 else None
    return replace(
        graph,
        lanes=tuple(choose.randrange(len(LANES)) for _ in range(len(graph))),
        needs=tuple(amounts(choose, RESOURCES if holds is None else holds) for _ in range(len(graph))),
        holds=holds or None,
    )


def amounts(choose: random.Random, most: Amounts) -> Amounts:
    return {name: choose.randint(1, limit) for name, limit in most.items() if choose.random() < 0.3}


def played(policy: str, seed: int, runs: int) -> Simulation:
    """Play the runs of a seed under watch, and check that each of their steps ran once and after its upstream."""
    choose = random.Random(seed)
    simulation = Simulation(policy, SLOTS, LANES, RESOURCES)
    for _ in range(runs):
        graph, at = needy(choose), choose.choice([0.0, choose.uniform(0, 500)])
        simulation.submit(graph, at=at, priority=choose.randint(-2, 2), limit=choose.choice([None, None, 2]))
    watch = Watch(simulation)
    while simulation.turn():
        watch.look()
    assert watch.most == LIMITS
    for run in simulation.runs:
        assert sorted(run.ends) == list(range(len(run.graph)))
        for unit, above in enumerate(run.graph.upstream):
            assert run.starts[unit] >= max((run.ends[one] for one in above), default=run.submitted)
    assert len(simulation.started) == sum(len(run.graph) for run in simulation.runs)
    assert simulation.admission.held == 0
    assert {name: limit.held for name, limit in simulation.pool.items()} == dict.fromkeys(RESOURCES, 0)
    return simulation


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_limits_are_reached_and_never_exceeded_and_nothing_is_lost(policy: str) -> None:
    for seed in range(10):
        played(policy, seed, runs=40)


@pytest.mark.deep
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_120_runs_at_once_keep_the_limits_over_1_000_seeds(policy: str) -> None:
    for seed in range(10, 210):
        played(policy, seed, runs=120)


def test_the_same_seed_gives_the_same_order() -> None:
    first, second = (played("fair", 1, runs=40).started for _ in range(2))

    assert [run.share.number for run in first] == [run.share.number for run in second]


@pytest.mark.timeout(10)
def test_a_reservation_lets_the_requests_that_it_stops_rest() -> None:
    admission = Admission(POLICIES["fifo"]())
    lane = admission.add_lane(10)
    db, gpu, net = pool_of({"db": 3, "gpu": 1, "net": 3}).values()
    share = Share(admission, 1)

    def start(unit: int, *needs: tuple[object, int]) -> None:
        admission.enqueue(share, unit, 0, share.line(lane, needs))  # type: ignore[arg-type]

    start(0, (gpu, 1))
    assert admission.take(lane) == (share, 0)
    start(1, (db, 2), (gpu, 1), (net, 2))
    for unit in range(2, PATIENCE + 4):
        start(unit)
        assert admission.take(lane) == (share, unit)
        admission.release(share.line(lane))
    assert db.reserved == net.reserved == 2

    start(1000, (db, 2), (net, 1))
    start(1001, (db, 1), (net, 2))

    # Each is stopped by what is reserved of one, and has something of the other to pass on.
    assert admission.take(lane) is None
    admission.release(share.line(lane, ((gpu, 1),)))
    assert admission.take(lane) == (share, 1)
