"""The order of starting: each policy with one slot, plugins' policies, and the same order every time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import anyio
import pytest

from flowbuilder import FlowBuilder, WorkflowScheduler, hookimpl
from flowbuilder.engine.policies import Waiting
from flowbuilder.errors import DefinitionError
from tests.conftest import InLoop
from tests.scheduler.flows import Gate, single


class LastFirst:
    """A policy: whoever came last goes first."""

    def key(self, waiting: Waiting) -> int:
        return -waiting.run

    def started(self, key: int) -> None: ...


class Order:
    """Runs workflows with one slot, submitted while it is taken, and notes the order of their steps."""

    def __init__(self, **words: Any) -> None:
        self.noted: list[str] = []
        self._words = words
        self._flows: list[tuple[Any, dict[str, Any]]] = []

    def body(self, name: str) -> Callable[..., None]:
        def note() -> None:
            self.noted.append(name)

        return note

    def add(self, name: str, *, steps: int = 1, **words: Any) -> None:
        flow = FlowBuilder(name)
        for number in range(steps):
            flow.step(self.body(f"{name}{number}" if steps > 1 else name), name=f"step_{number}")
        self.submit(flow.build(), **words)

    def submit(self, flow: Any, **words: Any) -> None:
        self._flows.append((flow, words))

    async def main(self) -> list[str]:
        gate = Gate()
        async with WorkflowScheduler(1, **self._words) as scheduler:
            scheduler.submit(single("first", gate.plain), priority=1000)
            await gate.came()
            handles = [scheduler.submit(flow, **words) for flow, words in self._flows]
            assert scheduler.stats().submitted == len(handles) + 1
            while len(scheduler.active()) < len(handles) + 1 or is_starting(scheduler):
                await anyio.sleep(0.001)
            gate.open()
        return self.noted


def is_starting(scheduler: WorkflowScheduler) -> bool:
    return any(step.waits_for == "its start" for one in scheduler.active() for step in one.waiting)


def test_higher_priority_goes_first_and_equals_go_in_the_order_of_submission(in_loop: InLoop) -> None:
    order = Order()
    for name, priority in [("a", 0), ("b", 5), ("c", -3), ("d", 5), ("e", 9), ("f", 0)]:
        order.add(name, priority=priority)

    assert in_loop(order.main) == ["e", "b", "d", "a", "f", "c"]


def test_the_priority_of_the_workflow_counts_where_submit_gives_none(in_loop: InLoop) -> None:
    order = Order()
    order.add("plain")
    order.submit(single("urgent", order.body("urgent"), priority=3))
    order.submit(single("humbled", order.body("humbled"), priority=3), priority=-1)

    assert in_loop(order.main) == ["urgent", "plain", "humbled"]


def test_low_priority_is_worth_more_the_more_it_has_waited(in_loop: InLoop) -> None:
    order = Order()
    chain = FlowBuilder("chain")
    for number in range(300):
        chain.then(order.body("chain"), name=f"s{number}")
    order.add("low", priority=0)
    order.submit(chain.build(), priority=2)

    noted = in_loop(order.main)
    # Each of its steps is one start; two priorities are worth two hundred.
    assert noted.index("low") == pytest.approx(200, abs=2)


def test_fifo_knows_no_priority(in_loop: InLoop) -> None:
    order = Order(policy="fifo")
    for name, priority in [("a", 0), ("b", 5), ("c", 9)]:
        order.add(name, priority=priority)

    assert in_loop(order.main) == ["a", "b", "c"]


def test_fair_takes_one_step_of_each_workflow_in_turn(in_loop: InLoop) -> None:
    order = Order(policy="fair")
    order.add("a", steps=4)
    order.add("b", steps=2)
    order.add("c", steps=3)

    assert in_loop(order.main) == ["a0", "b0", "c0", "a1", "b1", "c1", "a2", "c2", "a3"]


def test_critical_path_begins_with_the_longest_chain(in_loop: InLoop) -> None:
    order = Order(policy="critical-path")
    flow = FlowBuilder("flow").step(order.body("alone"), name="alone").step(order.body("top"), name="top")
    flow.step(order.body("middle"), name="middle", after=("top",))
    flow.step(order.body("bottom"), name="bottom", after=("middle",))
    order.submit(flow.build())

    assert in_loop(order.main)[:2] == ["top", "middle"]


def test_critical_path_lets_the_longer_run_hold_first(in_loop: InLoop) -> None:
    order = Order(policy="critical-path", resources={"db": 1})
    long = FlowBuilder("long").step(order.body("long"), name="a").then(order.body("long"), name="b").build()
    blocker = Gate()
    order.submit(single("blocker", blocker.plain, resources={"db": 1}))
    order.submit(single("short", order.body("short"), resources={"db": 1}))
    order.submit(replace(long, resources={"db": 1}))
    blocker.open()

    assert in_loop(order.main) == ["long", "long", "short"]


def test_shortest_without_past_durations_is_the_order_of_being_ready(in_loop: InLoop) -> None:
    order = Order(policy="shortest")
    for name in "abc":
        order.add(name)

    assert in_loop(order.main) == ["a", "b", "c"]


def test_shortest_goes_by_what_steps_took_in_earlier_runs(in_loop: InLoop) -> None:
    ran: list[str] = []

    async def long() -> None:
        ran.append("long")
        await anyio.sleep(0.02)

    async def short() -> None:
        ran.append("short")

    flow = FlowBuilder("flow").step(long).step(short).build()

    async def main() -> None:
        async with WorkflowScheduler(1, policy="shortest") as scheduler:
            await scheduler.submit(flow).wait()
            await scheduler.submit(flow).wait()

    in_loop(main)
    assert ran == ["long", "short", "short", "long"]


def test_a_policy_may_be_an_object(in_loop: InLoop) -> None:
    order = Order(policy=LastFirst())
    for name in "abc":
        order.add(name)

    assert in_loop(order.main) == ["c", "b", "a"]


def test_a_plugin_may_bring_a_policy(in_loop: InLoop) -> None:
    class Plugin:
        @hookimpl
        def flowbuilder_policies(self) -> Mapping[str, Callable[[], LastFirst]]:
            return {"last-first": LastFirst}

    order = Order(policy="last-first", plugins=[Plugin()])
    for name in "abc":
        order.add(name)

    assert in_loop(order.main) == ["c", "b", "a"]


def test_an_unknown_policy_is_refused_with_the_nearest() -> None:
    with pytest.raises(DefinitionError) as caught:
        WorkflowScheduler(policy="priorty")
    assert str(caught.value) == (
        "policy= is unknown\n  got: 'priorty'\n  allowed: priority, fifo, fair, shortest, critical-path\n"
        "  hint: did you mean 'priority'?"
    )


PROGRAM = """
import sys, anyio
from flowbuilder import FlowBuilder, WorkflowScheduler

