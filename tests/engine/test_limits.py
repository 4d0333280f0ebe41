"""Limits: never exceeded, reached where work is there, and one slot is one step after the other."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import anyio
import anyio.to_thread
import pytest

from flowbuilder import FlowBuilder, ParallelConfig, Registry, run
from flowbuilder.runner import Backend


class Meter:
    """Counts bodies that run at once, and lets them wait until ``wanted`` do."""

    def __init__(self, wanted: int) -> None:
        self.most = 0
        self._wanted = wanted
        self._running = 0
        self._lock = threading.Lock()
        self._reached = threading.Event()

    def plain(self) -> bool:
        """Be one body: wait, not for ever, until as many run as are wanted."""
        self._enter()
        reached = self._reached.wait(3)
        self._leave()
        return reached

    async def looped(self) -> bool:
        """Be one async body."""
        self._enter()
        reached = await anyio.to_thread.run_sync(self._reached.wait, 3)
        self._leave()
        return reached

    def _enter(self) -> None:
        with self._lock:
            self._running += 1
            self.most = max(self.most, self._running)
            if self._running >= self._wanted:
                self._reached.set()

    def _leave(self) -> None:
        with self._lock:
            self._running -= 1


def flow_of(meter: Meter, plain: int, looped: int) -> Any:
    flow = FlowBuilder("metered")
    for number in range(plain):
        flow.step(meter.plain, name=f"plain_{number}")
    for number in range(looped):
        flow.step(meter.looped, name=f"looped_{number}")
    return flow.build()


@pytest.mark.parametrize(("plain", "looped"), [(12, 0), (0, 12), (6, 6)])
@pytest.mark.parametrize("limit", [1, 2, 3, 5])
def test_max_concurrency_is_reached_across_lanes_and_never_exceeded(
    backend: Backend, limit: int, plain: int, looped: int
) -> None:
    meter = Meter(limit)
    result = run(flow_of(meter, plain, looped), config=ParallelConfig(max_concurrency=limit), backend=backend)

    assert meter.most == limit
    assert set(result.value.values()) == {True}


def test_max_concurrency_holds_for_the_items_of_a_mapped_step(backend: Backend) -> None:
    meter = Meter(3)
    flow = FlowBuilder("map").step(lambda n: meter.plain(), name="items", each={"n": list(range(10))})
    flow.step(meter.looped, name="beside")

    run(flow.build(), config=ParallelConfig(max_concurrency=3), backend=backend).raise_for_errors()
    assert meter.most == 3


def test_without_a_limit_three_hundred_async_steps_wait_at_once(backend: Backend) -> None:
    met: list[anyio.Event] = []
    count = [0]

    async def meets() -> None:
        if not met:
            met.append(anyio.Event())
        count[0] += 1
        if count[0] == 300:
            met[0].set()
        with anyio.fail_after(5):
            await met[0].wait()

    flow = FlowBuilder("wide")
    for number in range(300):
        flow.step(meets, name=f"step_{number}")
    assert run(flow.build(), backend=backend).success_count == 300


def test_an_inline_step_runs_on_the_loops_thread_and_alone(backend: Backend) -> None:
    threads: list[int] = []

    def inline() -> None:
        threads.append(threading.get_ident())

    async def looped() -> None:
        threads.append(threading.get_ident())

    flow = FlowBuilder("inline")
    for number in range(5):
        flow.step(inline, name=f"inline_{number}", executor="inline").step(looped, name=f"looped_{number}")
    run(flow.build(), backend=backend).raise_for_errors()
    assert set(threads) == {threading.get_ident()}


def test_plain_steps_run_off_the_loops_thread(backend: Backend) -> None:
    flow = FlowBuilder("one").step(lambda: threading.get_ident(), name="where").build()

    assert run(flow, backend=backend).steps["where"].value != threading.get_ident()


def bodies(kind: str, order: list[str], name: str) -> Callable[[], Any]:
    def plain() -> None:
        order.append(name)

    async def looped() -> None:
        await anyio.sleep(0)
        order.append(name)

    return looped if kind == "loop" else plain


def test_with_one_slot_steps_run_one_after_the_other_in_definition_order(backend: Backend) -> None:
    order: list[str] = []
    kinds = ["thread", "loop", "inline", "loop", "thread", "inline", "thread", "loop"]
    flow = FlowBuilder("serial")
    for number, kind in enumerate(kinds):
        flow.step(
            bodies(kind, order, f"{kind}_{number}"), name=f"{kind}_{number}", executor=None if kind == "loop" else kind
        )

    run(flow.build(), config=ParallelConfig(max_concurrency=1), backend=backend).raise_for_errors()
    assert order == [f"{kind}_{number}" for number, kind in enumerate(kinds)]


def test_a_limit_of_the_workflow_holds_unless_the_run_gives_another(backend: Backend) -> None:
    flows, meter = Registry(), Meter(2)

    @flows.step(each={"n": list(range(6))})
    def items(n: int) -> bool:
        return meter.plain()

    @flows.workflow(config=ParallelConfig(max_concurrency=2, step_timeout=20))
    def whole(items: list[bool]) -> bool:
        return all(items)

    assert run(whole, registry=flows, backend=backend).value is True
    assert meter.most == 2
    assert run(whole, registry=flows, config=ParallelConfig(max_concurrency=1), backend=backend).value is True
    assert meter.most == 2
