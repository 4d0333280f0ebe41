"""Random workflows that fail: what is undone is the reverse of what was told to have finished, and all below it."""

from __future__ import annotations

import random
from typing import Any

import anyio
import pytest

from flowbuilder import FlowBuilder, ParallelConfig, Status, WorkflowDefinition, run
from flowbuilder.runner import Backend
from flowbuilder.testing import Recorder


def made(choose: random.Random, undone: list[str]) -> tuple[WorkflowDefinition, dict[str, list[str]]]:
    """Return a workflow of plain, async and mapped steps, of which some can be undone and some fail, and its edges."""

    async def looped() -> None:
        await anyio.sleep(0)

    async def looped_undo(ctx: Any) -> None:
        await anyio.sleep(0)
        undone.append(ctx.step)

    def fails() -> None:
        raise ValueError

    flow, above = FlowBuilder("random"), dict[str, list[str]]()
    for number in range(choose.randint(2, 12)):
        name = f"s{number}"
        above[name] = choose.sample(list(above), min(len(above), choose.randint(0, 2)))
        words: dict[str, Any] = {"name": name, "after": tuple(above[name])}
        if choose.random() < 0.6:
            words["undo"] = lambda ctx: undone.append(ctx.step)
        if number and choose.random() < 0.2:
            flow.step(fails, **words)
        elif choose.random() < 0.3:
            flow.step(looped, **{**words, **({"undo": looped_undo} if "undo" in words else {})})
        elif choose.random() < 0.3:
            flow.step(lambda n: n, each={"n": list(range(choose.randint(0, 3)))}, **words)
        else:
            flow.step(lambda: None, executor=choose.choice(["thread", "inline"]), **words)
    flow.step(fails, after=tuple(choose.sample(list(above), 1)))
    return flow.build(), above


def below(names: set[str], above: dict[str, list[str]]) -> set[str]:
    """Return steps with all downstream of them."""
    found = set(names)
    for name, upstream in above.items():
        if not found.isdisjoint(upstream):
            found.add(name)
    return found


@pytest.mark.parametrize("seed", range(25))
def test_all_that_can_be_undone_is_in_reverse_of_how_it_finished(
    backend: Backend, recorder: Recorder, seed: int
) -> None:
    choose, undone = random.Random(seed), list[str]()
    flow, above = made(choose, undone)
    config = ParallelConfig(max_concurrency=choose.choice([None, 1, 3]), fail_fast=choose.random() < 0.3)
    result = run(flow, config=config, backend=backend, plugins=[recorder])

    words = {step.name: step for step in flow.steps}
    # What is undone of a mapped step are its items.
    units = [line.split(" ")[1] for line in recorder.told if line.startswith("finish ")]
    can_be = [one for one in units if words[one.partition("[")[0]].undo and ("[" in one or not words[one].each)]
    assert undone == can_be[::-1]
    assert [line for line in recorder.told if line.startswith("undo ")] == [f"undo {one}" for one in undone]
    gone = below({one.partition("[")[0] for one in undone}, above)
    for name, step in result.steps.items():
        assert step.undone == (name in gone and step.status is Status.SUCCESS)
