"""Nested runs beside others: resources, slots and priorities, and what a scheduler says of them."""

from __future__ import annotations

import threading
from typing import Any

import anyio
import pytest

from flowbuilder import Context, FlowBuilder, Handle, ParallelConfig, Registry, WorkflowScheduler, hookimpl, run
from flowbuilder.errors import InnerStepError, PlanError
from flowbuilder.runner import Backend
from flowbuilder.testing import Recorder
from tests.conftest import InLoop

GPU = ParallelConfig(resources={"gpu": 2, "db": 1})


class Counted:
    """Counts how many bodies run at once, and the most of it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.running = self.most = self.all = 0

    def __enter__(self) -> None:
        with self.lock:
            self.running += 1
            self.all += 1
            self.most = max(self.most, self.running)

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.running -= 1


def trains(flows: Registry, counted: Counted, **words: Any) -> Any:
    """Return a workflow of one step, with these words."""

    async def fit() -> int:
        with counted:
            await anyio.sleep(0.005)
        return 1

    built = FlowBuilder("train").step(fit).build()

    @flows.workflow(name="trained", steps=[built], **words)
    def train() -> int:
        return 1

    return train


# Resources.


@pytest.mark.parametrize("is_sync", [False, True])
def test_what_a_workflow_holds_is_shared_with_all_others(is_sync: bool, backend: Backend) -> None:
    flows, counted = Registry(), Counted()
    train = trains(flows, counted, resources={"gpu": 1})

    async def crawl(n: int, ctx: Context) -> Any:
        return await ctx.run(train)

    def plain_crawl(n: int, ctx: Context) -> Any:
        return ctx.run_sync(train)

    flow = FlowBuilder("flow").step(plain_crawl if is_sync else crawl, name="crawl", each={"n": list(range(8))})
    result = run(flow.build(), registry=flows, config=GPU, backend=backend)
    assert result.steps["crawl"].value == [1] * 8
    assert (counted.most, counted.all) == (2, 8)


def crawl_of(train: Any, **words: Any) -> Any:
    async def crawl(ctx: Context) -> Any:
        return await ctx.run(train)

    return FlowBuilder("flow").step(crawl, **words).build()


def test_inside_a_step_that_holds_resources_it_has_those(backend: Backend) -> None:
    flows = Registry()
    train = trains(flows, Counted(), resources={"gpu": 2})
    result = run(crawl_of(train, resources={"gpu": 2}), registry=flows, config=GPU, backend=backend)
    assert result.steps["crawl"].value == 1


@pytest.mark.parametrize(
    ("held", "wanted", "what", "allowed"),
    [
        ({"gpu": 1}, {"gpu": 2}, "'trained' needs more of 'gpu' than the body that runs it holds", "gpu=1"),
        ({"gpu": 1}, {"db": 1}, "'trained' needs more of 'db' than the body that runs it holds", "gpu=1"),
        ({}, {"gpu": 3}, "'trained' needs more of 'gpu' than there is for it", "db=1, gpu=2"),
        ({}, {"disk": 1}, "'trained' needs more of 'disk' than there is for it", "db=1, gpu=2"),
    ],
)
def test_more_than_it_can_have_is_refused(
    held: dict[str, int], wanted: dict[str, int], what: str, allowed: str, backend: Backend
) -> None:
    flows, recorder = Registry(), Recorder()
    train = trains(flows, Counted(), resources=wanted)
    flow = crawl_of(train, resources=held)
    error = run(flow, registry=flows, config=GPU, backend=backend, plugins=[recorder]).steps["crawl"].error
    assert isinstance(error, InnerStepError)
    assert (error.what, error.allowed) == (what, allowed)
    ((name, amount),) = wanted.items()
    assert error.hint == (
        "what runs inside a step that holds resources has those and no others"
        if held
        else f"say how much there is: --resource {name}={amount}; inside a holder there is what that holds"
    )
    assert "run_start trained" not in recorder.told


def test_a_step_that_needs_more_than_its_workflow_holds_is_refused(backend: Backend) -> None:
    flows = Registry()
    flows.step(name="fit", resources={"gpu": 2})(lambda: 1)
    train = flows.workflow(name="train", resources={"gpu": 1})(lambda fit: fit)
    error = run(crawl_of(train), registry=flows, config=GPU, backend=backend).steps["crawl"].error
    assert isinstance(error, PlanError)
    assert error.what == "'fit' needs more of 'gpu' than the workflow holds"


def test_a_workflow_that_holds_a_resource_and_runs_itself_does_not_wait_for_itself(backend: Backend) -> None:
    flows = Registry()

    @flows.workflow(resources={"db": 1})
    async def dive(n: int, ctx: Context) -> int:
        return 0 if not n else 1 + await ctx.run(dive, n=n - 1)

    config = GPU.with_max_concurrency(1)
    assert run(dive, registry=flows, params={"n": 5}, config=config, backend=backend).value == 5


def test_a_run_that_holds_what_a_nested_one_waits_for_goes_on_with_the_only_slot(in_loop: InLoop) -> None:
    flows, recorder = Registry(), Recorder()
    train = trains(flows, Counted(), resources={"gpu": 1})

    async def main() -> list[Any]:
        has_begun, may_go_on = anyio.Event(), anyio.Event()

        @flows.step
        async def first() -> None:
            has_begun.set()
            await may_go_on.wait()

        flows.step(name="second")(lambda first: 2)
        flows.workflow(name="holder", resources={"gpu": 1})(lambda second: second)

        async with WorkflowScheduler(1, resources={"gpu": 1}, plugins=[recorder]) as scheduler:
            handles: list[Handle[Any]] = [scheduler.submit("holder", registry=flows)]
            await has_begun.wait()
            handles.append(scheduler.submit(crawl_of(train), registry=flows, priority=1))
            while "run_start flow" not in recorder.told:
                await anyio.sleep(0)
            may_go_on.set()
            with anyio.fail_after(5):
                return [(await one.wait()).value for one in handles]

    assert in_loop(main) == [2, {"crawl": 1}]


def test_slots_and_resources_are_back_when_all_has_ended(in_loop: InLoop) -> None:
    flows = Registry()
    train = trains(flows, Counted(), resources={"gpu": 1})

    async def crawl(n: int, ctx: Context) -> None:
        with anyio.move_on_after(0.002 * n):
            await ctx.run(train)

    flow = FlowBuilder("flow").step(crawl, each={"n": list(range(12))}).build()

    async def main() -> tuple[int, int, int]:
        async with WorkflowScheduler(2, resources={"gpu": 2}) as scheduler:
            (await scheduler.submit(flow, registry=flows).wait()).raise_for_errors()
            driver = scheduler._driver
            assert driver is not None
            admission = driver._engine.admission
            return admission.held, admission.depths.lent, driver._engine.resources["gpu"].held

    assert in_loop(main) == (0, 0, 0)


# Slots.


def test_the_limits_of_both_runs_hold(backend: Backend) -> None:
    counted = Counted()

    async def fit(n: int) -> None:
        with counted:
            await anyio.sleep(0.002)

    flow = FlowBuilder("train").step(fit, each={"n": list(range(9))})
    for outer, own, most in ((4, 2, 2), (2, 4, 2)):
        counted.most = 0
        train = flow.with_config(ParallelConfig(max_concurrency=own)).build()
        config = ParallelConfig(max_concurrency=outer)
        run(crawl_of(train), config=config, backend=backend).raise_for_errors()
        assert counted.most == most


@pytest.mark.parametrize("count", [1, 2, 3])
def test_bodies_of_many_runs_nested_in_one_another_end_with_few_slots(count: int, in_loop: InLoop) -> None:
    flows = Registry()

    @flows.workflow(resources={"gpu": 1})
    def leaf(n: int) -> int:
        return n

    @flows.workflow
    def middle(n: int, ctx: Context) -> int:
        return int(ctx.run_sync(leaf, n=n)) + 1

    @flows.workflow
    async def top(n: int, ctx: Context) -> int:
        return await ctx.run(middle, n=n) + await ctx.run(leaf, n=n)

    async def main() -> list[int]:
        async with WorkflowScheduler(count, resources={"gpu": 2}) as scheduler:
            handles = [scheduler.submit(top, params={"n": n}, registry=flows) for n in range(20)]
            with anyio.fail_after(20):
                return [(await one.wait()).value for one in handles]

    assert in_loop(main) == [2 * n + 1 for n in range(20)]


def test_a_nested_run_has_the_priority_of_its_workflow_or_that_of_the_run_around_it(in_loop: InLoop) -> None:
    flows = Registry()
    flows.workflow(name="urgent", priority=9)(lambda: None)
    flows.workflow(name="usual")(lambda: None)
    found: dict[str, int] = {}

    async def crawl(ctx: Context) -> None:
        for name in ("urgent", "usual"):
            await ctx.run(flows.workflows[name])

    async def main() -> None:
        async with WorkflowScheduler() as scheduler:
            driver = scheduler._driver
            assert driver is not None
            nest = driver._engine.nest

            def noted(nested: Any) -> Any:
                found[nested.info.workflow] = nested.priority
                return nest(nested)

            driver._engine.nest = noted
            scheduler.submit(FlowBuilder("flow").step(crawl).build(), registry=flows, priority=4)

    in_loop(main)
    assert found == {"urgent": 9, "usual": 4}


# Looking.


def test_active_shows_a_nested_run_inside_the_one_around_it(in_loop: InLoop) -> None:
    flows, begun, go_on = Registry(), threading.Event(), threading.Event()

    @flows.step
    def fit() -> int:
        begun.set()
        go_on.wait(5)
        return 1

    train = flows.workflow(name="train", resources={"gpu": 1})(lambda fit: fit)

    async def crawl(ctx: Context) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(ctx.run, train)
            group.start_soon(ctx.run, train)

    async def main() -> tuple[list[str], list[tuple[str, str]], int, int]:
        async with WorkflowScheduler(resources={"gpu": 1}) as scheduler:
            scheduler.submit(FlowBuilder("flow").step(crawl).build(), registry=flows)
            while not begun.is_set() or len(scheduler.active()[0].waiting) < 2:
                await anyio.sleep(0.001)
            (one,), stats = scheduler.active(), scheduler.stats()
            go_on.set()
            waiting = [(step.name, step.waits_for) for step in one.waiting]
            return [step.name for step in one.running], waiting, stats.submitted, stats.running

    running, waiting, submitted, active = in_loop(main)
    first, second = sorted(["crawl/train", "crawl/train~2"], key=lambda name: f"{name}.fit" not in running)
    assert running == ["crawl", f"{first}.fit"]
    assert sorted(waiting) == sorted([(first, "step fit"), (second, f"1 gpu: 1 of 1 held by flow › {first}")])
    assert (submitted, active) == (1, 1)


def test_stats_count_runs_that_are_in_no_body(in_loop: InLoop) -> None:
    flows = Registry()
    train = trains(flows, Counted())

    async def main() -> tuple[int, int, int]:
        async with WorkflowScheduler() as scheduler:
            await scheduler.submit(crawl_of(train), registry=flows).wait()
            stats = scheduler.stats()
            return stats.submitted, stats.finished, stats.running

    assert in_loop(main) == (1, 1, 0)


def test_a_plan_that_is_made_in_a_body_is_told_to_no_plan_hook(backend: Backend) -> None:
    planned: list[str] = []

    class Plans:
        @hookimpl
        def flowbuilder_plan(self, plan: Any) -> None:
            planned.append(plan.name)

    flows = Registry()
    run(crawl_of(trains(flows, Counted())), registry=flows, backend=backend, plugins=[Plans()])
    assert planned == ["flow"]
