"""What type checkers make of a run: its value has the type that the body returns, plain or async."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, assert_type

from flowbuilder import (
    Context,
    FlowBuilder,
    ParallelExecutor,
    ParallelResults,
    Plan,
    Registry,
    RunResult,
    StepResult,
    arun,
    run,
    step,
    workflow,
)


@step
def rows(root: str) -> list[int]:
    return [len(root)]


@step
async def fetch(url: str) -> int | None:
    return len(url) or None


@workflow
def report(rows: list[int]) -> dict[str, int]:
    return {"rows": len(rows)}


@workflow(priority=1)
async def later(rows: list[int]) -> int | None:
    return len(rows) or None


assert_type(run(report), RunResult[dict[str, int]])
assert_type(run(report, params={"root": "a"}, backend="trio").value, dict[str, int])
assert_type(run(later).value, int | None)
assert_type(run(rows, overrides={"x": 1}).raise_for_errors(), RunResult[list[int]])
assert_type(run(report).steps["rows"], StepResult[Any])
assert_type(run(report).steps["rows"].undone, bool)
assert_type(run(report).undone_count, int)

built = FlowBuilder("etl").step(rows).build()
assert_type(run(built), RunResult[Any])
assert_type(run("report", registry=Registry()), RunResult[Any])
assert_type(Registry().plan(report, {"root": "a"}), Plan)


async def inside(ctx: Context) -> None:
    assert_type(await arun(report), RunResult[dict[str, int]])
    assert_type((await arun(later)).value, int | None)
    assert_type((await arun(built)).value, Any)
    assert_type(await ParallelExecutor().execute([("one", rows)]), ParallelResults)
    assert_type(ctx.item, int | None)
    assert_type(await ctx.run(rows, "a"), list[int])
    assert_type(await ctx.run(report, root="a"), dict[str, int])
    assert_type(await ctx.run(later, root="a"), int | None)
    assert_type(await ctx.run(built, root="a"), Any)
    assert_type(await ctx.map(rows, ["a"]), list[list[int]])
    assert_type(await ctx.map(fetch, ["a"], limit=2), list[int | None])


def inside_plainly(ctx: Context) -> None:
    assert_type(ctx.run_sync(rows, root="a"), list[int])
    assert_type(ctx.run_sync(report, root="a"), dict[str, int])
    assert_type(ctx.run_sync(later, root="a"), int | None)
    assert_type(ctx.run_sync(built, root="a"), Any)
    assert_type(ctx.map_sync(rows, ("a" for _ in range(2))), list[list[int]])
    assert_type(ctx.map_sync(fetch, ["a"]), list[int | None])


awaitable: Coroutine[Any, Any, RunResult[int | None]] = arun(later)
