"""Should the engine break, bodies that wait for what runs inside them end, and the run with its error."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import anyio
import pytest

from flowbuilder import Context, FlowBuilder, MemoryStore, run
from flowbuilder.engine.attempt import Attempt
from flowbuilder.engine.ending import Ending
from flowbuilder.engine.engine import Engine
from flowbuilder.engine.inner_ending import InnerEnding
from flowbuilder.engine.run import Run
from flowbuilder.runner import Backend


class Bug(Exception):
    """What the engine breaks with."""


async def later(n: int = 0) -> None:
    await anyio.sleep(0)


def plain(n: int = 0) -> None: ...


async def async_call(fn: Any, ctx: Context) -> None:
    await ctx.run(fn)


def thread_call(fn: Any, ctx: Context) -> None:
    ctx.run_sync(fn)


async def async_map(fn: Any, ctx: Context) -> None:
    await ctx.map(fn, range(3))


def thread_map(fn: Any, ctx: Context) -> None:
    ctx.map_sync(fn, range(3))


def deep_call(fn: Any, ctx: Context) -> None:
    ctx.run_sync(async_call, fn)


def breaks(*_: object) -> None:
    raise Bug


@pytest.mark.parametrize("fn", [later, plain])
@pytest.mark.parametrize("body", [async_call, thread_call, async_map, thread_map, deep_call])
def test_a_body_that_waits_ends_when_the_engine_breaks(
    body: Any, fn: Any, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(InnerEnding, "settle", breaks)
    flow = FlowBuilder("flow").step(body, name="crawl").build()
    with pytest.raises(Bug):
        run(flow, params={"fn": fn}, backend=backend)


@pytest.mark.parametrize(("owner", "name"), [(Ending, "settle"), (Run, "start")])
@pytest.mark.parametrize("is_kept", [False, True])
@pytest.mark.parametrize("fn", [later, plain])
def test_a_run_ends_when_the_engine_breaks_on_the_loop_or_in_a_thread(
    fn: Any, is_kept: bool, owner: type, name: str, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, breaks)
    flow = FlowBuilder("flow").step(fn, name="one").build()
    with closing(MemoryStore()) as store, pytest.raises(Bug):
        run(flow, backend=backend, store=store if is_kept else None)


def test_a_run_ends_when_what_is_written_cannot_begin(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Engine, "prepare", breaks)
    flow = FlowBuilder("flow").step(plain, name="one", idempotent=False).build()
    with closing(MemoryStore()) as store, pytest.raises(Bug):
        run(flow, backend=backend, store=store)


@pytest.mark.parametrize("fn", [later, plain])
@pytest.mark.parametrize("body", [async_call, thread_call, deep_call])
def test_a_body_that_waits_for_a_nested_run_ends_when_the_engine_breaks(
    body: Any, fn: Any, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle = Ending.settle

    def breaks_inside(self: Ending, attempt: Attempt) -> None:
        if self._info.parent is not None:
            raise Bug
        settle(self, attempt)

    monkeypatch.setattr(Ending, "settle", breaks_inside)
    inner = FlowBuilder("inner").step(fn, name="one").build()
    flow = FlowBuilder("flow").step(body, name="crawl").build()
    with pytest.raises(Bug):
        run(flow, params={"fn": inner}, backend=backend)
