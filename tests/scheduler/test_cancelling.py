"""A handle's cancel: while its run waits, runs and after it ended; nobody else is disturbed."""

from __future__ import annotations

import threading

import anyio

from flowbuilder import ParallelConfig, RunResult, WorkflowScheduler
from flowbuilder.testing import Recorder
from tests.conftest import InLoop
from tests.engine.long_run import Running, assert_all_ended, mixed
from tests.scheduler.flows import Gate, single


def test_a_running_run_is_cancelled_and_cleans_up(in_loop: InLoop, recorder: Recorder) -> None:
    running, cleaned = Running(2), list[str]()
    flows = mixed(running, cleaned)

    async def main() -> None:
        async with WorkflowScheduler(plugins=[recorder]) as scheduler:
            handle = scheduler.submit("whole", registry=flows)
            await running.wait_async()
            handle.cancel("not wanted")
            assert (await handle.wait()).notes == ("cancelled: not wanted",)

    in_loop(main)
    assert_all_ended(recorder, cleaned)


def test_a_run_that_waits_for_a_slot_is_cancelled_without_starting(in_loop: InLoop, recorder: Recorder) -> None:
    gate = Gate()

    async def main() -> RunResult[object]:
        async with WorkflowScheduler(1, plugins=[recorder]) as scheduler:
            first = scheduler.submit(single("first", gate.looped))
            second = scheduler.submit(single("second", lambda: 1))
            await gate.came()
            second.cancel()
            result = await second.wait()
            assert first.status == "running"
            gate.open()
            assert (await first.wait()).value == {"one": "looped"}
            return result

    result = in_loop(main)
    assert (result.status, result.steps["one"].status) == ("cancelled", "skipped")
    assert recorder.of("one").count("start one 1") == 1


def test_a_run_that_waits_for_what_it_holds_is_cancelled_at_once(in_loop: InLoop, recorder: Recorder) -> None:
    gate = Gate()

    async def main() -> list[str]:
        async with WorkflowScheduler(resources={"db": 2}, plugins=[recorder]) as scheduler:
            first = scheduler.submit(single("first", gate.looped, resources={"db": 1}))
            second = scheduler.submit(single("second", lambda: 1, resources={"db": 2}))
            await gate.came()
            second.cancel()
            status = (await second.wait()).status
            third = scheduler.submit(single("third", lambda: 3, resources={"db": 1}))
            assert (await third.wait()).value == {"one": 3}
            gate.open()
            return [status, (await first.wait()).status]

    assert in_loop(main) == ["cancelled", "success"]
    told = [line for line in recorder.told if "second" in line]
    assert (told[0], told[-1]) == ("run_start second", "run_finish second cancelled")
    assert recorder.of("one").count("start one 1") == 2


def test_a_run_cancelled_right_after_it_was_submitted_starts_nothing(in_loop: InLoop, recorder: Recorder) -> None:
    async def main() -> None:
        async with WorkflowScheduler(resources={"db": 1}, plugins=[recorder]) as scheduler:
            for words in ({}, {"resources": {"db": 1}}):
                handle = scheduler.submit(single("early", lambda: 1, **words))
                handle.cancel()
                assert (await handle.wait()).status == "cancelled"

    in_loop(main)
    assert not [line for line in recorder.told if line.startswith("start")]


def test_an_inline_step_may_submit_and_cancel_what_would_wait(in_loop: InLoop) -> None:
    gate = Gate()

    async def main() -> str:
        async with WorkflowScheduler(resources={"db": 1}) as scheduler:

            def submits() -> object:
                handle = scheduler.submit(single("late", lambda: 1, resources={"db": 1}))
                handle.cancel()
                return handle

            scheduler.submit(single("holder", gate.looped, resources={"db": 1}))
            await gate.came()
            inner = (await scheduler.submit(single("outer", submits, step={"executor": "inline"})).wait()).value["one"]
            with anyio.move_on_after(2):
                await inner.wait()
            status: str = inner.status
            gate.open()
            return status

    assert in_loop(main) == "cancelled"


def test_cancelling_a_run_that_ended_changes_nothing(in_loop: InLoop) -> None:
    async def main() -> tuple[str, int]:
        async with WorkflowScheduler() as scheduler:
            handle = scheduler.submit(single("done", lambda: 1))
            first = await handle.wait()
            handle.cancel()
            await anyio.sleep(0.01)
            assert await handle.wait() is first
            return handle.status, scheduler.stats().cancelled

    assert in_loop(main) == ("success", 0)


def test_one_of_several_runs_is_cancelled_apart(in_loop: InLoop) -> None:
    gate = Gate()

    async def main() -> list[str]:
        async with WorkflowScheduler() as scheduler:
            handles = [scheduler.submit(single(f"run_{n}", gate.looped)) for n in range(5)]
            await gate.came(5)
            handles[2].cancel()
            await handles[2].wait()
            gate.open()
            return [(await one.wait()).status for one in handles]

    assert in_loop(main) == ["success", "success", "cancelled", "success", "success"]


def test_a_run_is_cancelled_from_another_thread(in_loop: InLoop) -> None:
    gate = Gate()

    async def main() -> str:
        async with WorkflowScheduler() as scheduler:
            handle = scheduler.submit(single("slow", gate.looped))
            await gate.came()
            threading.Thread(target=handle.cancel).start()
            return (await handle.wait()).status

    assert in_loop(main) == "cancelled"


def test_the_failures_of_all_runs_together_stop_all(in_loop: InLoop) -> None:
    gate = Gate()

    async def main() -> list[str]:
        async with WorkflowScheduler(max_failures=2) as scheduler:
            slow = scheduler.submit(single("slow", gate.looped))
            await gate.came()
            first = await scheduler.submit(single("first", lambda: 1 / 0)).wait()
            assert slow.status == "running"
            second = await scheduler.submit(single("second", lambda: 1 / 0)).wait()
            with anyio.fail_after(3):
                await slow.wait()
                late = await scheduler.submit(single("late", lambda: 1)).wait()
            assert late.notes == ("cancelled: too many steps failed",)
            return [first.status, second.status, slow.status, late.status]

    first, second, slow, late = in_loop(main)
    assert (first, slow, late) == ("failed", "cancelled", "cancelled")
    assert second in ("failed", "cancelled")


def test_fail_fast_of_one_run_stops_that_run_only(in_loop: InLoop) -> None:
    gate = Gate()

    async def main() -> list[str]:
        async with WorkflowScheduler() as scheduler:
            other = scheduler.submit(single("other", gate.looped))
            await gate.came()
            fast = scheduler.submit(single("fast", lambda: 1 / 0), config=ParallelConfig(fail_fast=True))
            status = (await fast.wait()).status
            gate.open()
            return [status, (await other.wait()).status]

    assert in_loop(main) == ["failed", "success"]