noted = []

def noting(name):
    return lambda: noted.append(name)

def flow(name):
    built = FlowBuilder(name)
    for step in ("gamma", "alpha", "beta"):
        built.step(noting(f"{name}.{step}"), name=step, resources={"net": 1, "db": 1, "gpu": 1})
        built.step(noting(f"{name}.{step}2"), name=step + "2", after=(step,))
    return built.step(lambda n: noted.append(f"{name}.{n}"), name="items", each={"n": [1, 2]}).build()

async def main():
    resources = {"db": 1, "gpu": 2, "net": 3}
    async with WorkflowScheduler(1, policy=sys.argv[2], resources=resources) as scheduler:
        for number in range(6):
            scheduler.submit(flow(f"w{number}"), priority=number % 3, seed=7)

anyio.run(main, backend=sys.argv[1])
print(" ".join(noted))
"""


def order_with(hash_seed: int, backend: str, policy: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, backend, policy],
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)}, stdout=subprocess.PIPE, text=True, timeout=60, check=True,
    )  # fmt: skip
    return done.stdout


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("policy", ["priority", "fair"])
def test_with_one_slot_the_order_is_the_same_in_every_process(policy: str) -> None:
    orders = {order_with(seed, backend, policy) for seed, backend in enumerate(["asyncio", "trio", "asyncio"])}

    assert len(orders) == 1
    assert len(orders.pop().split()) == 6 * 8


@pytest.mark.deep
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("policy", ["priority", "fifo", "fair", "shortest", "critical-path"])
def test_with_one_slot_the_order_is_the_same_in_twenty_processes(policy: str) -> None:
    assert len({order_with(seed, ("asyncio", "trio")[seed % 2], policy) for seed in range(20)}) == 1
