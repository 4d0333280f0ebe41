"""The body of a workflow, and what the value of a run is."""

from __future__ import annotations

import pytest

from flowbuilder import FlowBuilder, Registry, Status, run
from flowbuilder.errors import NotRunError
from flowbuilder.runner import Backend
from flowbuilder.testing import Recorder

# The workflow's body, and the value of a run.


def test_a_body_is_the_last_step_and_counts_like_any_other(recorder: Recorder) -> None:
    flows = Registry()

    @flows.step
    def extra() -> None: ...

    @flows.step
    def number() -> int:
        return 1

    @flows.workflow(steps=[extra])
    def whole(number: int) -> int:
        return number

    result = run(whole, registry=flows, plugins=[recorder])
    assert list(result.steps)[-1] == "whole"
    assert result.success_count == 3
    assert recorder.told[-2:] == ["finish whole", "run_finish whole success"]
    assert recorder.told.index("finish extra") < recorder.told.index("start whole 1")


def test_a_body_runs_although_a_step_of_steps_was_skipped_by_when(backend: Backend) -> None:
    flows = Registry()

    @flows.step(when=lambda: False)
    def extra() -> None: ...

    @flows.workflow(steps=[extra])
    def whole() -> str:
        return "ran"

    result = run(whole, registry=flows, backend=backend)
    assert result.value == "ran"
    assert result.status is Status.SUCCESS
    assert result.skipped_count == 1


def test_a_body_does_not_run_when_a_step_of_steps_failed(backend: Backend) -> None:
    flows = Registry()

    @flows.step
    def extra() -> None:
        raise ValueError("no")

    @flows.workflow(steps=[extra])
    def whole() -> str:
        return "ran"

    result = run(whole, registry=flows, backend=backend)
    assert result.steps["whole"].status is Status.SKIPPED
    with pytest.raises(ExceptionGroup, match="whole: 1 failed"):
        _ = result.value


def test_the_value_of_a_run_whose_body_was_skipped_says_why(backend: Backend) -> None:
    flows = Registry()

    @flows.step(when=lambda: False)
    def wanted() -> int:
        return 1

    @flows.workflow
    def whole(wanted: int) -> int:
        return wanted

    result = run(whole, registry=flows, backend=backend)
    assert result.status is Status.SKIPPED
    with pytest.raises(NotRunError, match=r"^whole was skipped: wanted was skipped: its when was false$"):
        _ = result.value


def test_the_value_of_a_workflow_without_a_body_has_every_sink(backend: Backend) -> None:
    flows = Registry()

    @flows.step
    def source() -> int:
        return 1

    @flows.step
    def left(source: int) -> int:
        return source + 1

    @flows.step
    def right(source: int) -> int:
        return source + 2

    @flows.step(when=lambda: False)
    def skipped(source: int) -> int:
        return source + 3

    flow = FlowBuilder("sinks").step(left).step(right).step(skipped).build()
    assert run(flow, registry=flows, backend=backend).value == {"left": 2, "right": 3}


def test_the_value_of_a_step_run_by_itself_is_its_own(backend: Backend) -> None:
    flows = Registry()

    @flows.step
    def source() -> int:
        return 1

    @flows.step
    def wanted(source: int) -> int:
        return source + 1

    @flows.step
    def not_wanted(wanted: int) -> int:
        return wanted

    result = run("wanted", registry=flows, backend=backend)
    assert result.value == 2
    assert list(result.steps) == ["source", "wanted"]
