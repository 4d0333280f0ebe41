"""What the policies do to each of several runs, at bounds."""

from __future__ import annotations

import pytest

from flowbuilder.engine.aging import PATIENCE, STRIDE
from flowbuilder.engine.policies import POLICIES, Fair, Waiting
from tests.simulation.graph import Graph, chain, fan, recorded
from tests.simulation.simulation import Simulation
from tests.simulation.together import SLOTS, delay, lateness, overtakers, unequal, unevenness

WIDE = fan((1.0,) * 20)


def test_equal_runs_end_close_together_under_fair_and_not_under_fifo() -> None:
    assert unevenness("fair", WIDE) <= 1.5
    assert unevenness("fifo", WIDE) > 1.5


@pytest.mark.parametrize("graph", recorded(), ids=lambda graph: graph.name)
@pytest.mark.parametrize("slots", [4, 16])
def test_equal_recorded_runs_end_close_together_under_fair(graph: Graph, slots: int) -> None:
    assert unevenness("fair", graph, slots=slots) <= 1.5


def test_a_small_run_beside_a_wide_one_is_hardly_slower_than_alone_under_fair() -> None:
    assert delay("fair", after=600, priority=0) <= 1.5
    assert delay("fifo", after=600, priority=0) > 10


@pytest.mark.parametrize("priorities", [(1, 5, 3), (-2, 0, 2)])
def test_higher_priority_ends_first(priorities: tuple[int, ...]) -> None:
    simulation = Simulation("priority", SLOTS)
    runs = [simulation.submit(WIDE, priority=priority) for priority in priorities]
    simulation.play()

    by_end = sorted(runs, key=lambda run: run.duration)
    assert [run.share.priority for run in by_end] == sorted(priorities, reverse=True)


@pytest.mark.parametrize("after", [40, 600])
def test_an_urgent_run_that_comes_later_is_hardly_slower_than_alone(after: int) -> None:
    assert delay("priority", after=after, priority=1) <= 1.1
    assert delay("fifo", after=after) > 10


@pytest.mark.parametrize("seconds", [0.5, 3.0])
@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_nothing_starves_under_any_policy(policy: str, seconds: float) -> None:
    # Ten wait when it comes, and so are older.
    assert overtakers(policy, seconds) <= PATIENCE + STRIDE * 11


@pytest.mark.parametrize("policy", ["priority", "shortest", "critical-path"])
def test_each_step_of_a_run_that_others_always_pass_starts_within_the_bound(policy: str) -> None:
    simulation = Simulation(policy, SLOTS)
    # Long steps with nothing behind them: whatever the policy, one kind of the steps that come is better.
    patient = simulation.submit(fan((3.0,) * 20), at=0.5, priority=-1)
    for number in range(3_000):
        simulation.submit(chain((1.0,) * 5) if number % 5 == 0 else fan((1.0,)), at=max(0.0, number - 10) / SLOTS)
    simulation.play()

    # The last of them finds 19 and some ten others that are older.
    waits = sorted(start - patient.submitted for start in patient.starts.values())
    assert waits[-1] * SLOTS <= PATIENCE + STRIDE * (20 + 10) + SLOTS


def test_a_crowd_that_is_aged_takes_one_start_in_ten() -> None:
    simulation = Simulation("priority", SLOTS)
    crowd = simulation.submit(fan((1.0,) * 100), at=0.5)
    for number in range(3_000):
        simulation.submit(fan((1.0,)), at=max(0.0, number - 10) / SLOTS, priority=1)
    simulation.play()

    order = [run is crowd for run in simulation.started]
    first, last = order.index(True), len(order) - 1 - order[::-1].index(True)
    assert last - first + 1 >= STRIDE * 99


def test_shortest_ends_independent_steps_sooner_than_the_others() -> None:
    others = [lateness(policy, unequal()) for policy in POLICIES if policy != "shortest"]

    assert lateness("shortest", unequal()) * 1.5 <= min(others)


def test_fair_forgets_runs_that_have_had_their_turns() -> None:
    policy = Fair()
    for run in range(20_000):
        policy.started(policy.key(Waiting(run, 0, run, 1.0, 1.0)))

    assert len(policy._last) < 5_000


def test_nothing_starves_under_fair_while_new_runs_never_cease_to_come() -> None:
    simulation = Simulation("fair", SLOTS)
    wide = simulation.submit(fan((1.0,) * 10), at=0.5)
    for number in range(2_000):
        simulation.submit(fan((1.0,)), at=max(0.0, number - 10) / SLOTS)
    simulation.play()

    # Each of its turns comes after one step of each run that waited when the turn before was over.
    assert max(wide.starts.values()) * SLOTS <= 10 * (10 + SLOTS)
