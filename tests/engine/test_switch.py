"""Of the steps of a switch exactly the chosen one runs, and whoever joins them gets its value."""

from __future__ import annotations

from typing import Any

import pytest

from flowbuilder import FlowBuilder, RunResult, Status, StepResult, run
from flowbuilder.errors import UnhandledCaseError
from flowbuilder.runner import Backend
from flowbuilder.testing import Recorder
from tests.engine.endings import assert_each_step_ended_once


def load_all() -> list[int]:
    return [1, 2, 3]


async def load_new() -> list[int]:
    return [3]


def switched(default: Any = None) -> FlowBuilder:
    async def mode(kind: str) -> str:
        return kind

    return FlowBuilder("etl").switch(mode, {"all": load_all, "new": load_new}, default, name="rows")


def ran(flow: FlowBuilder, kind: Any, backend: Backend, **words: Any) -> RunResult[Any]:
    return run(flow.build(), params={"kind": kind}, backend=backend, **words)


@pytest.mark.parametrize(("kind", "other", "rows"), [("all", "load_new", [1, 2, 3]), ("new", "load_all", [3])])
def test_the_chosen_case_runs_and_the_others_say_why_not(
    backend: Backend, recorder: Recorder, kind: str, other: str, rows: list[int]
) -> None:
    result = ran(switched().step(lambda rows: rows, name="last"), kind, backend, plugins=[recorder])
    assert result.raise_for_errors().value == {"last": rows}
    assert (result.steps[other].status, result.steps[other].reason) == (Status.SKIPPED, f"mode was {kind!r}")
    assert recorder.of(other) == [f"skip {other} mode was {kind!r}"]
    assert_each_step_ended_once(recorder)


def test_any_other_value_runs_the_default(backend: Backend) -> None:
    result = ran(switched(_nothing), "odd", backend)
    assert result.value == {"rows": []}
    assert [result.steps[name].reason for name in ("load_all", "load_new")] == ["mode was 'odd'", "mode was 'odd'"]


def _nothing() -> list[int]:
    return []


def test_the_default_is_skipped_where_a_case_is_chosen(backend: Backend) -> None:
    assert ran(switched(_nothing), "new", backend).steps["_nothing"].reason == "mode was 'new'"


def test_an_unhandled_value_is_one_failure_that_names_the_cases(backend: Backend) -> None:
    result = ran(switched().step(lambda rows: rows, name="last"), "odd", backend)
    (error,) = result.errors
    assert isinstance(error, UnhandledCaseError)
    assert str(error) == "mode was 'odd', and the cases are 'all', 'new'; add one, or a default="
    assert (result.status, result.steps["mode"].status) == (Status.FAILED, Status.FAILED)
    assert {result.steps[name].reason for name in ("load_all", "load_new", "rows", "last")} == {"mode failed"}


def test_a_step_chooses_and_keeps_its_own_status(backend: Backend) -> None:
    flow = FlowBuilder("etl").step(lambda: [1], name="mode").switch("mode", {1: load_all}).build()
    result = run(flow, backend=backend)
    assert (result.steps["mode"].status, result.steps["switch_mode"].status) == (Status.SUCCESS, Status.FAILED)
    assert str(result.errors[0]) == "mode was [1], and the cases are 1; add one, or a default="


def test_a_secret_that_chooses_is_not_shown(backend: Backend) -> None:
    flow = FlowBuilder("etl").step(lambda: "x", name="api_token").switch("api_token", {"x": load_all, "y": load_new})
    result = run(flow.build(), backend=backend)
    assert result.steps["load_new"].reason == "api_token was ***"


def test_one_step_for_several_cases_runs_for_each_of_them(backend: Backend) -> None:
    for kind, status in ((1, Status.SUCCESS), (2, Status.SUCCESS), (3, Status.SKIPPED), (4, Status.SUCCESS)):
        flow = FlowBuilder("etl").switch(lambda kind: kind, {1: load_all, 2: load_all, 3: load_new}, load_all)
        assert ran(flow, kind, backend).steps["load_all"].status is status


def test_defaults_and_results_join_the_cases_too(backend: Backend) -> None:
    def by_default(load_all: Any = None, load_new: Any = None) -> Any:
        return load_all or load_new

    def by_result(load_all: StepResult[Any], load_new: StepResult[Any]) -> list[str]:
        return [str(load_all.status), str(load_new.status)]

    result = ran(switched().step(by_default).step(by_result), "new", backend)
    assert result.steps["by_default"].value == [3]
    assert result.steps["by_result"].value == ["skipped", "success"]


def test_a_failed_case_fails_the_join(backend: Backend) -> None:
    flow = FlowBuilder("etl").switch(lambda: 1, {1: _broken, 2: load_all}, name="rows")
    result = run(flow.build(), backend=backend)
    assert (result.steps["rows"].status, result.steps["rows"].reason) == (Status.SKIPPED, "_broken failed")


def _broken() -> None:
    raise OSError("broken")


def test_where_the_chosen_one_was_skipped_the_join_is_too(backend: Backend) -> None:
    def chosen(optional: int) -> int:
        return optional

    flow = FlowBuilder("etl").step(lambda: 1, name="optional", when=lambda: False)
    flow.switch(lambda: 1, {1: chosen, 2: load_all}, name="rows").step(lambda rows="none": rows, name="last")
    result = run(flow.build(), backend=backend)
    assert result.steps["rows"].reason == "the chosen step was skipped"
    assert result.value["last"] == "none"


@pytest.mark.parametrize("wanted", [True, False])
def test_a_step_with_a_condition_runs_only_where_it_holds(backend: Backend, wanted: bool) -> None:
    flow = FlowBuilder("etl").step(lambda: wanted, name="is_large").step_if("is_large", load_all)
    flow.step_if(lambda is_large: not is_large, load_new)
    result = run(flow.build(), backend=backend)
    reasons = [result.steps[name].reason for name in ("load_all", "load_new")]
    assert reasons == (["", "its when was false"] if wanted else ["is_large was False", ""])


def test_a_condition_is_asked_of_each_item(backend: Backend) -> None:
    flow = FlowBuilder("etl").step_if(lambda n: n > 1, lambda n: n, name="double", each={"n": [1, 2, 3]})
    assert run(flow.build(), backend=backend).value == {"double": [2, 3]}
