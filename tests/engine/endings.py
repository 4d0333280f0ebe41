"""What every run owes its hooks, however it ended, and workflows that end in many ways."""

from __future__ import annotations

from typing import Any

import anyio

from flowbuilder import (
    Context,
    FlowBuilder,
    Until,
)
from flowbuilder.testing import Recorder


def assert_each_step_ended_once(recorder: Recorder) -> None:
    """Assert for each step and item that was told of the order start, then exactly one end."""
    ends: dict[str, str] = {}
    started: set[str] = set()
    (result,) = recorder.runs
    for line in recorder.told[1:-1]:
        word, name = line.split(" ")[:2]
        if word.startswith(("batch", "run_cancel")):
            continue
        if word == "undo":
            assert ends[name] == f"finish {name}", line
            continue
        assert name not in ends, f"{line!r} comes after {ends[name]!r}"
        if word in ("start", "retry", "repeat"):
            started.add(name)
            continue
        ends[name] = line
        # A mapped step as a whole starts, and is skipped when its items were for a cause above them.
        is_whole = name in result.steps and result.steps[name].items is not None
        assert is_whole or (name in started) == (word != "skip"), line
    assert started | set(result.steps) <= ends.keys()
    assert recorder.told[0].startswith("run_start")
    assert recorder.told[-1].startswith("run_finish")


def small_flow() -> Any:
    return FlowBuilder("small").step(lambda: 1, name="one").step(lambda one: one + 1, name="two").build()


def every_ending() -> Any:
    """Return a workflow whose steps end in every way there is."""

    async def late() -> None:
        await anyio.sleep(30)

    def flaky(ctx: Context) -> int:
        if ctx.attempt == 1:
            raise OSError("not yet")
        return ctx.attempt

    flow = FlowBuilder("endings").step(lambda: 1, name="good").step(lambda: 1 / 0, name="broken")
    flow.step(late, timeout=0.05).step(flaky, retries=1).step(lambda: 1, name="passed", when=lambda: False)
    flow.step(lambda previous=0: previous + 1, name="repeated", until=Until(lambda repeated: repeated == 2, every=0),
              undo=lambda: None)  # fmt: skip
    flow.step(lambda broken: broken, name="below").step(lambda: 1 / 0, name="rescued", on_error="continue")
    return flow.step(lambda n: 1 / n, name="items", each={"n": [1, 0]}).build()
