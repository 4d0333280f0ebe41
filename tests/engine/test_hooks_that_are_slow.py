"""Watching hooks that are slow or hang: they slow starts down, and block nothing for ever."""

from __future__ import annotations

import threading
import time

import anyio
import anyio.to_thread
import pytest

from flowbuilder import (
    FlowBuilder,
    ParallelConfig,
    StepInfo,
    arun,
    hookimpl,
    run,
)
from flowbuilder.runner import Backend
from tests.conftest import InLoop


@pytest.mark.parametrize("kind", ["thread", "loop", "inline"])
def test_no_new_step_starts_and_nothing_spins_while_the_queue_of_hooks_is_long(backend: Backend, kind: str) -> None:
    total, release = 12_000, threading.Event()
    started = [0]

    class Slow:
        def __init__(self) -> None:
            self.heard = 0

        @hookimpl
        def flowbuilder_step_finish(self) -> None:
            release.wait(20)
            self.heard += 1

    def plain(n: int) -> None:
        started[0] += 1

    async def looped(n: int) -> None:
        plain(n)

    def releases() -> None:
        seen, busy = 0, 0.0
        while not seen or seen != started[0]:
            seen, before = started[0], time.process_time()
            time.sleep(0.3)
            busy = time.process_time() - before
        standing.append((seen, busy))
        release.set()

    slow, standing = Slow(), list[tuple[int, float]]()
    thread = threading.Thread(target=releases)
    thread.start()
    flow = FlowBuilder("wide")
    flow.step(looped if kind == "loop" else plain, name="body", each={"n": "numbers"},
              executor=None if kind == "loop" else kind)  # fmt: skip
    result = run(flow.build(), params={"numbers": list(range(total))}, backend=backend, plugins=[slow])
    thread.join()
    ((seen, busy),) = standing
    assert 0 < seen < total // 2
    assert busy < 0.1
    assert result.steps["body"].raw_value == [None] * total
    assert slow.heard == total + 1


@pytest.mark.parametrize("kind", ["thread", "loop", "inline"])
def test_five_thousand_steps_with_a_watcher_that_is_slower_than_the_bodies_all_end(backend: Backend, kind: str) -> None:
    heard: list[str] = []

    class Slow:
        @hookimpl
        def flowbuilder_step_finish(self, step: StepInfo) -> None:
            heard.append(step.name)
            if len(heard) % 100 == 0:
                time.sleep(0.001)

    async def looped(n: int) -> int:
        return n

    def plain(n: int) -> int:
        return n

    flow = FlowBuilder("wide")
    flow.step(looped if kind == "loop" else plain, name="items", each={"n": "numbers"},
              executor=None if kind == "loop" else kind)  # fmt: skip
    run(flow.build(), params={"numbers": list(range(5_000))}, backend=backend, plugins=[Slow()]).raise_for_errors()
    assert len(heard) == 5_001


@pytest.mark.parametrize("hook", ["step_start", "run_finish"])
def test_a_hook_that_hangs_does_not_keep_a_cancelled_run_beyond_its_grace_period(in_loop: InLoop, hook: str) -> None:
    hanging, release = threading.Event(), threading.Event()

    def hangs(self: object) -> None:
        hanging.set()
        release.wait(30)

    async def looped() -> None:
        await anyio.sleep(30 if hook == "step_start" else 0)

    plugin = type("Hangs", (), {f"flowbuilder_{hook}": hookimpl(hangs)})()
    flow = FlowBuilder("hangs").step(looped).with_config(ParallelConfig(grace=0.2)).build()

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: arun(flow, plugins=[plugin]))
            await anyio.to_thread.run_sync(hanging.wait, 5)
            group.cancel_scope.cancel()

    started = time.monotonic()
    in_loop(main)
    took = time.monotonic() - started
    release.set()
    assert took < 5


def test_a_hook_may_run_a_workflow_of_its_own(backend: Backend) -> None:
    values: list[object] = []

    class Nested:
        @hookimpl
        def flowbuilder_step_finish(self, step: StepInfo) -> None:
            inner = FlowBuilder("inner").step(lambda: step.name, name="inner").build()
            values.append(run(inner, backend=backend).value)

    run(FlowBuilder("outer").step(lambda: 1, name="outer").build(), backend=backend, plugins=[Nested()])
    assert values == [{"inner": "outer"}]
