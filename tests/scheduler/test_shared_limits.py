"""Slots and resources that runs share: reached, never exceeded, granted whole or not at all, and nobody starves."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import anyio
import pytest

from flowbuilder import Context, FlowBuilder, ParallelConfig, Retry, WorkflowScheduler
from flowbuilder.engine.aging import PATIENCE
from tests.conftest import Collect, InLoop
from tests.engine.test_limits import Meter
from tests.scheduler.flows import Gate, single, until


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_slots_are_reached_over_all_runs_and_lanes_and_never_exceeded(in_loop: InLoop, limit: int) -> None:
    meter = Meter(limit)

    async def main() -> list[Any]:
        async with WorkflowScheduler(limit) as scheduler:
            bodies = [meter.plain, meter.looped]
            handles = [scheduler.submit(single(f"run_{n}", bodies[n % 2])) for n in range(12)]
            return [(await one.wait()).value["one"] for one in handles]

    assert in_loop(main) == [True] * 12
    assert meter.most == limit


def test_a_resource_of_steps_is_shared_by_all_runs_and_lanes(in_loop: InLoop) -> None:
    meter = Meter(3)

    async def main() -> None:
        async with WorkflowScheduler(resources={"db": 6}) as scheduler:
            for n in range(10):
                scheduler.submit(single(f"run_{n}", [meter.plain, meter.looped][n % 2], step={"resources": {"db": 2}}))

    in_loop(main)
    assert meter.most == 3


PROCESSES = """
import os, time
from pathlib import Path
from flowbuilder import step, workflow

@step(executor="process", resources={"gpu": 1})
def crunch(folder: Path, n: int) -> int:
    mark = folder / str(n)
    mark.touch()
    time.sleep(0.03)
    seen = len(list(folder.iterdir()))
    mark.unlink()
    return seen

@workflow
def numbers(crunch: int) -> int:
    return crunch
