"""Many steps: all of them run, within bounded memory, at a cost a step that does not grow; and no level barrier."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from flowbuilder import FlowBuilder, ParallelConfig, Status, run
from flowbuilder.runner import Backend

PROGRAM = """
import gc, json, resource, sys, time
from flowbuilder import FlowBuilder, run

kind, counts = sys.argv[1], list(map(int, sys.argv[2:]))


def plain(above=0):
    return above


async def looped(above=0):
    return above


def built(count):
    flow = FlowBuilder("many")
    if kind == "map":
        return flow.step(plain, name="items", each={"above": list(range(count))}).build()
    body = looped if kind == "loop" else plain
    for number in range(count):
        needs = {"above": f"s{number // 2}"} if number % 3 else None
        flow.step(body, name=f"s{number}", needs=needs)
    return flow.build()


def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()


def measured(count):
    gc.collect()
    before, started = resident(), time.process_time()
    result = run(built(count))
    seconds = time.process_time() - started
    ended = result.steps["items"].items if kind == "map" else result.steps.values()
    done = sum(one.status == "success" for one in ended)
    return {"count": count, "done": done, "seconds": seconds / count, "bytes": (resident() - before) / count}


run(built(10))
print(json.dumps([measured(count) for count in counts]))
"""


def measured(kind: str, *counts: int) -> list[dict[str, float]]:
    """Return for each count, in one process, how many steps were done, and CPU seconds and bytes a step."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, kind, *map(str, counts)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: list[dict[str, float]] = json.loads(done.stdout)
    return found


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", ["thread", "map"])
def test_100_000_steps_run_in_one_go_in_3_kib_each_planning_included(kind: str) -> None:
    (facts,) = measured(kind, 100_000)

    assert facts["done"] == 100_000
    assert facts["bytes"] <= 3 * 1024


@pytest.mark.deep
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["thread", "loop", "map"])
def test_the_cost_of_a_step_does_not_grow_with_their_number(kind: str) -> None:
    rounds = [measured(kind, 10_000, 100_000) for _ in range(3)]
    few, many = (min(facts[number]["seconds"] for facts in rounds) for number in (0, 1))

    assert many <= 1.5 * few


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.timeout(120)
def test_the_cost_of_a_step_does_not_grow_from_thousands_to_ten_thousands() -> None:
    rounds = [measured("loop", 3_000, 30_000) for _ in range(2)]
    few, many = (min(facts[number]["seconds"] for facts in rounds) for number in (0, 1))

    assert many <= 1.6 * few


# Long chains and wide joins.


async def looped(above: int = 0) -> int:
    return above + 1


def plain(above: int = 0) -> int:
    return above + 1


def chain(body: Callable[..., Any], length: int, first: Callable[..., Any] | None = None) -> Any:
    flow = FlowBuilder("chain").step(first or body, name="s0")
    for number in range(1, length):
        flow.step(body, name=f"s{number}", needs={"above": f"s{number - 1}"})
    return flow.build()


@pytest.mark.parametrize("body", [plain, looped])
def test_a_chain_of_5_000_steps_hands_its_value_down(backend: Backend, body: Callable[..., Any]) -> None:
    assert run(chain(body, 5_000), backend=backend).value == {"s4999": 5_000}


def test_a_failure_skips_a_chain_of_5_000_steps(backend: Backend) -> None:
    result = run(chain(plain, 5_000, first=lambda: 1 / 0), backend=backend)

    assert result.skipped_count == 4_999
    assert {step.reason for step in result.steps.values()} == {"", "s0 failed"}


def test_a_step_may_wait_for_5_000_others(backend: Backend) -> None:
    names = [f"s{number}" for number in range(5_000)]
    flow = FlowBuilder("join")
    for name in names:
        flow.step(looped, name=name)
    flow.step(lambda: "joined", name="last", after=names)

    assert run(flow.build(), backend=backend).value == {"last": "joined"}


def test_2_000_failures_are_all_kept(backend: Backend) -> None:
    def broken(n: int) -> None:
        raise ValueError(n)

    flow = FlowBuilder("failing").step(broken, each={"n": "numbers"}).build()
    result = run(flow, params={"numbers": list(range(2_000))}, backend=backend)
    assert len(result.errors) == 2_000
    assert result.steps["broken"].status is Status.FAILED


# Makespan.


def uneven(seed: int) -> tuple[dict[int, tuple[float, list[int]]], float, float]:
    """Return steps as (seconds, upstream), the seconds of the critical path, and of a run level by level."""
    choose = random.Random(seed)
    steps: dict[int, tuple[float, list[int]]] = {}
    ends: dict[int, float] = {}
    level: dict[int, int] = {}
    longest: dict[int, float] = {}
    for number in range(80):
        upstream = choose.sample(range(max(0, number - 12), number), min(number, choose.randrange(1, 3)))
        seconds = choose.choice([0.01, 0.01, 0.02, 0.12])
        steps[number] = seconds, upstream
        ends[number] = seconds + max((ends[one] for one in upstream), default=0.0)
        level[number] = 1 + max((level[one] for one in upstream), default=-1)
        longest[level[number]] = max(longest.get(level[number], 0.0), seconds)
    return steps, max(ends.values()), sum(longest.values())


@pytest.mark.parametrize("kind", ["loop", "thread"])
def test_the_makespan_of_an_uneven_graph_is_that_of_its_critical_path(backend: Backend, kind: str) -> None:
    steps, critical, by_level = uneven(seed=4)
    assert by_level > 1.3 * critical, "levels would not show"
    flow = FlowBuilder("uneven")
    for number, (seconds, upstream) in steps.items():

        def sleeps(seconds: float = seconds) -> None:
            time.sleep(seconds)

        async def waits(seconds: float = seconds) -> None:
            await anyio.sleep(seconds)

        flow.step(waits if kind == "loop" else sleeps, name=f"s{number}", after=[f"s{one}" for one in upstream])
    workflow, config = flow.build(), ParallelConfig(max_concurrency=80)
    # A busy machine may spoil a run, but not five.
    makespans: list[float] = []
    while len(makespans) < 5 and min(makespans, default=1e9) > 1.05 * critical:
        makespans.append(run(workflow, config=config, backend=backend).duration)
    assert critical <= min(makespans) <= 1.05 * critical
