"""What hooks are given: frozen views of the run, its steps and its results."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from flowbuilder import (
    FlowBuilder,
    ParallelConfig,
    RunInfo,
    StepInfo,
    StepResult,
    hookimpl,
    run,
)
from flowbuilder.testing import Recorder
from tests.engine.endings import small_flow


def test_a_hook_is_given_frozen_views() -> None:
    tried: list[type[BaseException]] = []

    def try_to(change: Callable[[], object]) -> None:
        try:
            change()
        except Exception as error:
            tried.append(type(error))

    class Meddles:
        @hookimpl
        def flowbuilder_run_start(self, run: RunInfo) -> None:
            try_to(lambda: setattr(run, "run_id", "mine"))
            try_to(lambda: run.params.update({"a": 1}))  # type: ignore[attr-defined]  # that is the point
            try_to(lambda: setattr(run.plan, "steps", ()))
            try_to(lambda: setattr(run.config, "fail_fast", True))

        @hookimpl
        def flowbuilder_step_finish(self, step: StepInfo, result: StepResult[Any]) -> None:
            try_to(lambda: setattr(step, "name", "mine"))
            try_to(lambda: setattr(step.definition, "retries", 9))
            try_to(lambda: setattr(result, "raw_value", "mine"))

    result = run(FlowBuilder("one").step(lambda: 1, name="one").build(), plugins=[Meddles()])
    assert [issubclass(kind, AttributeError) for kind in tried] == [True] * 7
    assert result.value == {"one": 1}


def test_a_step_in_a_hook_has_its_definition_its_item_and_the_maps_total() -> None:
    seen: dict[str, tuple[str, int | None, int | None]] = {}

    class Hears:
        @hookimpl
        def flowbuilder_step_start(self, step: StepInfo) -> None:
            seen[step.name] = (step.definition.name, step.item, step.total)

    flow = FlowBuilder("seen").step(lambda n: n, name="items", each={"n": [5, 6]}).step(lambda: 1, name="one").build()
    run(flow, plugins=[Hears()])
    assert seen == {
        "items": ("items", None, 2),
        "items[0]": ("items", 0, None),
        "items[1]": ("items", 1, None),
        "one": ("one", None, None),
    }


def test_a_run_in_a_hook_has_its_plan_its_inputs_and_the_limits_it_runs_with() -> None:
    seen: list[RunInfo] = []

    class Hears:
        @hookimpl
        def flowbuilder_run_start(self, run: RunInfo) -> None:
            seen.append(run)

    flow = FlowBuilder("seen").step(lambda n: n, name="one").with_config(ParallelConfig(max_concurrency=3)).build()
    result = run(flow, params={"n": 5}, config=ParallelConfig(step_timeout=7), plugins=[Hears()])
    (info,) = seen
    assert (info.run_id, info.workflow, dict(info.params)) == (result.run_id, "seen", {"n": 5})
    assert (info.config.max_concurrency, info.config.step_timeout) == (3, 7)
    assert info.plan.batches == (("one",),)
    assert abs(info.started_at - time.time()) < 60


def test_the_hook_of_the_plan_may_stop_a_run_before_anything_starts(recorder: Recorder) -> None:
    class Refuses:
        @hookimpl
        def flowbuilder_plan(self, plan: Any) -> None:
            raise PermissionError(f"{plan.name} is not allowed")

    with pytest.raises(PermissionError, match="small is not allowed"):
        run(small_flow(), plugins=[Refuses(), recorder])
    assert recorder.told == []


def test_nobody_listening_costs_no_thread() -> None:
    names: list[str] = []

    def body() -> None:
        names.extend(thread.name for thread in threading.enumerate() if "hook" in thread.name)

    run(FlowBuilder("quiet").step(body).build()).raise_for_errors()
    assert names == []
    assert sys.exc_info() == (None, None, None)
