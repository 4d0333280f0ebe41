"""Several runs at once: what a policy does to each of them, in one figure."""

from __future__ import annotations

import random
from collections.abc import Sequence

from tests.simulation.graph import Graph, chain, fan
from tests.simulation.simulation import Run, Simulation

SLOTS = 4
URGENT = 5
STREAM = 2_000


def unevenness(policy: str, graph: Graph, count: int = 6, slots: int = SLOTS) -> float:
    """Return how many times longer the slowest of equal runs takes than the fastest, all submitted together."""
    simulation = Simulation(policy, slots)
    runs = [simulation.submit(graph) for _ in range(count)]
    simulation.play()
    durations = [run.duration for run in runs]
    return max(durations) / min(durations)


def delay(policy: str, after: int, priority: int = URGENT) -> float:
    """Return how many times longer a chain takes than alone, when a run of 1,000 steps has seen ``after`` starts."""
    simulation = Simulation(policy, SLOTS)
    simulation.submit(fan((1.0,) * 1_000))
    urgent = simulation.submit(chain((1.0,) * 10), at=after / SLOTS - 0.5, priority=priority)
    simulation.play()
    return urgent.duration / urgent.graph.critical_path


def lateness(policy: str, seconds: Sequence[float], slots: int = SLOTS) -> float:
    """Return how many times later than it could be independent steps end on average."""
    simulation = Simulation(policy, slots)
    run = simulation.submit(fan(tuple(seconds)))
    simulation.play()
    # Of n steps on a slot, the first delays all n and the last itself: so the shortest come first (Conway et al. 1967).
    least = sum((place // slots + 1) * one for place, one in enumerate(sorted(seconds, reverse=True)))
    return sum(run.ends.values()) / least


def unequal(count: int = 200) -> tuple[float, ...]:
    """Return seconds that are very different, many short and few long."""
    choose = random.Random(1)
    return tuple(choose.lognormvariate(2, 1) for _ in range(count))


def overtakers(policy: str, seconds: float = 3.0) -> int:
    """Return how many starts a step sees before its own, while urgent steps of one second never cease to come."""
    simulation = Simulation(policy, SLOTS)
    patient = simulation.submit(fan((seconds,)), at=0.5)
    for number in range(STREAM):
        # Some are there from the start and the others come as fast as they end, so that one is always waiting.
        simulation.submit(fan((1.0,)), at=max(0.0, number - 10) / SLOTS, priority=URGENT)
    simulation.play()
    return seen(simulation, patient)


def seen(simulation: Simulation, run: Run) -> int:
    """Return how many steps started between the submission of a run and its own first start."""
    before = simulation.started[: simulation.started.index(run)]
    return sum(other.submitted >= run.submitted or other.starts[0] > run.submitted for other in before)