"""


def test_a_resource_holds_for_process_steps(in_loop: InLoop, collect: Collect, tmp_path: Path) -> None:
    flows, folder = collect(PROCESSES), tmp_path / "marks"
    folder.mkdir()

    async def main() -> list[int]:
        async with WorkflowScheduler(resources={"gpu": 2}) as scheduler:
            wanted = [{"folder": folder, "n": n} for n in range(8)]
            handles = [scheduler.submit("numbers", registry=flows, params=one) for one in wanted]
            return [(await one.wait()).value for one in handles]

    assert max(in_loop(main)) <= 2


def test_a_run_keeps_within_its_own_limit_inside_the_schedulers(in_loop: InLoop) -> None:
    narrow, wide = Meter(2), Meter(4)

    def flow(meter: Meter) -> Any:
        return FlowBuilder("flow").step(lambda n: meter.plain(), name="items", each={"n": list(range(8))}).build()

    async def main() -> None:
        async with WorkflowScheduler(6) as scheduler:
            scheduler.submit(flow(narrow), config=ParallelConfig(max_concurrency=2))
            scheduler.submit(flow(wide))

    in_loop(main)
    assert narrow.most == 2
    assert wide.most >= 4


def test_batches_of_one_run_are_barriers_for_that_run_only(in_loop: InLoop) -> None:
    gate, order = Gate(), list[str]()

    async def main() -> None:
        async with WorkflowScheduler(4) as scheduler:
            flow = (
                FlowBuilder("batched").step(gate.plain, name="slow").step(lambda: order.append("quick"), name="quick")
            )
            flow.step(lambda quick: order.append("below"), name="below")
            batched = scheduler.submit(flow.build(), config=ParallelConfig(schedule="batches"))
            await gate.came()
            await scheduler.submit(single("other", lambda: order.append("other"))).wait()
            await until(lambda: "quick" in order)
            (activity,) = scheduler.active()
            assert [(one.name, one.waits_for) for one in activity.waiting] == [("below", "its batch")]
            gate.open()
            await batched.wait()

    in_loop(main)
    assert order[-1] == "below"


def test_a_request_is_granted_whole_or_not_at_all(in_loop: InLoop) -> None:
    gate = Gate()

    async def main() -> list[Any]:
        async with WorkflowScheduler(resources={"db": 1, "net": 1}) as scheduler:
            scheduler.submit(single("holds_db", gate.plain, step={"resources": {"db": 1}}))
            await gate.came()
            both = scheduler.submit(single("both", lambda: "both", step={"resources": {"db": 1, "net": 1}}))
            # Who waits for both holds neither: the net is free for others.
            net = scheduler.submit(single("net", lambda: "net", step={"resources": {"net": 1}}))
            got = (await net.wait()).value
            assert (both.status, scheduler.stats().resources["net"].held) == ("running", 0)
            gate.open()
            return [got, (await both.wait()).value]

    assert in_loop(main) == [{"one": "net"}, {"one": "both"}]


@pytest.mark.parametrize("holds", ["step", "workflow"])
def test_a_large_request_is_not_starved_by_small_ones(in_loop: InLoop, holds: str) -> None:
    started: list[str] = []
    stop = threading.Event()

    async def main() -> str:
        async with WorkflowScheduler(2, resources={"db": 2}) as scheduler:

            async def small() -> None:
                started.append("small")
                await anyio.sleep(0.0005)

            async def feeds(lane: int) -> None:
                while not stop.is_set():
                    await scheduler.submit(single(f"small_{lane}", small, step={"resources": {"db": 1}})).wait()

            async with anyio.create_task_group() as group:
                # Three feed two: there is always one that takes what becomes free.
                for lane in range(3):
                    group.start_soon(feeds, lane)
                await until(lambda: len(started) > 4)
                before = len(started)
                needs: dict[str, Any] = {"resources": {"db": 2}}
                words: dict[str, Any] = {"step": needs} if holds == "step" else needs
                large = scheduler.submit(single("large", lambda: started.append("large"), **words))
                with anyio.fail_after(10):
                    await large.wait()
                stop.set()
            # What began while it waited is bounded: its patience, and what ran when that ended.
            assert started.index("large") - before <= PATIENCE + 20
            return large.status

    assert in_loop(main) == "success"


def test_a_waiting_retry_holds_no_slot_and_no_resource(in_loop: InLoop) -> None:
    async def main() -> list[Any]:
        async with WorkflowScheduler(1, resources={"db": 1}) as scheduler:

            def flaky(ctx: Context) -> int:
                if ctx.attempt == 1:
                    raise OSError
                return ctx.attempt

            step = {"resources": {"db": 1}, "retries": Retry(1, delay=30.0)}
            retrying = scheduler.submit(single("flaky", flaky, step=step))
            await until(lambda: scheduler.stats().steps_started == 1 and not scheduler.stats().resources["db"].held)
            other = scheduler.submit(single("other", lambda: 1, step={"resources": {"db": 1}}))
            value = (await other.wait()).value
            retrying.cancel()
            return [value, (await retrying.wait()).status]

    assert in_loop(main) == [{"one": 1}, "cancelled"]


def test_an_overdue_thread_keeps_what_it_needs_until_it_really_ends(in_loop: InLoop) -> None:
    gate = Gate()

    async def main() -> list[str]:
        async with WorkflowScheduler(resources={"db": 1}) as scheduler:
            step = {"resources": {"db": 1}, "timeout": 0.05}
            slow = await scheduler.submit(single("slow", gate.plain, step=step)).wait()
            other = scheduler.submit(single("other", lambda: 1, step={"resources": {"db": 1}}))
            await anyio.sleep(0.05)
            assert (other.status, scheduler.stats().resources["db"].held) == ("running", 1)
            gate.open()
            return [slow.status, (await other.wait()).status]

    assert in_loop(main) == ["failed", "success"]
