"""Nested runs: a body runs a whole workflow by ctx.run, on the loop and in threads."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import anyio
import pytest

from flowbuilder import (
    Context,
    FlowBuilder,
    ParallelConfig,
    Registry,
    RunInfo,
    RunResult,
    Status,
    StepInfo,
    StepResult,
    hookimpl,
    run,
)
from flowbuilder.errors import InnerStepError, InputError, NotRunError
from flowbuilder.results import InnerCounts
from flowbuilder.runner import Backend
from flowbuilder.testing import Recorder
from tests.conftest import Collect

ONE = ParallelConfig(max_concurrency=1)


flows = Registry()


@flows.step
def load(month: str, count: int = 2) -> list[str]:
    return [month] * count


@flows.workflow
async def sales(load: list[str]) -> str:
    await anyio.sleep(0)
    return "+".join(load)


@flows.step
def lost() -> None:
    raise ValueError("no such month")


@flows.workflow(name="sales of old")
def failing(lost: None) -> None: ...


def ran(body: Any, backend: Backend, *plugins: Any, **words: Any) -> StepResult[Any]:
    """Run a step alone, and return its result."""
    built = FlowBuilder("flow").step(body, name="crawl").build()
    return run(built, registry=flows, backend=backend, plugins=plugins, **words).steps["crawl"]


async def async_crawl(ctx: Context) -> Any:
    return await ctx.run(sales, month="jan"), await ctx.run(sales, month="feb", count=1)


def thread_crawl(ctx: Context) -> Any:
    return ctx.run_sync(sales, month="jan"), ctx.run_sync(sales, month="feb", count=1)


@pytest.mark.parametrize("body", [async_crawl, thread_crawl])
@pytest.mark.parametrize("config", [None, ONE])
def test_a_body_has_what_the_workflow_returns(body: Any, config: Any, backend: Backend) -> None:
    result = ran(body, backend, config=config)
    assert result.value == ("jan+jan", "feb")
    assert result.inner == InnerCounts(success=2)


def test_a_workflow_without_a_body_gives_the_values_of_its_last_steps(backend: Backend) -> None:
    built = FlowBuilder("etl").step(lambda: 1, name="a").step(lambda a: a + 1, name="b").build()

    async def crawl(ctx: Context) -> Any:
        return await ctx.run(built)

    assert ran(crawl, backend).value == {"b": 2}


@pytest.mark.parametrize("body", [async_crawl, thread_crawl])
def test_hooks_hear_of_a_run_that_knows_the_body_it_is_in(body: Any, backend: Backend) -> None:
    heard: list[str] = []

    class Names:
        @hookimpl
        def flowbuilder_run_start(self, run: RunInfo) -> None:
            heard.append(f"{run.workflow} in {run.parent.step.name if run.parent else None}: {run.path}")

        @hookimpl
        def flowbuilder_step_finish(self, run: RunInfo, step: StepInfo) -> None:
            heard.append(f"{run.root.workflow}: {run.full_name(step)}")

    ran(body, backend, Names(), config=ONE)
    assert heard == [
        "flow in None: flow",
        "sales in crawl: crawl/sales",
        "flow: crawl/sales.load",
        "flow: crawl/sales",
        "sales in crawl: crawl/sales~2",
        "flow: crawl/sales~2.load",
        "flow: crawl/sales~2",
        "flow: crawl",
    ]


def test_a_nested_run_is_told_from_its_start_to_its_end_while_the_body_waits(backend: Backend) -> None:
    recorder = Recorder()

    async def crawl(ctx: Context) -> Any:
        return await ctx.run(sales, month="jan")

    ran(crawl, backend, recorder, config=ONE)
    assert recorder.told == [
        "run_start flow",
        "start crawl 1",
        "run_start sales",
        "start load 1",
        "finish load",
        "start sales 1",
        "finish sales",
        "run_finish sales success",
        "finish crawl",
        "run_finish flow success",
    ]


def test_each_run_has_an_id_and_a_state_of_its_own(backend: Backend) -> None:
    found: list[Any] = []
    nested = Registry()

    @nested.workflow
    def inner(ctx: Context) -> None:
        found.append((ctx.run_id, dict(ctx.state)))

    async def crawl(ctx: Context) -> None:
        ctx.state["seen"] = 1
        await ctx.run(inner)
        found.append((ctx.run_id, dict(ctx.state)))

    ran(crawl, backend)
    assert found[0][0] != found[1][0]
    assert [state for _, state in found] == [{}, {"seen": 1}]


def test_providers_of_a_nested_run_are_torn_down_with_it(collect: Collect, backend: Backend) -> None:
    flows = collect("""
        from flowbuilder import provider, step, workflow

        told = []

        @provider
        def client():
            told.append("set up")
            yield "client"
            told.append("torn down")

        @workflow
        def fetch(client):
            told.append(client)

        @step
        async def crawl(ctx):
            await ctx.run(fetch)
            await ctx.run(fetch)
            return list(told)
    """)
    assert run("crawl", registry=flows, backend=backend).value == ["set up", "client", "torn down"] * 2


# Inputs.


def test_an_input_that_the_body_gives_no_value_has_that_of_the_run_around_it(backend: Backend) -> None:
    async def crawl(ctx: Context, month: str, count: int = 7) -> Any:
        return await ctx.run(sales), await ctx.run(sales, month="feb")

    assert ran(crawl, backend, params={"month": "jan"}).value == ("jan+jan", "feb+feb")
    assert ran(crawl, backend, params={"month": "jan", "count": 1}).value == ("jan", "feb")


def refused(body: Any, backend: Backend, error: type[Exception], **words: Any) -> Any:
    """Run a step that asks for what cannot be, see that nothing of it ran, and return its error."""
    recorder = Recorder()
    result = ran(body, backend, recorder, **words)
    assert isinstance(result.error, error)
    assert [line for line in recorder.told if line.startswith("run_start")] == ["run_start flow"]
    return result.error


def test_an_input_without_a_value_is_refused(backend: Backend) -> None:
    async def crawl(ctx: Context) -> Any:
        await ctx.run(sales)

    error = refused(crawl, backend, InputError)
    assert error.what == "'load' needs 'month', which is no step or provider in scope and an input without a value"
    assert error.hint == "pass it: month=…, or give it a default"


def test_a_value_for_no_input_is_refused(backend: Backend) -> None:
    def crawl(ctx: Context) -> Any:
        ctx.run_sync(sales, mont="jan")

    error = refused(crawl, backend, InputError)
    assert (error.what, error.hint) == ("there is no input named 'mont'", "did you mean 'month' or 'count'?")
    assert error.allowed == "month, count"


def test_a_value_for_a_step_is_refused(backend: Backend) -> None:
    async def crawl(ctx: Context) -> Any:
        await ctx.run(sales, load=["jan"], month="jan")

    error = refused(crawl, backend, InputError)
    assert error.what == "there is no input named 'load': it is a step or provider"
    assert error.hint == "a body gives a workflow the values of its inputs, and its steps run by themselves"


def test_a_value_of_the_wrong_type_is_refused(backend: Backend) -> None:
    async def crawl(ctx: Context) -> Any:
        await ctx.run(sales, month="jan", count="many")

    assert refused(crawl, backend, InputError).got == "'many' (str)"


def test_a_value_of_the_run_around_it_that_does_not_fit_is_refused(backend: Backend) -> None:
    async def crawl(ctx: Context, month: int) -> Any:
        await ctx.run(sales)

    error = refused(crawl, backend, InputError, params={"month": 1})
    assert (error.what, error.got) == ("the input 'month' must be str", "1 (int)")
    assert error.hint == "it has its value from the run around it; pass another: month=…"


def test_what_is_no_workflow_is_refused(backend: Backend) -> None:
    async def crawl(ctx: Context) -> Any:
        await ctx.run(FlowBuilder("sales"))  # type: ignore[call-overload]  # what is tested

    async def by_name(ctx: Context) -> Any:
        await ctx.run("sales")  # type: ignore[call-overload]  # as above

    assert refused(crawl, backend, InnerStepError).hint == "add .build()"
    error = refused(by_name, backend, InnerStepError)
    assert (error.what, error.got) == ("ctx runs functions and workflows", "'sales'")
    assert error.allowed == "a step, or any function; for ctx.run a workflow, too"


def test_values_by_place_are_refused(backend: Backend) -> None:
    async def crawl(ctx: Context) -> Any:
        await ctx.run(sales, "jan")

    error = refused(crawl, backend, InnerStepError)
    assert error.what == "the workflow 'sales' takes the values of its inputs by keyword"
    assert (error.got, error.hint) == ("1 positional", "ctx.run(sales, name=…)")


def test_a_workflow_is_not_mapped(backend: Backend) -> None:
    async def crawl(ctx: Context) -> Any:
        await ctx.map(sales, [["jan"]])

    error = refused(crawl, backend, InnerStepError)
    assert error.what == "ctx cannot map the workflow 'sales'"
    assert error.hint == "map a function that does ctx.run(sales, …)"


def test_what_maps_a_workflow_is_a_function(backend: Backend) -> None:
    async def month_of(month: str, ctx: Context) -> Any:
        return await ctx.run(sales, month=month)

    async def crawl(ctx: Context) -> Any:
        return await ctx.map(month_of, ["jan", "feb"])

    recorder = Recorder()
    assert ran(crawl, backend, recorder, config=ONE).value == ["jan+jan", "feb+feb"]
    assert recorder.told.count("run_finish sales success") == 2


def test_overrides_take_the_place_of_its_steps_too(backend: Backend) -> None:
    flows = Registry()

    @flows.step
    def rows() -> int:
        raise AssertionError

    @flows.workflow
    def inner(rows: int) -> int:
        return rows + 1

    @flows.workflow
    async def outer(rows: int, ctx: Context) -> Any:
        return rows, await ctx.run(inner)

    assert run(outer, registry=flows, overrides={rows: 1}, backend=backend).value == (1, 2)


# How it ends.


def test_a_failure_is_raised_where_the_body_waits_and_may_be_caught(backend: Backend) -> None:
    async def crawl(ctx: Context) -> str:
        with pytest.raises(ExceptionGroup) as caught:
            await ctx.run(failing)
        return str(caught.value.exceptions[0])

    result = ran(crawl, backend, config=ParallelConfig(fail_fast=True))
    assert (result.value, result.inner) == ("no such month", InnerCounts(failed=1))


@pytest.mark.parametrize("is_sync", [False, True])
def test_a_failure_that_is_not_caught_is_that_of_the_body(is_sync: bool, backend: Backend) -> None:
    async def crawl(ctx: Context) -> None:
        await ctx.run(failing)

    def plain_crawl(ctx: Context) -> None:
        ctx.run_sync(failing)

    error = ran(plain_crawl if is_sync else crawl, backend).error
    assert isinstance(error, ExceptionGroup)
    assert str(error).startswith("sales of old: 1 failed (")
    assert [str(one) for one in error.exceptions] == ["no such month"]
    assert error.exceptions[0].__notes__[0].startswith("step lost, attempt 1, run ")


def test_it_has_a_time_out_of_its_own(backend: Backend) -> None:
    flows, recorder = Registry(), Recorder()

    @flows.workflow(timeout=0.02)
    async def slow() -> None:
        await anyio.sleep_forever()

    async def crawl(ctx: Context) -> str:
        with pytest.raises(ExceptionGroup) as caught:
            await ctx.run(slow)
        return str(caught.value.exceptions[0])

    assert ran(crawl, backend, recorder).value == "slow timed out after 0.02 s"
    assert "run_finish slow timed_out" in recorder.told


def test_a_body_that_was_skipped_has_no_value(backend: Backend) -> None:
    @flows.step(when=lambda: False)
    def rows() -> int:
        return 1

    @flows.workflow
    def inner(rows: int) -> int:
        return rows

    async def crawl(ctx: Context) -> None:
        await ctx.run(inner)

    error = ran(crawl, backend).error
    assert isinstance(error, NotRunError)
    assert str(error) == "inner was skipped: rows was skipped: its when was false"


def test_its_failures_count_for_no_maximum_of_the_run_around_it(backend: Backend) -> None:
    async def crawl(ctx: Context) -> int:
        for _ in range(3):
            with suppress(ExceptionGroup):
                await ctx.run(failing)
        return 3

    assert ran(crawl, backend, config=ParallelConfig(max_failures=2)).value == 3


# Depth.


def test_a_workflow_that_runs_itself_ends_where_it_says_so(backend: Backend) -> None:
    flows = Registry()

    @flows.workflow
    async def count(n: int, ctx: Context) -> int:
        return 0 if not n else 1 + await ctx.run(count, n=n - 1)

    @flows.workflow
    def plain_count(n: int, ctx: Context) -> int:
        return 0 if not n else 1 + ctx.run_sync(plain_count, n=n - 1)

    for workflow in (count, plain_count):
        result: RunResult[Any] = run(workflow, params={"n": 12}, registry=flows, config=ONE, backend=backend)
        assert result.value == 12


def test_a_workflow_that_runs_itself_without_an_end_is_told_so(backend: Backend) -> None:
    flows = Registry()
    found: list[InnerStepError] = []

    @flows.workflow
    async def endless(ctx: Context) -> None:
        try:
            await ctx.run(endless)
        except InnerStepError as error:
            found.append(error)

    assert run(endless, registry=flows, config=ONE, backend=backend).status is Status.SUCCESS
    assert found[0].what == "more than 50 workflows would run inside one another"
    assert found[0].hint == "does one of them run itself without an end?"


def test_a_plugin_that_raises_in_a_nested_run_hears_nothing_more_of_the_whole(backend: Backend) -> None:
    heard: list[str] = []

    class Broken:
        @hookimpl
        def flowbuilder_step_finish(self, step: StepInfo) -> None:
            heard.append(step.name)
            if step.name == "load":
                raise ValueError

    built = FlowBuilder("flow").step(async_crawl, name="crawl").build()
    result = run(built, backend=backend, plugins=[Broken()], config=ONE)
    assert heard == ["load"]
    assert [hook for _, hook in result.plugin_failures] == ["step_finish"]
