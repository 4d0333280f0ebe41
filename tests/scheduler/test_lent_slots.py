"""A slot that a body has lent goes to those it waits for, be they in another run."""

from __future__ import annotations

import anyio

from flowbuilder import Context, Registry, WorkflowScheduler
from flowbuilder.testing import Recorder
from tests.conftest import InLoop


def test_a_run_that_holds_what_a_body_waits_for_goes_on_with_the_only_slot(in_loop: InLoop) -> None:
    flows, recorder = Registry(), Recorder()

    async def main() -> list[object]:
        has_begun, may_go_on = anyio.Event(), anyio.Event()

        @flows.step
        async def first() -> None:
            has_begun.set()
            await may_go_on.wait()

        @flows.step
        async def second(first: None) -> int:
            return 2

        flows.workflow(name="holder", resources={"gpu": 1})(lambda second: second)
        train = flows.step(name="train", resources={"gpu": 1})(lambda: 3)

        @flows.workflow
        async def asks(ctx: Context) -> int:
            return await ctx.run(train)

        async with WorkflowScheduler(1, resources={"gpu": 1}, plugins=[recorder]) as scheduler:
            handles = [scheduler.submit("holder", registry=flows)]
            await has_begun.wait()
            handles.append(scheduler.submit(asks, registry=flows, priority=1))
            while "run_start asks" not in recorder.told:
                await anyio.sleep(0)
            may_go_on.set()
            with anyio.fail_after(5):
                return [(await one.wait()).value for one in handles]

    assert in_loop(main) == [2, 3]
