"""Hooks of many runs: in order for each run, on one thread for all, and a broken watcher misses one run only."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest

from flowbuilder import FlowBuilder, RunResult, WorkflowScheduler, hookimpl
from flowbuilder.engine.views import RunInfo, StepInfo
from tests.conftest import InLoop
from tests.scheduler.flows import single


class Watcher:
    """Notes for each run what it hears, and on which threads."""

    def __init__(self) -> None:
        self.heard: dict[str, list[str]] = {}
        self.threads: set[int] = set()

    def _note(self, run: RunInfo, line: str) -> None:
        self.heard.setdefault(run.workflow, []).append(line)
        self.threads.add(threading.get_ident())

    @hookimpl
    def flowbuilder_run_start(self, run: RunInfo) -> None:
        self._note(run, "run_start")

    @hookimpl
    def flowbuilder_step_start(self, run: RunInfo, step: StepInfo) -> None:
        self._note(run, f"start {step.name}")

    @hookimpl
    def flowbuilder_step_finish(self, run: RunInfo, step: StepInfo) -> None:
        self._note(run, f"finish {step.name}")

    @hookimpl
    def flowbuilder_run_finish(self, run: RunInfo, result: RunResult[Any]) -> None:
        self._note(run, f"run_finish {result.status}")


def chain(name: str) -> Any:
    return FlowBuilder(name).step(lambda: 1, name="a").step(lambda a: a, name="b").build()


def test_each_run_is_told_in_order_and_all_on_one_thread(in_loop: InLoop) -> None:
    watcher = Watcher()

    async def main() -> None:
        async with WorkflowScheduler(3, plugins=[watcher]) as scheduler:
            for n in range(30):
                scheduler.submit(chain(f"run_{n}"))

    in_loop(main)
    whole = ["run_start", "start a", "finish a", "start b", "finish b", "run_finish success"]
    assert watcher.heard == {f"run_{n}": whole for n in range(30)}
    assert len(watcher.threads) == 1
    assert threading.get_ident() not in watcher.threads


def test_wait_returns_when_the_last_hook_of_the_run_was_told(in_loop: InLoop) -> None:
    watcher = Watcher()

    async def main() -> list[str]:
        async with WorkflowScheduler(plugins=[watcher]) as scheduler:
            await scheduler.submit(chain("run")).wait()
            return list(watcher.heard["run"])

    assert in_loop(main)[-1] == "run_finish success"


def test_a_watcher_that_raises_hears_nothing_more_of_that_run_but_of_the_others(
    in_loop: InLoop, caplog: pytest.LogCaptureFixture
) -> None:
    class Fragile(Watcher):
        @hookimpl
        def flowbuilder_step_start(self, run: RunInfo, step: StepInfo) -> None:
            super().flowbuilder_step_start(run, step)
            if run.workflow == "bad":
                raise SystemExit(3)

    watcher, calm = Fragile(), Watcher()

    async def main() -> list[RunResult[Any]]:
        async with WorkflowScheduler(plugins=[watcher, calm]) as scheduler:
            handles = [scheduler.submit(chain(name)) for name in ("good", "bad", "better")]
            return [await one.wait() for one in handles]

    good, bad, better = in_loop(main)
    assert watcher.heard["bad"] == ["run_start", "start a"]
    assert watcher.heard["good"] == watcher.heard["better"] == calm.heard["bad"]
    assert [one.status for one in (good, bad, better)] == ["success"] * 3
    assert [hook for _, hook in bad.plugin_failures] == ["step_start"]
    assert good.plugin_failures == better.plugin_failures == ()
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1


def test_a_plugin_that_refuses_a_plan_stops_that_submit_only(in_loop: InLoop) -> None:
    class Refuses:
        @hookimpl
        def flowbuilder_plan(self, plan: Any) -> None:
            if plan.name == "unwanted":
                raise ValueError("not here")

    async def main() -> Any:
        async with WorkflowScheduler(plugins=[Refuses()]) as scheduler:
            with pytest.raises(ValueError, match="not here"):
                scheduler.submit(single("unwanted", lambda: 1))
            return (await scheduler.submit(single("wanted", lambda: 1)).wait()).value

    assert in_loop(main) == {"one": 1}
