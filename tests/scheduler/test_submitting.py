"""Submitting: results come through handles, and who may submit when."""

from __future__ import annotations

import anyio
import pytest

from flowbuilder import FlowBuilder, Handle, ParallelConfig, Registry, Status, WorkflowScheduler
from flowbuilder.errors import DefinitionError, InputError, SchedulerClosedError, UnknownNameError
from tests.conftest import InLoop
from tests.scheduler.flows import Gate, single


def test_each_handle_has_the_result_of_its_own_run(in_loop: InLoop) -> None:
    flows = Registry()

    @flows.workflow
    def double(n: int) -> int:
        return 2 * n

    async def main() -> list[int]:
        async with WorkflowScheduler(max_concurrency=2) as scheduler:
            handles = [scheduler.submit(double, params={"n": n}, registry=flows) for n in range(20)]
            assert len({one.run_id for one in handles}) == 20
            return [(await one.wait()).value for one in handles]

    assert in_loop(main) == [2 * n for n in range(20)]


def test_a_workflow_is_submitted_by_name_as_built_or_as_a_plan(in_loop: InLoop) -> None:
    flows = Registry()

    @flows.workflow
    async def named() -> str:
        return "named"

    async def main() -> list[object]:
        async with WorkflowScheduler() as scheduler:
            by_name = scheduler.submit("named", registry=flows)
            built = scheduler.submit(single("built", lambda: "built"))
            plan = flows.plan("named")
            planned = [scheduler.submit_plan(plan) for _ in range(2)]
            return [(await one.wait()).value for one in (by_name, built, *planned)]

    assert in_loop(main) == ["named", {"one": "built"}, "named", "named"]


def test_overrides_config_and_seed_are_as_for_run(in_loop: InLoop) -> None:
    flow = FlowBuilder("flow").step(lambda: 1, name="one").step(lambda one: one + 1, name="two").build()

    async def main() -> tuple[object, bool]:
        async with WorkflowScheduler() as scheduler:
            config = ParallelConfig(fail_fast=True)
            result = await scheduler.submit(flow, overrides={"one": 5}, config=config, seed=3).wait()
            return result.value, result.status is Status.SUCCESS

    assert in_loop(main) == ({"two": 6}, True)


def test_a_handle_says_where_its_run_is(in_loop: InLoop) -> None:
    gate = Gate()

    async def main() -> list[str]:
        async with WorkflowScheduler(resources={"db": 1}) as scheduler:
            first = scheduler.submit(single("first", gate.plain, resources={"db": 1}))
            second = scheduler.submit(single("second", gate.plain, resources={"db": 1}))
            await gate.came()
            seen = [first.workflow, first.status, second.status]
            gate.open()
            await second.wait()
            return [*seen, first.status, second.status]

    assert in_loop(main) == ["first", "running", "waiting", "success", "success"]


def test_the_status_is_the_results_as_soon_as_wait_returns(in_loop: InLoop) -> None:
    async def main() -> tuple[str, int, int]:
        async with WorkflowScheduler() as scheduler:
            handle = scheduler.submit(single("quick", lambda: 1))
            await handle.wait()
            stats = scheduler.stats()
            return handle.status, stats.finished, stats.running

    assert in_loop(main) == ("success", 1, 0)


def test_a_failing_run_is_a_result_and_disturbs_nobody(in_loop: InLoop) -> None:
    async def main() -> list[str]:
        async with WorkflowScheduler() as scheduler:
            broken = scheduler.submit(single("broken", lambda: 1 / 0))
            whole = scheduler.submit(single("whole", lambda: 1))
            result = await broken.wait()
            with pytest.raises(ExceptionGroup, match=r"broken: 1 failed"):
                result.raise_for_errors()
            return [result.status, (await whole.wait()).status]

    assert in_loop(main) == ["failed", "success"]


def test_who_is_cancelled_while_waiting_only_stops_waiting(in_loop: InLoop) -> None:
    gate = Gate()

    async def main() -> tuple[str, object]:
        async with WorkflowScheduler() as scheduler:
            handle = scheduler.submit(single("slow", gate.looped))
            await gate.came()
            with anyio.move_on_after(0.01):
                await handle.wait()
            status = handle.status
            gate.open()
            return status, (await handle.wait()).value

    assert in_loop(main) == ("running", {"one": "looped"})


def test_nothing_is_submitted_before_entering(in_loop: InLoop) -> None:
    scheduler = WorkflowScheduler()

    with pytest.raises(SchedulerClosedError) as caught:
        scheduler.submit(single("early", lambda: 1))
    assert str(caught.value) == "this WorkflowScheduler is not entered, or has been left"


def test_nothing_is_submitted_after_leaving(in_loop: InLoop) -> None:
    async def main() -> WorkflowScheduler:
        async with WorkflowScheduler() as scheduler:
            return scheduler

    scheduler = in_loop(main)
    with pytest.raises(SchedulerClosedError, match="has been left"):
        scheduler.submit(single("late", lambda: 1))


def test_a_scheduler_is_entered_once(in_loop: InLoop) -> None:
    async def main() -> None:
        async with WorkflowScheduler() as scheduler:
            with pytest.raises(SchedulerClosedError) as caught:
                await scheduler.__aenter__()
        assert str(caught.value) == "a WorkflowScheduler is used once"
        with pytest.raises(SchedulerClosedError):
            await scheduler.__aenter__()

    in_loop(main)


def test_a_wrong_plan_is_an_error_of_submit_and_the_scheduler_goes_on(in_loop: InLoop) -> None:
    flows = Registry()

    @flows.workflow
    def needy(n: int) -> int:
        return n

    async def main() -> object:
        async with WorkflowScheduler() as scheduler:
            with pytest.raises(InputError):
                scheduler.submit(needy, registry=flows)
            with pytest.raises(UnknownNameError):
                scheduler.submit("nobody", registry=flows)
            assert scheduler.stats().submitted == 0
            return (await scheduler.submit(needy, params={"n": 1}, registry=flows).wait()).value

    assert in_loop(main) == 1


def test_a_word_that_submit_does_not_know_is_refused(in_loop: InLoop) -> None:
    async def main() -> None:
        async with WorkflowScheduler() as scheduler:
            scheduler.submit(single("flow", lambda: 1), prioriy=5)  # type: ignore[call-overload]  # the mistake

    with pytest.raises(TypeError) as caught:
        in_loop(main)
    assert str(caught.value) == (
        "submit() has no argument 'prioriy'; it takes params, priority, config, overrides, registry, seed"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"max_concurrency": 0}, "max_concurrency= takes"),
        ({"resources": {"db": 0}}, "resources= takes"),
        ({"max_failures": -1}, "max_failures= takes"),
        ({"backend": "curio"}, "backend= is unknown"),
    ],
)
def test_a_scheduler_refuses_limits_that_are_none(words: dict[str, object], message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        WorkflowScheduler(**words)  # type: ignore[arg-type]  # the mistakes


def test_a_handle_is_typed_by_what_the_workflow_returns(in_loop: InLoop) -> None:
    def count(n: int = 3) -> int:
        return n

    async def main() -> int:
        flows = Registry()
        flows.workflow(count)
        async with WorkflowScheduler() as scheduler:
            handle: Handle[int] = scheduler.submit(count, registry=flows)
            return (await handle.wait()).value

    assert in_loop(main) == 3
