"""Providers: set up once a run, when first needed, and torn down in reverse whatever happens."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import AsyncIterator, Iterator

import anyio
import pytest

from flowbuilder import FlowBuilder, Registry, Status, run
from flowbuilder.errors import PlanError
from flowbuilder.runner import Backend
from flowbuilder.testing import Recorder


def test_the_four_kinds_of_providers_are_injected_by_name(backend: Backend) -> None:
    flows = Registry()

    @flows.provider
    def plain(base: str = "base") -> str:
        return f"plain on {base}"

    @flows.provider
    async def looped(plain: str) -> str:
        await anyio.sleep(0)
        return f"looped on {plain}"

    @flows.provider
    def generated(looped: str) -> Iterator[str]:
        yield f"generated on {looped}"

    @flows.provider(name="pool")
    async def async_generated(generated: str) -> AsyncIterator[str]:
        yield f"pool on {generated}"

    @flows.step
    def seen(pool: str, plain: str) -> tuple[str, str]:
        return pool, plain

    result = run(seen, registry=flows, params={"base": "rock"}, backend=backend)
    assert result.value == ("pool on generated on looped on plain on rock", "plain on rock")


def test_a_provider_is_set_up_once_for_many_users_at_once_and_torn_down_when_all_have_ended(backend: Backend) -> None:
    flows, said = Registry(), list[str]()

    @flows.provider
    def api() -> Iterator[list[str]]:
        said.append("up")
        time.sleep(0.01)
        yield said
        said.append("down")

    @flows.step(each={"n": list(range(20))})
    def plain(n: int, api: list[str]) -> None:
        api.append("used")

    @flows.step(each={"n": list(range(20))})
    async def looped(n: int, api: list[str]) -> None:
        api.append("used")

    flow = FlowBuilder("many").step(plain).step(looped).build()
    run(flow, registry=flows, backend=backend).raise_for_errors()
    assert said == ["up", *["used"] * 40, "down"]


def test_a_provider_is_set_up_again_for_the_next_run(backend: Backend) -> None:
    flows, made = Registry(), list[int]()

    @flows.provider
    def number() -> int:
        made.append(1)
        return len(made)

    @flows.step
    def seen(number: int) -> int:
        return number

    assert [run(seen, registry=flows, backend=backend).value for _ in range(2)] == [1, 2]


def test_a_provider_nobody_needs_is_never_set_up(backend: Backend) -> None:
    flows = Registry()

    @flows.provider
    def unused() -> str:
        raise AssertionError("nobody needs this")

    @flows.step(when=lambda: False)
    def skipped() -> None: ...

    @flows.step
    def seen() -> str:
        return "ran"

    flow = FlowBuilder("lazy").step(seen).step(skipped).build()
    assert run(flow, registry=flows, backend=backend).value == {"seen": "ran"}


def test_a_provider_of_a_step_that_failed_above_is_never_set_up(backend: Backend) -> None:
    flows, said = Registry(), list[str]()

    @flows.provider
    def api() -> str:
        said.append("up")
        return "api"

    @flows.step
    def broken() -> int:
        raise ValueError("no")

    @flows.step
    def below(broken: int, api: str) -> int:
        return broken

    run(below, registry=flows, backend=backend)
    assert said == []


def ordered(said: list[str]) -> Registry:
    """Return three providers, each on the one before, and a step "user" with the last."""
    flows = Registry()

    @flows.provider
    def first() -> Iterator[str]:
        said.append("first up")
        yield "first"
        said.append("first down")

    @flows.provider
    async def second(first: str) -> AsyncIterator[str]:
        said.append("second up")
        yield first
        await anyio.sleep(0)
        said.append("second down")

    @flows.provider
    def third(second: str) -> Iterator[str]:
        said.append("third up")
        yield second
        said.append("third down")

    return flows


ORDER = ["first up", "second up", "third up", "used", "third down", "second down", "first down"]


@pytest.mark.parametrize("how", ["success", "failure", "time-out", "exit"])
def test_providers_are_torn_down_in_reverse_however_a_step_ended(backend: Backend, how: str) -> None:
    said: list[str] = []
    flows = ordered(said)

    @flows.step(timeout=0.1 if how == "time-out" else None)
    async def user(third: str) -> None:
        said.append("used")
        if how == "failure":
            raise ValueError("no")
        if how == "exit":
            raise SystemExit(3)
        if how == "time-out":
            await anyio.sleep(30)

    result = run(user, registry=flows, backend=backend)
    assert said == ORDER
    expected = {"success": Status.SUCCESS, "time-out": Status.TIMED_OUT}.get(how, Status.FAILED)
    assert result.steps["user"].status is expected


def test_providers_are_torn_down_in_reverse_after_ctrl_c(backend: Backend) -> None:
    said: list[str] = []
    flows = ordered(said)

    @flows.step
    async def user(third: str) -> None:
        said.append("used")
        os.kill(os.getpid(), signal.SIGINT)
        await anyio.sleep(30)

    with pytest.raises(KeyboardInterrupt):
        run(user, registry=flows, backend=backend)
    assert said == ORDER


def test_providers_are_torn_down_before_run_finish_is_told(backend: Backend, recorder: Recorder) -> None:
    flows = Registry()

    @flows.provider
    def api() -> Iterator[str]:
        yield "api"
        time.sleep(0.02)
        recorder.told.append("down")

    @flows.step
    def user(api: str) -> None: ...

    run(FlowBuilder("whole").step(user).build(), registry=flows, backend=backend, plugins=[recorder])
    assert recorder.told[-2:] == ["down", "run_finish whole success"]


def test_a_provider_may_hold_a_scope_and_a_task_group_open_between_set_up_and_tear_down(backend: Backend) -> None:
    flows, said = Registry(), list[str]()

    async def serves() -> None:
        try:
            await anyio.sleep(30)
        finally:
            said.append("server down")

    @flows.provider
    async def server() -> AsyncIterator[str]:
        async with anyio.create_task_group() as group:
            group.start_soon(serves)
            with anyio.CancelScope():
                yield "server"
            group.cancel_scope.cancel()

    @flows.step
    async def user(server: str) -> str:
        await anyio.sleep(0)
        return f"used {server}"

    assert run(user, registry=flows, backend=backend).value == "used server"
    assert said == ["server down"]


def test_an_override_takes_the_place_of_a_provider_that_another_requests(backend: Backend) -> None:
    flows = Registry()

    @flows.provider
    def client() -> str:
        raise AssertionError("nobody needs this")

    @flows.provider
    def api(client: str) -> str:
        return f"api on {client}"

    @flows.step
    def user(api: str) -> str:
        return api

    assert run(user, registry=flows, overrides={client: "a fake"}, backend=backend).value == "api on a fake"


# What may not be asked for.


def test_a_provider_may_not_request_a_step_or_ctx() -> None:
    flows = Registry()

    @flows.step
    def rows() -> int:
        return 1

    @flows.provider
    def on_step(rows: int) -> int:
        return rows

    @flows.provider
    def on_ctx(ctx: object) -> object:
        return ctx

    for name in ("on_step", "on_ctx"):
        flow = FlowBuilder("wrong").step(
            (lambda on_step: on_step) if name == "on_step" else (lambda on_ctx: on_ctx), name="user"
        )
        with pytest.raises(PlanError, match=f"the provider '{name}' requests"):
            run(flow.build(), registry=flows)
