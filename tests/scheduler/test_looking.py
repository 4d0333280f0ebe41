"""Looking at a scheduler: what each run does and waits for, and the numbers of all."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from flowbuilder import FlowBuilder, Retry, WorkflowScheduler
from flowbuilder.engine.activity import Activity
from tests.conftest import InLoop
from tests.scheduler.flows import Gate, single, until


def waiting(scheduler: WorkflowScheduler, workflow: str) -> dict[str, str]:
    """Return what each step of a run waits for."""
    return {one.name: one.waits_for for one in activity_of(scheduler, workflow).waiting}


def activity_of(scheduler: WorkflowScheduler, workflow: str) -> Activity:
    return next(one for one in scheduler.active() if one.workflow == workflow)


def test_active_tells_of_each_run_what_runs_and_since_when(in_loop: InLoop) -> None:
    gate = Gate()

    async def main() -> list[Activity]:
        async with WorkflowScheduler() as scheduler:
            assert scheduler.active() == []
            first = scheduler.submit(single("first", gate.plain), priority=4)
            scheduler.submit(single("second", gate.looped))
            await gate.came(2)
            await anyio.sleep(0.02)
            seen = scheduler.active()
            assert seen[0].run_id == first.run_id
            gate.open()
            return seen

    first, second = in_loop(main)
    assert [(one.workflow, one.priority, one.waiting) for one in (first, second)] == [
        ("first", 4, ()),
        ("second", 0, ()),
    ]
    (running,) = first.running
    assert (running.name, running.attempt) == ("one", 1)
    assert 0.02 <= running.seconds < 5


def test_a_step_waits_for_the_steps_it_needs(in_loop: InLoop) -> None:
    gate = Gate()
    flow = FlowBuilder("flow").step(gate.plain, name="a").step(gate.looped, name="b")
    flow.step(lambda a, b: 1, name="c").step(lambda c: 1, name="d")

    async def main() -> dict[str, str]:
        async with WorkflowScheduler() as scheduler:
            scheduler.submit(flow.build())
            await gate.came(2)
            seen = waiting(scheduler, "flow")
            gate.open()
            return seen

    assert in_loop(main) == {"c": "step a, b", "d": "step c"}


def test_a_step_waits_for_a_slot_behind_those_that_go_before_it(in_loop: InLoop) -> None:
    gate = Gate()

    async def main() -> list[dict[str, str]]:
        async with WorkflowScheduler(1) as scheduler:
            scheduler.submit(single("running", gate.plain))
            await gate.came()
            for name, priority in [("low", 0), ("high", 5), ("middle", 3)]:
                scheduler.submit(single(name, lambda: 1), priority=priority)
            await until(lambda: all(one.waits_for != "its start" for a in scheduler.active() for one in a.waiting))
            seen = [waiting(scheduler, name) for name in ("high", "middle", "low")]
            gate.open()
            return seen

    assert in_loop(main) == [{"one": "a slot"}, {"one": "a slot, behind 1 more"}, {"one": "a slot, behind 2 more"}]


def test_a_step_waits_for_a_resource_and_is_told_who_holds_it(in_loop: InLoop) -> None:
    gate = Gate()

    async def main() -> dict[str, str]:
        async with WorkflowScheduler(resources={"db": 4, "net": 9}) as scheduler:
            scheduler.submit(single("steps", gate.plain, step={"resources": {"db": 1, "net": 1}}))
            scheduler.submit(single("holder", gate.looped, resources={"db": 2}))
            await gate.came(2)
            scheduler.submit(single("wants", lambda: 1, step={"resources": {"db": 2, "net": 2}}))
            await until(lambda: waiting(scheduler, "wants") != {"wants": "its start"})
            seen = waiting(scheduler, "wants")
            gate.open()
            return seen

    assert in_loop(main) == {"one": "2 db: 3 of 4 held by steps › one, holder"}


def test_a_run_waits_for_what_it_would_hold_and_only_that_is_named_which_is_short(in_loop: InLoop) -> None:
    gate = Gate()

    async def main() -> tuple[dict[str, str], str]:
        async with WorkflowScheduler(resources={"db": 2, "gpu": 1}) as scheduler:
            scheduler.submit(single("holder", gate.plain, resources={"db": 1}))
            await gate.came()
            handle = scheduler.submit(single("wants", lambda: 1, resources={"db": 2, "gpu": 1}))
            await until(lambda: waiting(scheduler, "wants") != {"wants": "its start"})
            seen = waiting(scheduler, "wants"), handle.status
            gate.open()
            return seen

    assert in_loop(main) == ({"wants": "2 db: 1 of 2 held by holder"}, "waiting")


def test_an_overdue_thread_is_named_as_a_holder(in_loop: InLoop) -> None:
    gate = Gate()

    async def main() -> dict[str, str]:
        async with WorkflowScheduler(resources={"db": 1}) as scheduler:
            late = FlowBuilder("late").step(gate.plain, name="slow", resources={"db": 1}, timeout=0.02)
            scheduler.submit(late.step(gate.looped, name="beside").build())
            await gate.came(2)
            scheduler.submit(single("wants", lambda: 1, step={"resources": {"db": 1}}))
            await until(lambda: [one.name for one in activity_of(scheduler, "late").running] == ["beside"])
            await until(lambda: "one" in waiting(scheduler, "wants"))
            seen = waiting(scheduler, "wants")
            gate.open()
            return seen

    assert in_loop(main) == {"one": "1 db: 1 of 1 held by late › slow"}


def test_a_step_that_waits_for_its_next_attempt_says_when(in_loop: InLoop) -> None:
    async def main() -> dict[str, str]:
        async with WorkflowScheduler() as scheduler:
            handle = scheduler.submit(single("flaky", lambda: 1 / 0, step={"retries": Retry(1, delay=60.0)}))
            await until(lambda: "one" in waiting(scheduler, "flaky"))
            await until(lambda: waiting(scheduler, "flaky")["one"] != "a slot")
            seen = waiting(scheduler, "flaky")
            handle.cancel()
            return seen

    seen = in_loop(main)["one"]
    assert seen in ("its next attempt in 60.0 s", "its next attempt in 59.9 s")


def test_items_that_wait_are_listed_beside_those_that_run(in_loop: InLoop) -> None:
    gate = Gate()

    async def main() -> tuple[list[str], dict[str, str]]:
        async with WorkflowScheduler(1) as scheduler:
            flow = FlowBuilder("map").step(lambda n: gate.plain(), name="items", each={"n": [1, 2, 3]}).build()
            scheduler.submit(flow)
            await gate.came()
            seen = [one.name for one in activity_of(scheduler, "map").running], waiting(scheduler, "map")
            gate.open()
            return seen

    assert in_loop(main) == (["items[0]"], {"items[1]": "a slot", "items[2]": "a slot, behind 1 more"})


# Numbers.


def test_stats_count_runs_by_how_they_ended(in_loop: InLoop) -> None:
    gate = Gate()

    async def main() -> Any:
        async with WorkflowScheduler() as scheduler:
            for name in ("a", "b"):
                await scheduler.submit(single(name, lambda: 1)).wait()
            await scheduler.submit(single("broken", lambda: 1 / 0)).wait()
            await scheduler.submit(single("late", gate.looped, timeout=0.01)).wait()
            cancelled = scheduler.submit(single("cancelled", gate.looped))
            cancelled.cancel()
            await cancelled.wait()
            scheduler.submit(single("running", gate.looped))
            seen = scheduler.stats()
            gate.open()
            return seen

    seen = in_loop(main)
    assert (seen.submitted, seen.running, seen.finished, seen.failed, seen.cancelled) == (6, 1, 5, 2, 1)


@pytest.mark.parametrize("holds", [{}, {"resources": {"db": 1}}])
def test_stats_count_the_attempts_of_steps_and_nothing_else(in_loop: InLoop, holds: dict[str, Any]) -> None:
    async def main() -> int:
        async with WorkflowScheduler(resources={"db": 1}) as scheduler:
            flaky = single("flaky", lambda: 1 / 0, step={"retries": 2}, **holds)
            await scheduler.submit(flaky).wait()
            await scheduler.submit(single("one", lambda: 1, **holds)).wait()
            return scheduler.stats().steps_started

    assert in_loop(main) == 4


def test_stats_tell_how_long_steps_waited(in_loop: InLoop) -> None:
    gate = Gate()

    async def main() -> Any:
        async with WorkflowScheduler(1) as scheduler:
            scheduler.submit(single("first", gate.plain))
            await gate.came()
            second = scheduler.submit(single("second", lambda: 1))
            await until(lambda: second.status == "running")
            await anyio.sleep(0.1)
            gate.open()
            await second.wait()
            return scheduler.stats()

    seen = in_loop(main)
    assert 0.1 <= seen.longest_wait < 5
    assert seen.longest_wait / 2 <= seen.mean_wait < seen.longest_wait
    assert 0 < seen.throughput <= 20


def test_waiting_to_hold_is_no_waiting_of_a_step(in_loop: InLoop) -> None:
    gate = Gate()

    async def main() -> float:
        async with WorkflowScheduler(resources={"db": 1}) as scheduler:
            scheduler.submit(single("holder", gate.plain, resources={"db": 1}))
            await gate.came()
            second = scheduler.submit(single("second", lambda: 1, resources={"db": 1}))
            await anyio.sleep(0.3)
            gate.open()
            await second.wait()
            return scheduler.stats().longest_wait

    assert in_loop(main) < 0.3


def test_stats_tell_the_use_of_each_resource(in_loop: InLoop) -> None:
    gate = Gate()

    async def main() -> tuple[Any, Any]:
        async with WorkflowScheduler(resources={"db": 4, "gpu": 1}) as scheduler:
            handle = scheduler.submit(single("flow", gate.looped, step={"resources": {"db": 3}}))
            await gate.came()
            await anyio.sleep(0.05)
            during = scheduler.stats().resources
            gate.open()
            await handle.wait()
            return during, scheduler.stats().resources

    during, after = in_loop(main)
    assert {name: (use.capacity, use.held) for name, use in during.items()} == {"db": (4, 3), "gpu": (1, 0)}
    assert 1.5 < during["db"].average <= 3
    assert during["gpu"].average == 0
    assert after["db"].held == 0
    assert after["db"].average > 0
