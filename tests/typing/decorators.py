"""What type checkers make of the decorators: the function's own type, and nothing less."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from datetime import timedelta
from functools import partial
from typing import Any, assert_type

from flowbuilder import (
    Context,
    FlowBuilder,
    ParallelConfig,
    Registry,
    Retry,
    Secret,
    StepResult,
    Until,
    WorkflowDefinition,
    provider,
    step,
    workflow,
)

flows = Registry()


@step
def rows(root: str, limit: int = 3) -> list[int]:
    return [limit] * len(root)


@step(retries=Retry(2, on=(OSError,)), timeout=timedelta(minutes=1), tags=("io",), each={"row": rows}, after=[rows])
async def fetch(row: int, *, ctx: Context) -> bytes:
    return bytes(row)


@step(until=Until(lambda result, previous: result == previous, every=0.5, limit=20), timeout=5)
def settled(previous: int | None = None) -> int:
    return previous or 0


async def is_up(result: bytes) -> bool:
    return bool(result)


def unbook(result: int, day: str) -> None: ...


@step(undo=unbook)
def book(day: str) -> int:
    return len(day)


@step(until=Until(is_up))
async def up(previous: bytes) -> bytes:
    return previous


@flows.step(needs={"data": "rows"}, when=lambda data: bool(data), on_error="continue", executor="process")
def total(data: list[int]) -> int:
    return sum(data)


@provider
def api(url: str = "") -> Iterator[str]:
    yield url


@provider(name="other")
async def other_api() -> AsyncIterator[str]:
    yield ""


@step
def load(token: Secret[str], pin: Secret[int] | None = None) -> str:
    assert_type(token, Secret[str])
    return token.reveal()


@workflow(priority=5, steps=[rows], config=ParallelConfig(max_concurrency=4))
def report(total: int, rows: StepResult[list[int]]) -> str:
    assert_type(rows.value, list[int])
    return str(total)


# A decorated function is called, and refused, as if there were no decorator.
assert_type(rows("a"), list[int])
assert_type(rows(root="a", limit=2), list[int])
assert_type(total([1]), int)
assert_type(settled(), int)
assert_type(book("today"), int)
assert_type(settled(3), int)
assert_type(api(), Iterator[str])
assert_type(other_api(), AsyncIterator[str])


assert_type(load(Secret("a")), str)
assert_type(Secret(5).reveal(), int)
wider: Secret[object] = Secret[str]("a")


async def awaited(ctx: Context) -> None:
    assert_type(await fetch(1, ctx=ctx), bytes)


coroutine: Callable[..., Coroutine[Any, Any, bytes]] = fetch
plain: Callable[[str, int], list[int]] = rows
made: partial[list[int]] = step(name="orders")(partial(rows, "orders"))

flow = FlowBuilder("etl").step(rows).parallel(total).then(fetch, each={"row": rows}).with_config(ParallelConfig())
assert_type(flow, FlowBuilder)
assert_type(flow.build(), WorkflowDefinition)
whole = FlowBuilder("whole").step(flow.build()).step(rows).step_if(total, rows, name="again", retries=1)
assert_type(whole.switch(rows, {1: total, "two": "again"}, fetch, name="chosen"), FlowBuilder)
