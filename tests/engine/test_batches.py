"""Batches are no barrier, unless they are asked to be."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import anyio

from flowbuilder import FlowBuilder, ParallelConfig, RunInfo, hookimpl, run
from flowbuilder.runner import Backend
from flowbuilder.testing import Recorder


def two_levels(order: list[str]) -> Any:
    """Return a workflow of two batches with three steps each; every step below needs one above."""
    flow = FlowBuilder("levels")
    for name in ("a1", "a2", "a3"):
        flow.step(lambda name=name: order.append(name), name=name)
    for number, name in enumerate(("b1", "b2", "b3"), 1):
        flow.step(lambda above, name=name: order.append(name), name=name, needs={"above": f"a{number}"})
    return flow.build()


def test_an_eager_step_starts_although_its_upstreams_batch_still_runs(backend: Backend) -> None:
    below_ran = threading.Event()
    flow = FlowBuilder("eager").step(lambda: below_ran.wait(10), name="slow").step(lambda: 1, name="quick")
    flow.step(lambda quick: below_ran.set(), name="below")

    result = run(flow.build(), backend=backend)
    assert result.steps["slow"].value is True


def test_an_eager_async_step_starts_although_its_upstreams_batch_still_runs(backend: Backend) -> None:
    below_ran: list[anyio.Event] = []

    async def slow() -> None:
        below_ran.append(anyio.Event())
        with anyio.fail_after(5):
            await below_ran[0].wait()

    async def quick() -> None:
        await anyio.sleep(0.001)

    async def below(quick: None) -> None:
        below_ran[0].set()

    flow = FlowBuilder("eager").step(slow).step(quick).step(below).build()
    run(flow, backend=backend).raise_for_errors()


def test_an_eager_run_tells_of_no_batch(recorder: Recorder) -> None:
    run(two_levels([]), plugins=[recorder])

    assert not [line for line in recorder.told if line.startswith("batch")]


def test_batches_are_barriers_when_the_schedule_says_so(backend: Backend, recorder: Recorder) -> None:
    order: list[str] = []
    config = ParallelConfig(schedule="batches")
    run(two_levels(order), config=config, backend=backend, plugins=[recorder]).raise_for_errors()

    assert sorted(order[:3]) == ["a1", "a2", "a3"]
    batches = [line for line in recorder.told if line.startswith("batch")]
    assert batches == ["batch_start a1 a2 a3", "batch_finish a1 a2 a3", "batch_start b1 b2 b3", "batch_finish b1 b2 b3"]


def test_a_batchs_hooks_stand_around_those_of_its_steps(backend: Backend, recorder: Recorder) -> None:
    run(two_levels([]), config=ParallelConfig(schedule="batches"), backend=backend, plugins=[recorder])

    told = recorder.told
    assert told[:2] == ["run_start levels", "batch_start a1 a2 a3"]
    middle = told.index("batch_finish a1 a2 a3")
    assert {line.split()[1] for line in told[2:middle]} == {"a1", "a2", "a3"}
    assert told[middle + 1] == "batch_start b1 b2 b3"
    assert {line.split()[1] for line in told[middle + 2 : -2]} == {"b1", "b2", "b3"}


def test_batch_size_implies_batches_and_cuts_each_into_chunks_run_in_parallel(
    backend: Backend, recorder: Recorder
) -> None:
    both = threading.Barrier(2)
    flow = FlowBuilder("chunks")
    for number in range(5):
        flow.step(lambda n=number: n == 4 or both.wait(5) >= 0, name=f"s{number}")

    result = run(flow.build(), config=ParallelConfig(batch_size=2), backend=backend, plugins=[recorder])
    assert set(result.value.values()) == {True}
    starts = [line for line in recorder.told if line.startswith("batch_start")]
    assert starts == ["batch_start s0 s1", "batch_start s2 s3", "batch_start s4"]
    first_of_second = min(recorder.told.index(f"start s{number} 1") for number in (2, 3))
    assert first_of_second > max(recorder.told.index(f"finish s{number}") for number in (0, 1))


def test_a_batch_ends_although_a_step_of_it_failed_and_the_next_one_skips(backend: Backend, recorder: Recorder) -> None:
    flow = FlowBuilder("failing").step(lambda: 1 / 0, name="a1").step(lambda: 1, name="a2")
    flow.step(lambda a1: 1, name="b1").step(lambda a2: 1, name="b2")

    run(flow.build(), config=ParallelConfig(schedule="batches"), backend=backend, plugins=[recorder])
    batches = [line for line in recorder.told if line.startswith("batch")]
    assert batches == ["batch_start a1 a2", "batch_finish a1 a2", "batch_start b1 b2", "batch_finish b1 b2"]
    assert "skip b1 a1 failed" in recorder.told


def test_every_batch_that_was_told_to_start_is_told_to_end_when_the_run_stops(
    backend: Backend, recorder: Recorder
) -> None:
    flow = FlowBuilder("stopped").step(lambda: 1 / 0, name="a1").step(lambda: 1, name="b1", after=("a1",))
    config = ParallelConfig(schedule="batches", fail_fast=True)
    run(flow.build(), config=config, backend=backend, plugins=[recorder])

    starts = [line.split(" ", 1)[1] for line in recorder.told if line.startswith("batch_start")]
    ends = [line.split(" ", 1)[1] for line in recorder.told if line.startswith("batch_finish")]
    assert starts == ends
    assert starts[0] == "a1"


def test_a_mapped_step_and_its_items_are_of_one_batch(backend: Backend, recorder: Recorder) -> None:
    flow = FlowBuilder("map").step(lambda n: n, name="items", each={"n": [1, 2, 3]}).step(lambda: 1, name="beside")
    flow.step(lambda items: sum(items), name="total")
    run(flow.build(), config=ParallelConfig(schedule="batches"), backend=backend, plugins=[recorder])

    middle = recorder.told.index("batch_finish items beside")
    assert recorder.told.index("finish items[2]") < middle < recorder.told.index("start total 1")


def test_batch_hooks_get_the_batches_of_the_plan() -> None:
    started: list[tuple[str, ...]] = []
    finished: list[tuple[str, ...]] = []
    planned: list[tuple[str, ...]] = []

    class Hears:
        @hookimpl
        def flowbuilder_batch_start(self, batch: Sequence[str]) -> None:
            started.append(tuple(batch))

        @hookimpl
        def flowbuilder_batch_finish(self, batch: Sequence[str]) -> None:
            finished.append(tuple(batch))

        @hookimpl
        def flowbuilder_run_finish(self, run: RunInfo) -> None:
            planned.extend(run.plan.batches)

    run(two_levels([]), config=ParallelConfig(schedule="batches"), plugins=[Hears()])
    assert started == finished == planned == [("a1", "a2", "a3"), ("b1", "b2", "b3")]
