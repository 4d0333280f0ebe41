"""Undo: what a run completed is undone when it fails, in reverse order, and no longer counts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from flowbuilder import (
    Context,
    FlowBuilder,
    ParallelConfig,
    Registry,
    Retry,
    RunResult,
    Status,
    StepResult,
    Until,
    WorkflowDefinition,
    hookimpl,
    run,
)
from flowbuilder.engine.context import current
from flowbuilder.runner import Backend
from flowbuilder.testing import Recorder
from tests.conftest import Collect

KINDS = ("thread", "inline", "loop")


def fails() -> None:
    raise ValueError("the end")


def saga(undone: list[str], kind: str = "thread") -> WorkflowDefinition:
    """Return a workflow of which a, b and c succeed, one after another, and then a step fails."""

    async def looped() -> None: ...

    async def undo_looped(ctx: Context) -> None:
        await anyio.sleep(0)
        undone.append(ctx.step)

    flow = FlowBuilder("saga")
    for name in ("a", "b", "c"):
        if kind == "loop":
            flow.then(looped, name=name, undo=undo_looped)
        else:
            flow.then(lambda: None, name=name, undo=lambda ctx: undone.append(ctx.step), executor=kind)
    return flow.then(fails).build()


def undone_of(result: RunResult[Any]) -> dict[str, str]:
    """Return why each step that no longer counts does not."""
    return {name: step.reason for name, step in result.steps.items() if step.undone}


# When, and in which order.


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_completed_is_undone_in_reverse_when_the_run_fails(
    backend: Backend, recorder: Recorder, kind: str
) -> None:
    undone: list[str] = []
    result = run(saga(undone, kind), backend=backend, plugins=[recorder])

    assert undone == ["c", "b", "a"]
    assert recorder.told[-5:] == ["error fails failed", "undo c", "undo b", "undo a", "run_finish saga failed"]
    assert undone_of(result) == dict.fromkeys("abc", "it was undone")
    assert [str(error) for error in result.errors] == ["the end"]


def test_reverse_is_the_order_of_completion_and_not_of_the_plan(backend: Backend) -> None:
    undone, second = list[str](), threading.Event()
    flow = FlowBuilder("order")
    flow.step(lambda: second.wait(5), name="late", undo=lambda ctx: undone.append(ctx.step))
    flow.step(second.set, name="early", undo=lambda ctx: undone.append(ctx.step))
    flow.step(fails, after=("late", "early"))

    run(flow.build(), backend=backend)
    assert undone == ["late", "early"]


def test_nothing_is_undone_while_a_body_runs(backend: Backend) -> None:
    failed, told = threading.Event(), list[str]()

    class Hears:
        @hookimpl
        def flowbuilder_step_error(self) -> None:
            failed.set()

    def slow() -> None:
        failed.wait(5)
        told.append("slow ended")

    flow = FlowBuilder("slow").step(lambda: 1, name="a", undo=lambda: told.append("a undone"))
    flow.step(slow, undo=lambda: told.append("slow undone")).step(fails, after=("a",))
    run(flow.build(), backend=backend, plugins=[Hears()])
    assert told == ["slow ended", "slow undone", "a undone"]


def test_a_run_that_succeeds_is_not_undone(backend: Backend) -> None:
    undone: list[int] = []
    flow = FlowBuilder("good").step(lambda: 1, name="a", undo=lambda: undone.append(1))
    flow.step(fails, on_error="continue").step(lambda: 1, name="passed", when=lambda: False)

    assert run(flow.build(), backend=backend).status is Status.SUCCESS
    assert undone == []


@pytest.mark.parametrize("how", ["time-out of a step", "time-out of the workflow", "fail_fast"])
def test_a_time_out_and_fail_fast_have_a_run_undone_too(backend: Backend, how: str) -> None:
    flows, undone = Registry(), list[str]()

    @flows.step(undo=lambda: undone.append("a"))
    def a() -> None: ...

    @flows.step(timeout=0.05 if how == "time-out of a step" else None)
    async def slow(a: None) -> None:
        await anyio.sleep(30)

    @flows.step
    def broken(a: None) -> None:
        if how == "fail_fast":
            raise ValueError

    @flows.workflow(timeout=0.2 if how == "time-out of the workflow" else None)
    def whole(slow: None, broken: None) -> None: ...

    result = run(whole, registry=flows, backend=backend, config=ParallelConfig(fail_fast=True))
    assert undone == ["a"]
    assert result.steps["a"].undone


def test_only_what_succeeded_is_undone(backend: Backend) -> None:
    undone: list[str] = []
    flow = FlowBuilder("some")
    words: dict[str, Any] = {"undo": lambda ctx: undone.append(ctx.step)}
    flow.step(lambda: 1, name="good", **words).step(lambda: 1, name="passed", when=lambda: False, **words)
    flow.step(lambda: 1 / 0, name="broken", **words).step(lambda broken: 1, name="below", **words)
    flow.step(lambda: 1 / 0, name="rescued", on_error=lambda: 5, **words)

    result = run(flow.build(), config=ParallelConfig(max_concurrency=1), backend=backend)
    assert undone == ["rescued", "good"]
    assert set(undone_of(result)) == {"good", "rescued"}


# What an undo takes.


def test_an_undo_takes_what_its_step_returned_and_what_a_step_takes(backend: Backend) -> None:
    flows, seen = Registry(), list[Any]()

    @flows.provider
    def api() -> Iterator[str]:
        yield "api"
        seen.append("torn down")

    @flows.step
    def trip() -> str:
        return "Rome"

    def unbook(result: int, book: int, trip: str, api: str, by: str, fee: int, ctx: Context) -> None:
        seen.append((result, book, trip, api, by, fee, ctx.step, ctx.attempt))

    @flows.step(undo=unbook, retries=1)
    def book(trip: str, ctx: Context, by: str = "train") -> int:
        if ctx.attempt == 1:
            raise OSError
        return 7

    @flows.step
    def pay(book: int) -> None:
        raise ValueError("no money")

    run(pay, registry=flows, params={"fee": 3}, backend=backend)
    assert seen == [(7, 7, "Rome", "api", "train", 3, "book", 2), "torn down"]


def test_the_undo_of_a_step_that_was_repeated_takes_the_last_result(backend: Backend) -> None:
    seen: list[Any] = []
    flow = FlowBuilder("loop")
    flow.step(lambda previous=0: previous + 1, name="count", until=Until(lambda count: count == 3, every=0),
              undo=lambda count, ctx: seen.append((count, ctx.round)))  # fmt: skip
    run(flow.then(fails).build(), backend=backend)

    assert seen == [(3, 3)]


def test_each_item_is_undone_with_what_it_was_called_with(backend: Backend, recorder: Recorder) -> None:
    undone: list[Any] = []
    flow = FlowBuilder("items")
    flow.step(lambda n: n * 10 // (n != 2), name="made", each={"n": [1, 2, 3]},
              undo=lambda n, result, ctx: undone.append((n, result, ctx.item)))  # fmt: skip
    result = run(flow.build(), config=ParallelConfig(max_concurrency=1), backend=backend, plugins=[recorder])

    assert undone == [(3, 30, 2), (1, 10, 0)]
    made = result.steps["made"]
    assert [item.undone for item in made.items or ()] == [True, False, True]
    assert (made.status, made.undone) == (Status.FAILED, False)
    assert recorder.told[-3:-1] == ["undo made[2]", "undo made[0]"]


def test_an_undo_runs_where_its_step_did(backend: Backend) -> None:
    threads: dict[str, str] = {}

    def noted(ctx: Context) -> None:
        threads[ctx.step] = threading.current_thread().name
        assert current.get() is not None

    async def noted_async(ctx: Context) -> None:
        noted(ctx)

    async def looped() -> None: ...

    flow = FlowBuilder("places").step(lambda: 1, name="thread", undo=noted).step(looped, undo=noted_async)
    flow.step(lambda: 1, name="inline", executor="inline", undo=noted)
    run(flow.then(fails).build(), backend=backend).steps["thread"]
    here = threading.current_thread().name
    assert threads == {"thread": "flowbuilder-step", "looped": here, "inline": here}


def test_the_undo_of_a_process_step_runs_in_the_parent(backend: Backend, collect: Collect) -> None:
    flows = collect("""
        import os
        from flowbuilder import step, workflow

        seen = []

        @step(executor="process", undo=lambda result: seen.append((result, os.getpid())))
        def made() -> int:
            return os.getpid()

        @workflow
        def whole(made):
            raise ValueError(seen)
    """)
    result = run("whole", registry=flows, backend=backend)

    (seen,) = result.errors[0].args
    ((worker, parent),) = seen
    assert worker != parent


# What no longer counts.


def test_what_is_downstream_of_what_was_undone_no_longer_counts_either(backend: Backend) -> None:
    flow = FlowBuilder("down").step(lambda: 1, name="root").step(lambda root: 1, name="a", undo=lambda: None)
    flow.step(lambda a: 1, name="below").step(lambda below: 1, name="far").step(lambda: 1, name="beside")
    flow.step(fails, after=("far", "beside"))

    result = run(flow.build(), backend=backend)
    assert undone_of(result) == {"a": "it was undone", "below": "a was undone", "far": "a was undone"}
    assert (result.success_count, result.undone_count, result.failed_count) == (2, 3, 1)
    assert result.steps["far"].value == 1
    assert result.to_dict()["undone_count"] == 3


def test_a_run_whose_body_returned_and_was_undone_has_no_value(backend: Backend) -> None:
    flows = Registry()

    @flows.step(undo=lambda: None)
    def a() -> int:
        return 1

    @flows.step
    def broken() -> None:
        raise ValueError("the end")

    @flows.workflow
    def whole(a: int, broken: StepResult[None]) -> str:
        return "done"

    result = run(whole, registry=flows, backend=backend)
    assert (result.steps["whole"].status, undone_of(result)["whole"]) == (Status.SUCCESS, "a was undone")
    with pytest.raises(ExceptionGroup, match="whole: 1 failed"):
        _ = result.value
    assert result.to_dict()["value"] is None


def test_of_a_workflow_without_a_body_only_what_still_counts_is_in_the_value() -> None:
    flow = FlowBuilder("sinks").step(lambda: 1, name="a", undo=lambda: None).step(lambda: 2, name="b").step(fails)
    assert run(flow.build()).to_dict()["value"] == {"b": 2}


# An undo that fails.


@pytest.mark.parametrize("kind", KINDS)
def test_an_undo_that_raises_is_reported_beside_the_failures_and_the_others_still_run(
    backend: Backend, recorder: Recorder, kind: str
) -> None:
    undone: list[str] = []

    async def looped() -> None: ...

    def broken() -> None:
        raise OSError("still there")

    async def broken_looped() -> None:
        broken()

    flow = FlowBuilder("saga").step(lambda: 1, name="a", undo=lambda: undone.append("a"))
    if kind == "loop":
        flow.then(looped, name="b", undo=broken_looped)
    else:
        flow.then(lambda: 1, name="b", undo=broken, executor=kind)
    result = run(flow.then(fails).build(), backend=backend, plugins=[recorder])
    assert undone == ["a"]
    assert [str(error) for error in result.errors] == ["the end", "still there"]
    assert result.errors[1].__notes__ == [f"undo of step b, attempt 1, run {result.run_id}"]
    assert undone_of(result) == {"a": "it was undone", "b": "its undo failed"}
    assert recorder.of("b")[-1] == "undo b OSError"
    with pytest.raises(ExceptionGroup) as caught:
        result.raise_for_errors()
    assert len(caught.value.exceptions) == 2


def test_an_undo_that_exits_is_a_failure_like_any(backend: Backend) -> None:
    def exits() -> None:
        raise SystemExit(3)

    result = run(FlowBuilder("exits").step(lambda: 1, name="a", undo=exits).then(fails).build(), backend=backend)
    assert [type(error) for error in result.errors] == [ValueError, SystemExit]


def test_an_undo_whose_provider_was_never_there_fails_and_its_step_still_counts(backend: Backend) -> None:
    flows, undone = Registry(), list[int]()

    @flows.provider
    def api() -> int:
        raise OSError("no api")

    @flows.step(on_error="continue", undo=lambda api: undone.append(api))
    def a(api: int) -> int:
        return 1

    @flows.workflow
    def whole(a: int) -> None:
        raise ValueError("the end")

    result = run(whole, registry=flows, backend=backend)
    assert undone == []
    assert [str(error) for error in result.errors] == ["the end", "no api"]
    assert not result.steps["a"].undone


def test_a_failing_provider_and_a_failing_undo_are_both_reported(backend: Backend) -> None:
    flows = Registry()

    @flows.provider
    def api() -> Iterator[int]:
        yield 1
        raise OSError("api stays open")

    def broken(api: int) -> None:
        raise KeyError(api)

    @flows.step(undo=broken)
    def a() -> None: ...

    @flows.workflow
    def whole(a: None) -> None:
        raise ValueError("the end")

    result = run(whole, registry=flows, backend=backend)
    assert [type(error) for error in result.errors] == [ValueError, KeyError, OSError]


def test_an_undo_is_made_once_whatever_the_retries(backend: Backend) -> None:
    tries: list[int] = []

    def broken() -> None:
        tries.append(1)
        raise OSError

    flow = FlowBuilder("once").step(lambda: 1, name="a", undo=broken, retries=Retry(3)).then(fails).build()
    run(flow, backend=backend)
    assert tries == [1]


# Providers of an undo alone.


def test_an_undo_has_providers_of_a_step_of_its_own(backend: Backend) -> None:
    flows, told = Registry(), list[str]()

    @flows.provider(scope="step")
    def session() -> Iterator[int]:
        told.append("opened")
        yield len(told)
        told.append("closed")

    def undo(session: int, result: int) -> None:
        told.append(f"undone {result} with {session}")

    @flows.step(undo=undo)
    def a(session: int) -> int:
        told.append("ran")
        return session

    @flows.workflow
    def whole(a: int) -> None:
        raise ValueError("the end")

    run(whole, registry=flows, backend=backend)
    assert told == ["opened", "ran", "closed", "opened", "undone 1 with 4", "closed"]


@pytest.mark.parametrize("where", ["set-up", "tear-down"])
def test_an_undo_whose_own_provider_fails_has_failed(backend: Backend, where: str) -> None:
    flows, undone = Registry(), list[str]()

    @flows.provider(scope="step")
    def session() -> Iterator[int]:
        if where == "set-up":
            raise OSError(where)
        yield 1
        raise OSError(where)

    @flows.step(undo=lambda session: undone.append("a"))
    def a() -> None: ...

    @flows.step(undo=lambda: undone.append("before"))
    def before() -> None: ...

    @flows.workflow
    def whole(before: None, a: None) -> None:
        raise ValueError("the end")

    result = run(whole, registry=flows, backend=backend, config=ParallelConfig(max_concurrency=1))
    assert [str(error) for error in result.errors] == ["the end", where]
    assert undone == (["a", "before"] if where == "tear-down" else ["before"])
    assert undone_of(result)["a"] == "its undo failed"
