"""Resources of a workflow: held for its whole run, given back however it ends; and needs that can never be met."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import anyio
import pytest

from flowbuilder import FlowBuilder, ParallelConfig, Registry, WorkflowScheduler, arun, run
from flowbuilder.errors import PlanError, StepTimeoutError, UnknownNameError
from flowbuilder.runner import Backend
from flowbuilder.testing import Recorder
from tests.conftest import InLoop
from tests.engine.test_limits import Meter
from tests.scheduler.flows import Gate, single, until


def test_a_workflow_holds_from_its_first_step_to_its_last_tear_down(in_loop: InLoop) -> None:
    flows, seen = Registry(), list[int]()
    schedulers: list[WorkflowScheduler] = []

    def look() -> None:
        seen.append(schedulers[0].stats().resources["db"].held)

    @flows.provider
    def api() -> Iterator[str]:
        look()
        yield "api"
        look()

    @flows.step
    def first(api: str) -> None:
        look()

    @flows.workflow(resources={"db": 3})
    def whole(first: None) -> None:
        look()

    async def main() -> int:
        async with WorkflowScheduler(resources={"db": 4}) as scheduler:
            schedulers.append(scheduler)
            (await scheduler.submit(whole, registry=flows).wait()).raise_for_errors()
            return scheduler.stats().resources["db"].held

    assert in_loop(main) == 0
    assert seen == [3, 3, 3, 3]


def test_workflows_that_hold_the_same_run_one_after_the_other(in_loop: InLoop) -> None:
    inside: list[str] = []

    def enter() -> None:
        inside.append("in")

    def leave() -> None:
        inside.append("out")

    async def main() -> None:
        async with WorkflowScheduler(resources={"gpu": 1}) as scheduler:
            for n in range(6):
                flow = FlowBuilder(f"run_{n}").step(enter).then(leave).build()
                scheduler.submit(replace(flow, resources={"gpu": 1}))

    in_loop(main)
    assert inside == ["in", "out"] * 6


def test_as_many_workflows_as_fit_hold_at_once(in_loop: InLoop) -> None:
    meter = Meter(2)

    async def main() -> None:
        async with WorkflowScheduler(resources={"db": 5}) as scheduler:
            for n in range(6):
                scheduler.submit(single(f"run_{n}", meter.plain, resources={"db": 2}))

    in_loop(main)
    assert meter.most == 2


def test_a_workflow_that_waits_for_what_it_holds_takes_no_slot(in_loop: InLoop) -> None:
    gate = Gate()

    async def main() -> object:
        async with WorkflowScheduler(2, resources={"db": 1}) as scheduler:
            scheduler.submit(single("holder", gate.plain, resources={"db": 1}))
            await gate.came()
            for n in range(5):
                scheduler.submit(single(f"waits_{n}", lambda: 1, resources={"db": 1}))
            value = (await scheduler.submit(single("free", lambda: "free")).wait()).value
            gate.open()
            return value

    assert in_loop(main) == {"one": "free"}


def test_those_who_wait_to_hold_go_by_priority(in_loop: InLoop) -> None:
    gate, order = Gate(), list[str]()

    async def main() -> None:
        async with WorkflowScheduler(resources={"db": 1}) as scheduler:
            scheduler.submit(single("holder", gate.plain, resources={"db": 1}))
            await gate.came()
            for name, priority in [("a", 0), ("b", 4), ("c", 2)]:
                flow = single(name, lambda name=name: order.append(name), resources={"db": 1})
                scheduler.submit(flow, priority=priority)
            await until(lambda: len(scheduler.active()) == 4)
            await anyio.sleep(0.01)
            gate.open()

    in_loop(main)
    assert order == ["b", "c", "a"]


def test_steps_inside_a_holder_draw_on_what_it_holds(in_loop: InLoop) -> None:
    meter = Meter(2)

    async def main() -> int:
        async with WorkflowScheduler(resources={"db": 4}) as scheduler:
            flow = FlowBuilder("holder")
            for n in range(6):
                flow.step(meter.plain, name=f"s{n}", resources={"db": 1})
            held: list[int] = []
            flow.step(lambda: held.append(scheduler.stats().resources["db"].held), name="looks", resources={"db": 2})
            await scheduler.submit(replace(flow.build(), resources={"db": 2})).wait()
            return held[0]

    # Two of the steps at once, as the holder has two; and nothing beside what it holds is taken.
    assert in_loop(main) == 2
    assert meter.most == 2


ENDINGS = ["success", "failed", "timed_out", "cancelled"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_a_workflow_holds_is_given_back_however_it_ends(in_loop: InLoop, ending: str) -> None:
    gate = Gate()
    bodies: dict[str, Any] = {"success": lambda: 1, "failed": lambda: 1 / 0}

    async def main() -> tuple[str, Any]:
        async with WorkflowScheduler(resources={"db": 1}) as scheduler:
            words: dict[str, Any] = {"timeout": 0.05} if ending == "timed_out" else {}
            flow = single(ending, bodies.get(ending, gate.looped), resources={"db": 1}, **words)
            handle = scheduler.submit(flow)
            if ending == "cancelled":
                await gate.came()
                handle.cancel()
            after = scheduler.submit(single("after", lambda: "after", resources={"db": 1}))
            return (await handle.wait()).status, (await after.wait()).value

    assert in_loop(main) == (ending, {"one": "after"})


def test_a_workflow_that_overruns_its_timeout_has_timed_out_and_says_so(in_loop: InLoop, recorder: Recorder) -> None:
    gate = Gate()

    async def main() -> Any:
        async with WorkflowScheduler(plugins=[recorder]) as scheduler:
            flow = FlowBuilder("late").step(gate.looped, name="slow").step(lambda slow: slow, name="below").build()
            return await scheduler.submit(replace(flow, timeout=0.05)).wait()

    result = in_loop(main)
    assert [(step.name, step.status) for step in result.steps.values()] == [("slow", "cancelled"), ("below", "skipped")]
    assert result.status == "timed_out"
    assert result.steps["below"].reason == "the run was cancelled: it timed out after 0.05 s"
    assert isinstance(result.errors[0], StepTimeoutError)
    assert str(result.errors[0]) == "late timed out after 0.05 s"
    assert recorder.told[-1] == "run_finish late timed_out"


def test_waiting_for_what_it_holds_is_no_part_of_a_workflows_timeout(in_loop: InLoop) -> None:
    gate = Gate()

    async def main() -> str:
        async with WorkflowScheduler(resources={"db": 1}) as scheduler:
            scheduler.submit(single("holder", gate.plain, resources={"db": 1}))
            await gate.came()
            waits = scheduler.submit(single("waits", lambda: 1, resources={"db": 1}, timeout=0.3))
            await anyio.sleep(0.4)
            gate.open()
            return (await waits.wait()).status

    assert in_loop(main) == "success"


def test_a_workflow_keeps_what_it_holds_while_an_overdue_thread_of_it_lives(in_loop: InLoop) -> None:
    gate = Gate()

    async def main() -> list[Any]:
        async with WorkflowScheduler(resources={"gpu": 1}) as scheduler:
            flow = single("slow", gate.plain, step={"timeout": 0.05}, resources={"gpu": 1})
            status = (await scheduler.submit(flow).wait()).status
            after = scheduler.submit(single("after", lambda: 1, resources={"gpu": 1}))
            await anyio.sleep(0.05)
            seen = [status, after.status, scheduler.stats().resources["gpu"].held]
            gate.open()
            return [*seen, (await after.wait()).status]

    assert in_loop(main) == ["failed", "waiting", 1, "success"]


def test_ctrl_c_gives_back_what_a_run_holds(backend: Backend, recorder: Recorder) -> None:
    gate = Gate()

    def interrupts() -> None:
        gate.came_sync()
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupts)
    thread.start()
    flow = single("held", gate.looped, resources={"db": 1}, step={"resources": {"db": 1}})
    with pytest.raises(KeyboardInterrupt):
        run(flow, config=ParallelConfig(resources={"db": 1}), backend=backend, plugins=[recorder])
    thread.join()
    assert recorder.runs[0].status == "cancelled"


# Needs that can never be met.


def line_of(flow: Any, step: str | None = None) -> str:
    definition = flow.own[step] if step else flow
    return str(definition.where)


def refused(flow: Any, resources: dict[str, int] | None) -> list[str]:
    """Return the messages with which run(), arun() and a scheduler refuse a flow."""
    messages: list[str] = []
    with pytest.raises((PlanError, UnknownNameError)) as caught:
        run(flow, config=ParallelConfig(resources=resources))
    messages.append(str(caught.value))

    async def main() -> None:
        with pytest.raises((PlanError, UnknownNameError)) as caught:
            await arun(flow, config=ParallelConfig(resources=resources))
        messages.append(str(caught.value))
        async with WorkflowScheduler(resources=resources) as scheduler:
            with pytest.raises((PlanError, UnknownNameError)) as caught:
                scheduler.submit(flow)
            assert scheduler.stats().submitted == 0
        messages.append(str(caught.value))

    anyio.run(main)
    assert messages == [messages[0]] * 3
    return messages[0].splitlines()


def never() -> None:
    raise AssertionError("nothing starts when the plan is wrong")


@pytest.mark.parametrize("words", [{"resources": {"databas": 1}}, {"step": {"resources": {"databas": 1}}}])
def test_an_unknown_resource_is_refused_before_anything_starts(words: dict[str, Any]) -> None:
    flow = single("flow", never, **words)

    assert refused(flow, {"database": 4, "gpu": 1}) == [
        f"there is no resource named 'databas' ({line_of(flow, 'one' if 'step' in words else None)})",
        "  allowed: database, gpu",
        "  hint: did you mean 'database'?",
    ]


def test_a_resource_where_there_is_none_is_refused_with_how_to_say_it() -> None:
    flow = single("flow", never, step={"resources": {"db": 2}})

    first, hint = refused(flow, None)
    assert first == f"there is no resource named 'db' ({line_of(flow, 'one')})"
    assert hint.startswith("  hint: say how much there is: ")


@pytest.mark.parametrize("words", [{"resources": {"db": 5}}, {"step": {"resources": {"db": 5}}}])
def test_more_than_there_is_is_refused_before_anything_starts(words: dict[str, Any]) -> None:
    flow = single("flow", never, **words)
    name = "one" if "step" in words else "flow"

    assert refused(flow, {"db": 4}) == [
        f"{name!r} needs more of 'db' than there is ({line_of(flow, 'one' if 'step' in words else None)})",
        "  got: 5",
        "  allowed: 1 to 4",
    ]


def test_inside_a_holder_only_what_it_holds_may_be_asked_for() -> None:
    flow = single("flow", never, resources={"db": 1}, step={"resources": {"db": 2}})
    assert refused(flow, {"db": 4}) == [
        f"'one' needs more of 'db' than the workflow holds ({line_of(flow, 'one')})",
        "  got: 2",
        "  allowed: 1 to 1",
    ]

    other = single("flow", never, resources={"db": 1}, step={"resources": {"gpu": 1}})
    assert refused(other, {"db": 4, "gpu": 1}) == [
        f"'one' needs 'gpu', which the workflow does not hold ({line_of(other, 'one')})",
        "  allowed: db",
        "  hint: inside a workflow that holds resources, its steps have those and no others",
    ]


def test_run_keeps_to_the_resources_of_its_config(backend: Backend) -> None:
    meter = Meter(2)
    flow = FlowBuilder("flow")
    for n in range(6):
        flow.step(meter.plain, name=f"s{n}", resources={"db": 2})

    run(flow.build(), config=ParallelConfig(resources={"db": 5}), backend=backend).raise_for_errors()
    assert meter.most == 2
