"""Undo beside other runs: a handle's cancel undoes, an interruption does not, and nobody else is disturbed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import anyio
import pytest

from flowbuilder import (
    FlowBuilder,
    ParallelConfig,
    Registry,
    RunResult,
    Status,
    WorkflowDefinition,
    WorkflowScheduler,
    arun,
)
from flowbuilder.testing import Recorder
from tests.conftest import InLoop
from tests.scheduler.flows import Gate, single, until


def half_done(gate: Gate, undone: list[str], name: str = "half") -> WorkflowDefinition:
    """Return a workflow whose first step is completed and whose second one is held at a gate."""
    flow = FlowBuilder(name).step(lambda: 1, name="a", undo=lambda: undone.append(name))
    return flow.then(gate.looped, name="b").build()


def failing(undo: Callable[..., Any], name: str = "failing", **words: Any) -> WorkflowDefinition:
    """Return a workflow that completes a step and fails."""
    return FlowBuilder(name).step(lambda: 1, name="a", undo=undo, **words).then(lambda: 1 / 0, name="b").build()


def test_what_a_cancelled_run_completed_is_undone(in_loop: InLoop, recorder: Recorder) -> None:
    gate, undone = Gate(), list[str]()

    async def main() -> RunResult[Any]:
        async with WorkflowScheduler(plugins=[recorder]) as scheduler:
            handle = scheduler.submit(half_done(gate, undone))
            await gate.came()
            handle.cancel("not wanted")
            return await handle.wait()

    result = in_loop(main)
    assert undone == ["half"]
    assert (result.status, [str(one) for one in result.errors]) == (Status.CANCELLED, ["b was cancelled"])
    assert result.steps["a"].undone
    assert recorder.told[-3:] == ["error b cancelled", "undo a", "run_finish half cancelled"]


@pytest.mark.parametrize("how", ["scheduler", "interrupted after all", "left by an error"])
def test_what_an_interrupted_run_completed_is_kept(in_loop: InLoop, recorder: Recorder, how: str) -> None:
    gate, undone = Gate(), list[str]()

    async def main() -> None:
        async with WorkflowScheduler(plugins=[recorder]) as scheduler:
            handle = scheduler.submit(half_done(gate, undone))
            await gate.came()
            if how == "left by an error":
                raise KeyError
            if how == "interrupted after all":
                handle.cancel()
            scheduler.cancel("SIGINT")
            await handle.wait()

    if how == "left by an error":
        with pytest.raises(KeyError):
            in_loop(main)
    else:
        in_loop(main)
    assert undone == []
    assert (recorder.runs[0].status, recorder.runs[0].success_count) == (Status.CANCELLED, 1)


def test_a_run_whose_caller_is_cancelled_is_kept(in_loop: InLoop, recorder: Recorder) -> None:
    gate, undone = Gate(), list[str]()

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: arun(half_done(gate, undone), plugins=[recorder]))
            await gate.came()
            group.cancel_scope.cancel()

    in_loop(main)
    assert undone == []
    assert recorder.runs[0].status is Status.CANCELLED


def test_of_runs_that_stop_for_too_many_failures_only_the_failed_one_is_undone(in_loop: InLoop) -> None:
    gate, undone = Gate(), list[str]()

    async def main() -> list[Status]:
        async with WorkflowScheduler(max_failures=1) as scheduler:
            other = scheduler.submit(half_done(gate, undone))
            await gate.came()
            failed = scheduler.submit(failing(lambda: undone.append("failing")))
            return [(await one.wait()).status for one in (other, failed)]

    assert in_loop(main) == [Status.CANCELLED, Status.FAILED]
    assert undone == ["failing"]


@pytest.mark.parametrize("resources", [{}, {"db": 1}])
def test_an_undo_waits_behind_nobody_for_a_slot(in_loop: InLoop, resources: dict[str, int]) -> None:
    fails, crowd, undone = Gate(), Gate(), list[str]()

    async def broken() -> None:
        await fails.looped()
        raise ValueError("the end")

    flow = FlowBuilder("failing").step(lambda: 1, name="a", undo=lambda: undone.append("a"), resources=resources)

    async def main() -> str:
        async with WorkflowScheduler(1, resources={"db": 1}, policy="priority") as scheduler:
            handle = scheduler.submit(flow.then(broken).build())
            await fails.came()
            bodies = (crowd.plain, crowd.looped, crowd.looped)
            others = [scheduler.submit(single("crowd", body), priority=9) for body in bodies]
            fails.open()
            result = await handle.wait()
            assert crowd.count == 1
            crowd.open()
            for one in others:
                await one.wait()
            return str(result.errors)

    assert in_loop(main) == "(ValueError('the end'),)"
    assert undone == ["a"]


def test_active_says_what_is_being_undone_and_who_has_a_resource(in_loop: InLoop) -> None:
    gate = Gate()

    async def main() -> list[str]:
        async with WorkflowScheduler(resources={"db": 1}) as scheduler:
            failed = scheduler.submit(failing(lambda: gate.plain(), resources={"db": 1}))
            await gate.came()
            waiting = scheduler.submit(single("other", lambda: 1, step={"resources": {"db": 1}}))
            await until(lambda: scheduler.active()[1].waiting[0].name == "one")
            first, second = scheduler.active()
            gate.open()
            await failed.wait()
            await waiting.wait()
            return [first.running[0].name, second.waiting[0].waits_for]

    assert in_loop(main) == ["undo of a", "1 db: 1 of 1 held by failing › a"]


def test_what_a_workflow_holds_it_holds_until_all_is_undone(in_loop: InLoop) -> None:
    told: list[str] = []
    flow = replace(failing(lambda: told.append("undone"), resources={"gpu": 1}), resources={"gpu": 1})

    async def main() -> None:
        async with WorkflowScheduler(resources={"gpu": 1}) as scheduler:
            scheduler.submit(flow)
            scheduler.submit(single("other", lambda: told.append("other"), resources={"gpu": 1}))

    in_loop(main)
    assert told == ["undone", "other"]


def test_the_grace_period_of_a_cancellation_cuts_neither_undo_nor_tear_down(in_loop: InLoop) -> None:
    flows, gate, told = Registry(), Gate(), list[str]()

    @flows.provider
    def api() -> Iterator[int]:
        yield 1
        time.sleep(0.1)
        told.append("torn down")

    def slow() -> None:
        time.sleep(0.3)
        told.append("undone")

    @flows.step(undo=slow, timeout=20)
    def a(api: int) -> None: ...

    @flows.workflow
    async def whole(a: None) -> None:
        await gate.looped()

    async def main() -> RunResult[Any]:
        async with WorkflowScheduler() as scheduler:
            handle = scheduler.submit(whole, registry=flows, config=ParallelConfig(grace=0.2))
            await gate.came()
            handle.cancel()
            return await handle.wait()

    result = in_loop(main)
    assert told == ["undone", "torn down"]
    assert [str(error) for error in result.errors] == ["whole was cancelled"]


def test_a_resource_comes_back_when_an_undo_that_was_given_up_has_ended(in_loop: InLoop) -> None:
    release, order = threading.Event(), list[str]()

    def hangs() -> None:
        release.wait(10)
        order.append("thread ended")

    async def main() -> None:
        async with WorkflowScheduler(resources={"db": 1}) as scheduler:
            config = ParallelConfig(grace=0.1)
            await scheduler.submit(failing(hangs, resources={"db": 1}), config=config).wait()
            after = scheduler.submit(single("after", lambda: order.append("after"), step={"resources": {"db": 1}}))
            await until(lambda: bool(scheduler.active()[0].waiting))
            release.set()
            await after.wait()

    in_loop(main)
    assert order == ["thread ended", "after"]


def test_a_time_out_of_the_workflow_while_it_is_undone_changes_nothing(in_loop: InLoop) -> None:
    told: list[str] = []

    def slow() -> None:
        time.sleep(0.2)
        told.append("undone")

    async def main() -> Status:
        async with WorkflowScheduler() as scheduler:
            return (await scheduler.submit(replace(failing(slow), timeout=0.1)).wait()).status

    assert in_loop(main) is Status.FAILED
    assert told == ["undone"]
