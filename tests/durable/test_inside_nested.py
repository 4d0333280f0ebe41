"""A nested run that succeeded in a body that had not ended is not done again when its run goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from flowbuilder import Context, FlowBuilder, InnerCounts, RunResult, Status, run, step, workflow
from flowbuilder.runner import Backend
from flowbuilder.store.memory import MemoryStore
from flowbuilder.store.rows import RunQuery
from flowbuilder.testing import Recorder

ran: list[str] = []
broken: set[str] = set()


@pytest.fixture(autouse=True)
def nothing_ran() -> Iterator[None]:
    yield
    ran.clear()
    broken.clear()


def again() -> list[str]:
    """Return what ran since the last time this was asked."""
    found = sorted(ran)
    ran.clear()
    return found


def work(name: str) -> str:
    ran.append(name)
    if name in broken:
        raise ValueError(name)
    return name


@step
def rows_of(month: str) -> str:
    return work(f"rows {month}")


@workflow
def sales_of(rows_of: str) -> str:
    return work(f"sales of {rows_of}")


@workflow
async def year_of(month: str, ctx: Context) -> str:
    return month + await ctx.run(sales_of)


async def in_the_loop(ctx: Context) -> list[str]:
    found = [await ctx.run(sales_of, month=month) for month in ("jan", "feb")]
    return [*found, work("end")]


def in_a_thread(ctx: Context) -> list[str]:
    found = [ctx.run_sync(sales_of, month=month) for month in ("jan", "feb")]
    return [*found, work("end")]


def resumed(store: MemoryStore, flow: Any, backend: Backend, **words: Any) -> RunResult[Any]:
    (row,) = store.runs(RunQuery())
    return run(flow, store=store, resume=row.run_id, backend=backend, **words)


@pytest.mark.parametrize("body", [in_the_loop, in_a_thread])
def test_one_that_succeeded_is_not_run_again(body: Any, store: MemoryStore, backend: Backend) -> None:
    flow, recorder = FlowBuilder("flow").step(body, name="crawl").build(), Recorder()
    broken.add("rows feb")
    assert run(flow, store=store, backend=backend).status is Status.FAILED
    assert again() == ["rows feb", "rows jan", "sales of rows jan"]
    broken.clear()
    result = resumed(store, flow, backend, plugins=[recorder])
    assert result.steps["crawl"].value == ["sales of rows jan", "sales of rows feb", "end"]
    assert (again(), result.steps["crawl"].inner) == (["end", "rows feb", "sales of rows feb"], InnerCounts(success=2))
    assert recorder.told.count("run_start sales_of") == 1
    assert store.inner(result.run_id) == []


def test_its_value_stands_when_the_body_hears_of_it(store: MemoryStore, backend: Backend) -> None:
    seen: list[int] = []

    async def crawl(ctx: Context) -> None:
        await ctx.run(sales_of, month="jan")
        seen.append(len(store.inner(ctx.run_id)))

    run(FlowBuilder("flow").step(crawl).build(), store=store, backend=backend).raise_for_errors()
    assert seen == [1]


def test_one_that_was_made_while_the_program_ran_is_run_again(store: MemoryStore, backend: Backend) -> None:
    async def crawl(ctx: Context) -> None:
        await ctx.run(FlowBuilder("made").step(lambda: work("made"), name="one").build())
        work("end")

    flow = FlowBuilder("flow").step(crawl).build()
    broken.add("end")
    run(flow, store=store, backend=backend)
    broken.clear()
    assert resumed(store, flow, backend).status is Status.SUCCESS
    assert again() == ["end", "end", "made", "made"]


def test_a_nested_run_in_a_nested_run_is_kept_with_that_alone(store: MemoryStore, backend: Backend) -> None:
    async def crawl(ctx: Context) -> None:
        await ctx.run(year_of, month="jan")
        work("end")

    flow = FlowBuilder("flow").step(crawl).build()
    broken.add("end")
    run(flow, store=store, backend=backend)
    (row,) = store.runs(RunQuery())
    assert [one.name for one in store.inner(row.run_id)] == ["year_of"]
    broken.clear()
    again()
    assert resumed(store, flow, backend).status is Status.SUCCESS
    assert again() == ["end"]


def test_it_is_said_that_a_step_in_it_that_must_not_be_repeated_may_be(store: MemoryStore, backend: Backend) -> None:
    async def crawl(ctx: Context) -> None:
        await ctx.run(FlowBuilder("made").step(lambda: 1, name="pay", idempotent=False).build())

    result = run(FlowBuilder("flow").step(crawl).build(), store=store, backend=backend)
    said = "idempotent=False does nothing in this run, which is run again from its start if it does not succeed"
    assert result.notes == (f"made: {said}",)
