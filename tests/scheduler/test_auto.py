"""``max_concurrency="auto"``: the limit moves with what is measured of running steps."""

from __future__ import annotations

import os
import time
from typing import Any

import anyio
import pytest

from flowbuilder import FlowBuilder, ParallelConfig, SchedulerStats, WorkflowScheduler, run
from flowbuilder.runner import Backend
from flowbuilder.testing import FlowTester
from tests.conftest import InLoop

START = (os.cpu_count() or 1) + 4


def mapped(body: Any, items: int) -> Any:
    return FlowBuilder("flow").step(body, name="one", each={"n": list(range(items))}).build()


async def served(in_scheduler: WorkflowScheduler, *workflows: Any, **words: Any) -> SchedulerStats:
    async with in_scheduler as scheduler:
        assert scheduler.stats().max_concurrency == START
        for handle in [scheduler.submit(workflow, **words) for workflow in workflows]:
            (await handle.wait()).raise_for_errors()
        return scheduler.stats()


def test_steps_that_only_wait_run_more_at_once(in_loop: InLoop) -> None:
    async def waits(n: int) -> None:
        await anyio.sleep(0.005)

    stats = in_loop(lambda: served(WorkflowScheduler("auto"), mapped(waits, 1_000)))
    assert stats.max_concurrency is not None
    assert 2 * START <= stats.max_concurrency <= 64
    assert stats.steps_started == 1_001


def test_threads_are_as_many_as_are_found_to_serve(in_loop: InLoop) -> None:
    def waits(n: int) -> None:
        time.sleep(0.005)

    stats = in_loop(lambda: served(WorkflowScheduler("auto"), mapped(waits, 1_000)))
    assert stats.max_concurrency is not None
    assert stats.max_concurrency >= 2 * START


def test_a_run_may_have_a_tighter_limit_of_its_own(in_loop: InLoop) -> None:
    running = most = 0

    async def counts(n: int) -> None:
        nonlocal running, most
        running, most = running + 1, max(most, running + 1)
        await anyio.sleep(0.001)
        running -= 1

    config = ParallelConfig(max_concurrency=START + 2)
    in_loop(lambda: served(WorkflowScheduler("auto"), mapped(counts, 300), config=config))
    assert most <= START + 2


def test_one_run_may_find_its_limit_too(backend: Backend) -> None:
    result = run(mapped(lambda n: n, 200), config=ParallelConfig(max_concurrency="auto"), backend=backend)
    assert result.value == {"one": list(range(200))}


def test_nothing_starts_after_the_failure_that_stops_all(in_loop: InLoop) -> None:
    async def fails(n: int) -> None:
        await anyio.sleep(0.001)
        if n == 100:
            raise ValueError(n)

    async def main() -> int:
        async with WorkflowScheduler("auto", max_failures=1) as scheduler:
            await scheduler.submit(mapped(fails, 2_000)).wait()
            return scheduler.stats().steps_started

    assert in_loop(main) < 300


@pytest.mark.parametrize(
    ("settings", "words"),
    [("", ("-n", "auto")), ('max-concurrency = "auto"', ()), ("", ("flow_one.py::configured",))],
)
def test_a_command_says_what_it_came_to(flowtester: FlowTester, settings: str, words: tuple[str, ...]) -> None:
    flowtester.write("pyproject.toml", f"[tool.flowbuilder]\n{settings}\n")
    flowtester.write(
        "flow_one.py",
        """
        from flowbuilder import ParallelConfig, step, workflow

        @step
        def one(): ...

        @workflow(config=ParallelConfig(max_concurrency="auto"))
        def configured(one): ...
        """,
    )
    outcome = flowtester.run("run", *words)
    outcome.assert_lines("root: *", *["at once: auto, from 1 to 64 steps, *"] * ("::" not in str(words)))
    outcome.assert_lines(f"-n auto came to {START} at once", "*succeeded*")
    assert "came to" not in flowtester.run("run", *words, "-q").stdout
