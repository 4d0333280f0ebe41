"""Leaving a scheduler: all runs end first; by an error or a cancellation they are cancelled."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from flowbuilder import Handle, WorkflowScheduler
from flowbuilder.testing import Recorder
from tests.conftest import InLoop
from tests.engine.long_run import Running, assert_all_ended, mixed
from tests.scheduler.flows import Gate, single


def test_leaving_waits_for_every_run(in_loop: InLoop) -> None:
    gate = Gate()

    async def opens() -> None:
        await gate.came(3)
        gate.open()

    async def main() -> list[str]:
        async with anyio.create_task_group() as group, WorkflowScheduler() as scheduler:
            handles = [scheduler.submit(single(f"slow_{n}", gate.looped)) for n in range(3)]
            group.start_soon(opens)
        return [one.status for one in handles]

    assert in_loop(main) == ["success"] * 3


def test_an_error_cancels_all_runs_and_comes_out_as_it_is(in_loop: InLoop, recorder: Recorder) -> None:
    running, cleaned = Running(2), list[str]()
    flows = mixed(running, cleaned)

    async def main() -> None:
        async with WorkflowScheduler(plugins=[recorder]) as scheduler:
            scheduler.submit("whole", registry=flows)
            await running.wait_async()
            raise ValueError("of the body")

    with pytest.raises(ValueError, match="of the body"):
        in_loop(main)
    assert_all_ended(recorder, cleaned)
    assert recorder.runs[0].notes == ("cancelled: its scheduler was left by an error",)


def test_the_scope_around_a_scheduler_cancels_its_runs_while_they_are_waited_for(
    in_loop: InLoop, recorder: Recorder
) -> None:
    running, cleaned = Running(2), list[str]()
    flows = mixed(running, cleaned)

    async def leaves() -> None:
        async with WorkflowScheduler(plugins=[recorder]) as scheduler:
            scheduler.submit("whole", registry=flows)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(leaves)
            await running.wait_async()
            group.cancel_scope.cancel()

    in_loop(main)
    assert_all_ended(recorder, cleaned)


def test_the_scope_around_a_scheduler_cancels_its_runs_inside_the_block(in_loop: InLoop, recorder: Recorder) -> None:
    running, cleaned = Running(2), list[str]()
    flows = mixed(running, cleaned)

    async def main() -> bool:
        with anyio.CancelScope() as scope:
            async with WorkflowScheduler(plugins=[recorder]) as scheduler:
                handle = scheduler.submit("whole", registry=flows)
                await running.wait_async()
                scope.cancel()
                await handle.wait()
        return scope.cancelled_caught

    assert in_loop(main) is True
    assert_all_ended(recorder, cleaned)


@pytest.mark.parametrize("inside", [True, False])
def test_a_native_cancel_of_asyncio_cancels_all_runs(recorder: Recorder, inside: bool) -> None:
    running, cleaned = Running(2), list[str]()
    flows = mixed(running, cleaned)

    async def leaves() -> None:
        async with WorkflowScheduler(plugins=[recorder]) as scheduler:
            handle = scheduler.submit("whole", registry=flows)
            if inside:
                await handle.wait()

    async def main() -> None:
        user = asyncio.create_task(leaves())
        await asyncio.to_thread(running.wait)
        user.cancel()
        with pytest.raises(asyncio.CancelledError):
            await user
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())
    assert_all_ended(recorder, cleaned)


def test_while_leaving_a_scheduler_can_be_looked_at_and_cancelled(in_loop: InLoop) -> None:
    gate, seen = Gate(), list[object]()

    async def main() -> Handle[object]:
        async def looks(scheduler: WorkflowScheduler) -> None:
            await gate.came()
            await anyio.sleep(0.01)
            seen.extend([scheduler.stats().running, scheduler.active()[0].workflow])
            scheduler.cancel("enough")

        async with anyio.create_task_group() as group, WorkflowScheduler() as scheduler:
            handle = scheduler.submit(single("slow", gate.looped))
            group.start_soon(looks, scheduler)
        assert scheduler.stats().cancelled == 1
        assert scheduler.active() == []
        return handle

    assert in_loop(main).status == "cancelled"
    assert seen == [1, "slow"]


def test_an_internal_error_of_a_policy_ends_the_block_and_is_seen(in_loop: InLoop) -> None:
    class Broken:
        def key(self, waiting: object) -> object:
            raise LookupError("no key")

        def started(self, key: object) -> None: ...

    async def main() -> None:
        async with WorkflowScheduler(policy=Broken()) as scheduler:
            scheduler.submit(single("one", lambda: 1))

    with pytest.raises(LookupError, match="no key"):
        in_loop(main)
