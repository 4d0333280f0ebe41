"""What the policies make of random graphs, against what is proved about them."""

from __future__ import annotations

import random
from collections import Counter
from statistics import fmean

import pytest
from hypothesis import given, settings, strategies as st

from flowbuilder.engine.policies import POLICIES
from tests.simulation.graph import Graph, drawn, fan, in_tree
from tests.simulation.simulation import Simulation, makespan
from tests.simulation.together import lateness

SEEDS = st.integers(0, 2**32)


@pytest.mark.parametrize("policy", sorted(POLICIES))
@given(seed=SEEDS, size=st.integers(1, 40), slots=st.integers(1, 8))
@settings(max_examples=40, deadline=None)
def test_no_order_is_worse_than_grahams_bound(policy: str, seed: int, size: int, slots: int) -> None:
    graph = drawn(random.Random(seed), size)

    # Graham 1969: a slot is idle only while a step of one chain runs.
    most = graph.work / slots + (1 - 1 / slots) * graph.critical_path
    assert graph.bound(slots) <= makespan(graph, policy, slots) * (1 + 1e-9)
    assert makespan(graph, policy, slots) <= most * (1 + 1e-9)


@given(seed=SEEDS, size=st.integers(1, 60), slots=st.integers(1, 6), in_steps=st.booleans())
@settings(max_examples=100, deadline=None)
def test_critical_path_is_best_for_equal_steps_that_lead_to_one(
    seed: int, size: int, slots: int, in_steps: bool
) -> None:
    graph = in_tree(random.Random(seed), size)

    assert makespan(graph, "critical-path", slots, None if in_steps else ()) == least(graph, slots)


def least(graph: Graph, slots: int) -> int:
    """Return the least makespan of steps of one second: what is higher than a level ends before that level begins."""
    levels = [0] * len(graph)
    for unit in reversed(range(len(graph))):
        levels[unit] += 1
        for above in graph.upstream[unit]:
            levels[above] = max(levels[above], levels[unit])
    counts = Counter(levels)
    return max(level - (-sum(counts[one] for one in counts if one > level) // slots) for level in range(max(counts)))


@given(seconds=st.lists(st.integers(0, 100), min_size=1, max_size=60), slots=st.integers(1, 8))
@settings(max_examples=100, deadline=None)
def test_shortest_ends_independent_steps_the_soonest_on_average(seconds: list[int], slots: int) -> None:
    steps = [float(one) for one in seconds]

    if sum(steps):
        assert lateness("shortest", steps, slots) == pytest.approx(1)
        assert all(lateness(policy, steps, slots) >= 1 - 1e-9 for policy in POLICIES)


@pytest.mark.parametrize("by", [0.0, 0.5])
@pytest.mark.parametrize("slots", [2, 4, 8])
def test_critical_path_is_better_than_fifo_on_average_also_where_run_times_are_wrong(by: float, slots: int) -> None:
    choose = random.Random(slots)
    gains = []
    for _ in range(40):
        graph = drawn(choose, 60)
        believed = graph.disturbed(choose, by)
        gains.append(makespan(graph, "fifo", slots) / makespan(graph, "critical-path", slots, believed))

    # A single graph may do worse (Graham's anomalies), most do better.
    assert fmean(gains) >= 1.02


@given(seed=SEEDS, runs=st.integers(1, 12), slots=st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_fair_gives_no_run_two_turns_while_another_waits(seed: int, runs: int, slots: int) -> None:
    choose = random.Random(seed)
    simulation = Simulation("fair", slots)
    sizes = [choose.randint(1, 20) for _ in range(runs)]
    for size in sizes:
        simulation.submit(fan((1.0,) * size))
    simulation.play()

    turns = Counter[int]()
    for run in simulation.started:
        number = run.share.number
        assert all(turns[other] >= min(turns[number], sizes[other]) for other in range(runs))
        turns[number] += 1
