"""With one slot and no clock involved, the order is a pure function of the plan and the seed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import random, sys
from flowbuilder import FlowBuilder, ParallelConfig, hookimpl, run


class Order:
    def __init__(self):
        self.told = []

    @hookimpl
    def flowbuilder_step_start(self, step, attempt):
        self.told.append(f"{step.name}/{attempt}")

    @hookimpl
    def flowbuilder_step_skip(self, step):
        self.told.append(f"-{step.name}")


def body(ctx):
    if hash_free(ctx.step) % 7 == 0 and ctx.attempt == 1:
        raise OSError(ctx.step)
    return ctx.step


async def looped(ctx):
    return body(ctx)


def hash_free(name):
    return sum(map(ord, name))


def plan(seed):
    choose = random.Random(seed)
    flow, names = FlowBuilder(f"plan_{seed}"), []
    for number in range(25):
        name = "".join(choose.choices("abcdefgh", k=6)) + str(number)
        after = set(choose.sample(names, min(len(names), choose.randrange(4))))
        kind = choose.choice(["thread", "loop", "inline", "map"])
        words = {"after": tuple(sorted(after)), "retries": choose.randrange(2)}
        if choose.randrange(6) == 0:
            words["when"] = lambda: False
        if kind == "map":
            flow.step(lambda n, ctx: body(ctx), name=name, each={"n": [1, 2, 3]}, **words)
        elif kind == "loop":
            flow.step(looped, name=name, **words)
        else:
            flow.step(body, name=name, executor=kind, **words)
        names.append(name)
    return flow.build()


for seed in range(8):
    order = Order()
    run(plan(seed), config=ParallelConfig(max_concurrency=1), plugins=[order], backend=sys.argv[1], seed=seed)
    print(*order.told)
"""


@pytest.fixture(scope="module")
def orders() -> dict[tuple[str, str], str]:
    """Return what eight random plans print on each back end, with each hash seed."""
    processes = {
        (backend, seed): subprocess.Popen(
            [sys.executable, "-c", PROGRAM, backend],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for backend in ("asyncio", "trio")
        for seed in ("0", "1", "4242")
    }
    return {key: process.communicate(timeout=40)[0] for key, process in processes.items()}


def test_the_order_of_one_slot_does_not_depend_on_the_hash_seed(orders: dict[tuple[str, str], str]) -> None:
    for backend in ("asyncio", "trio"):
        seen = {order for (one, _), order in orders.items() if one == backend}
        assert len(seen) == 1
        assert len(seen.pop().splitlines()) == 8


def test_the_order_of_one_slot_is_the_same_on_asyncio_and_trio(orders: dict[tuple[str, str], str]) -> None:
    assert orders["asyncio", "0"] == orders["trio", "0"]
