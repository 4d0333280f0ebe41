"""Many workflows with random needs: limits are reached and never exceeded, and none is lost."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from dataclasses import replace
from typing import Any

import anyio
import pytest

from flowbuilder import FlowBuilder, WorkflowScheduler
from tests.conftest import InLoop


class Ledger:
    """Counts what bodies hold of each resource, and the most there ever was."""

    def __init__(self) -> None:
        self.held: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self._lock = threading.Lock()

    def change(self, needs: dict[str, int], sign: int) -> None:
        with self._lock:
            for name, amount in needs.items():
                self.held[name] += sign * amount
                self.most[name] = max(self.most[name], self.held[name])


CAPACITIES = {"db": 4, "gpu": 2, "net": 7}


def random_flow(number: int, chance: random.Random, ledger: Ledger) -> Any:
    """Return a workflow of one to three steps; it or its steps need random amounts of three resources."""
    flow, holds = FlowBuilder(f"flow_{number}"), chance.random() < 0.3
    held = some_of(CAPACITIES, chance) if holds else {}
    for step in range(chance.randint(1, 3)):
        needs = some_of(held or CAPACITIES, chance)
        seconds = chance.choice([0.0, 0.0005, 0.002])
        # One after the other where the workflow holds: then what it holds is counted once.
        after = (f"s{step - 1}",) if step and (held or chance.random() < 0.5) else ()
        flow.step(body_of(held or needs, seconds, ledger, chance), name=f"s{step}", resources=needs, after=after)
    return replace(flow.build(), resources=held)


def some_of(capacities: dict[str, int], chance: random.Random) -> dict[str, int]:
    return {name: chance.randint(1, most) for name, most in capacities.items() if chance.random() < 0.5}


def body_of(needs: dict[str, int], seconds: float, ledger: Ledger, chance: random.Random) -> Any:
    def plain() -> None:
        ledger.change(needs, +1)
        time.sleep(seconds)
        ledger.change(needs, -1)
        if fails:
            raise ValueError

    async def looped() -> None:
        ledger.change(needs, +1)
        await anyio.sleep(seconds)
        ledger.change(needs, -1)

    fails = chance.random() < 0.05
    return chance.choice([plain, looped])


def assert_120_workflows_end_within_limits(in_loop: InLoop, seed: int) -> None:
    chance, ledger = random.Random(seed), Ledger()
    policy = chance.choice(["priority", "fifo", "fair", "shortest", "critical-path"])

    async def main() -> Counter[str]:
        async with WorkflowScheduler(chance.choice([None, 3, 8]), resources=CAPACITIES, policy=policy) as scheduler:
            flows = [random_flow(number, chance, ledger) for number in range(120)]
            handles = [scheduler.submit(flow, priority=chance.randint(0, 3)) for flow in flows]
            for handle in chance.sample(handles, 6):
                handle.cancel()
            with anyio.fail_after(30):
                return Counter([(await one.wait()).status for one in handles])

    statuses = in_loop(main)
    assert sum(statuses.values()) == 120
    assert statuses["cancelled"] <= 6
    assert ledger.most == CAPACITIES  # reached, and never exceeded
    assert +ledger.held == Counter()


@pytest.mark.parametrize("seed", range(5))
def test_120_workflows_with_random_needs_of_three_resources_all_end_within_limits(in_loop: InLoop, seed: int) -> None:
    assert_120_workflows_end_within_limits(in_loop, seed)


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(5, 20))
def test_120_workflows_of_more_seeds_all_end_within_limits(in_loop: InLoop, seed: int) -> None:
    assert_120_workflows_end_within_limits(in_loop, seed)
