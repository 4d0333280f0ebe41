"""Many workflows and many steps: all end, none waits long while there is a free slot, and a stop is quick."""

from __future__ import annotations

import gc
import threading
import time
from typing import Any

import anyio
import pytest

from flowbuilder import (
    Context,
    FlowBuilder,
    Plan,
    Registry,
    Retry,
    SchedulerStats,
    WorkflowScheduler,
    hookimpl,
)
from flowbuilder.engine.views import RunInfo, StepInfo
from tests.conftest import InLoop
from tests.scheduler.flows import Gate, single

WORKFLOWS, STEPS, SLOTS = 1_000, 20, 16


class Clock:
    """Notes when each step of each run starts and ends."""

    def __init__(self) -> None:
        self.started: dict[tuple[str, str], float] = {}
        self.ended: dict[tuple[str, str], float] = {}

    def plain(self, ctx: Context) -> None:
        self.started[ctx.run_id, ctx.step] = time.monotonic()
        time.sleep(0.001)
        self.ended[ctx.run_id, ctx.step] = time.monotonic()

    async def looped(self, ctx: Context) -> None:
        self.started[ctx.run_id, ctx.step] = time.monotonic()
        await anyio.sleep(0.001)
        self.ended[ctx.run_id, ctx.step] = time.monotonic()

    def plan(self) -> Plan:
        """Return the plan of four chains of five steps, in threads and on the loop."""
        flow = FlowBuilder("twenty")
        for number in range(STEPS):
            after = (f"s{number - 4}",) if number >= 4 else ()
            flow.step([self.plain, self.looped][number % 2], name=f"s{number}", after=after)
        return Registry().plan(flow.build())

    def delays(self) -> list[float]:
        """Return, sorted, how long each start came after it could: when its upstream and a slot were there."""
        ends = sorted(self.ended.values())
        found: list[float] = []
        for place, (at, run_id, step) in enumerate(sorted((at, *key) for key, at in self.started.items())):
            number = int(step[1:])
            ready = self.ended[run_id, f"s{number - 4}"] if number >= 4 else 0.0
            freed = ends[place - SLOTS] if place >= SLOTS else 0.0
            if ready or freed:
                found.append(at - max(ready, freed))
        return sorted(found)


@pytest.mark.timeout(120)
def test_a_thousand_workflows_of_twenty_steps_all_end_and_none_waits_long_beside_a_free_slot(in_loop: InLoop) -> None:
    clock = Clock()

    async def main() -> SchedulerStats:
        async with WorkflowScheduler(SLOTS) as scheduler:
            plan = clock.plan()
            handles = [scheduler.submit_plan(plan) for _ in range(WORKFLOWS)]
            assert {(await one.wait()).status for one in handles} == {"success"}
            return scheduler.stats()

    stats, delays = in_loop(main), clock.delays()
    p99 = delays[int(0.99 * len(delays))]
    print(f"p99 {p99 * 1000:.1f} ms, most {delays[-1] * 1000:.1f} ms, {stats.throughput:.0f} steps/s")
    assert (stats.finished, stats.steps_started, len(delays)) == (
        WORKFLOWS,
        WORKFLOWS * STEPS,
        WORKFLOWS * STEPS - SLOTS,
    )
    assert p99 <= 0.25


@pytest.mark.deep
@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", ["steps", "items"])
def test_a_run_of_100_000_pending_steps_is_cancelled_in_two_seconds(in_loop: InLoop, kind: str) -> None:
    gate = Gate()
    count = 100_000

    async def main() -> float:
        async with WorkflowScheduler(max_concurrency=2) as scheduler:
            flow = FlowBuilder("large").step(gate.looped, name="first")
            if kind == "items":
                flow.step(lambda n: gate.plain(), name="items", each={"n": list(range(count))})
            else:
                for number in range(count):
                    flow.step(gate.plain, name=f"s{number}", after=("first",) if number % 2 else ())
            handle = scheduler.submit(flow.build())
            await gate.came(2)
            threading.Timer(0.01, gate.open).start()
            start, cpu = time.monotonic(), time.process_time()
            handle.cancel()
            result = await handle.wait()
            assert result.status == "cancelled"
            print(f"cancelled in {time.monotonic() - start:.2f} s")
            return time.process_time() - cpu

    # Of the processor's time: other processes are none of its business.
    assert in_loop(main) <= 2


def test_a_run_that_waits_long_is_begun_although_others_come_all_the_time(in_loop: InLoop) -> None:
    class Ends:
        def __init__(self) -> None:
            self.names: list[str] = []

        @hookimpl
        def flowbuilder_step_finish(self, run: RunInfo, step: StepInfo) -> None:
            self.names.append(run.workflow)

    ends = Ends()

    async def main() -> str:
        async with WorkflowScheduler(1, plugins=[ends]) as scheduler:
            low = scheduler.submit(FlowBuilder("low").step(lambda: 1, name="one").build(), priority=-1)
            while low.status not in ("success", "failed"):
                scheduler.submit(FlowBuilder("high").step(lambda: 1, name="one").build(), priority=1)
                await anyio.sleep(0)
            return low.status

    assert in_loop(main) == "success"
    # Two priorities less are worth two hundred starts, and no more.
    assert ends.names.index("low") <= 210


@pytest.mark.parametrize("words", [{}, {"timeout": 3600.0}, {"resources": {"db": 1}}])
def test_a_scheduler_keeps_nothing_of_runs_that_ended(in_loop: InLoop, words: dict[str, Any]) -> None:
    class Heavy: ...

    def heavy() -> Heavy:
        return Heavy()

    async def main() -> int:
        async with WorkflowScheduler(resources={"db": 1}) as scheduler:
            for n in range(20):
                await scheduler.submit(single(f"run_{n}", heavy, **words)).wait()
            await scheduler.submit(single("last", lambda: 1)).wait()
            gc.collect()
            # By its type alone: an object of some other test may answer questions as it likes.
            return sum(type(one) is Heavy for one in gc.get_objects())

    assert in_loop(main) <= 1


def test_runs_that_are_cancelled_are_not_kept_until_a_retry_would_have_been_due(in_loop: InLoop) -> None:
    class Heavy: ...

    def heavy() -> Heavy:
        return Heavy()

    def fails(heavy: Heavy) -> None:
        raise OSError

    class Watcher:
        def __init__(self) -> None:
            self.retrying = threading.Semaphore(0)

        @hookimpl
        def flowbuilder_step_retry(self) -> None:
            self.retrying.release()

    async def main() -> int:
        watcher = Watcher()
        flow = FlowBuilder("report").step(heavy).step(fails, retries=Retry(1, delay=3600)).build()
        async with WorkflowScheduler(plugins=[watcher]) as scheduler:
            for _ in range(5):
                handle = scheduler.submit(flow)
                await anyio.to_thread.run_sync(watcher.retrying.acquire)
                handle.cancel()
                assert (await handle.wait()).status == "cancelled"
            await scheduler.submit(single("last", lambda: 1)).wait()
            gc.collect()
            return sum(type(one) is Heavy for one in gc.get_objects())

    assert in_loop(main) <= 1
