"""Providers: set up once a run, when first needed, and torn down in reverse whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator

import anyio
import anyio.lowlevel
import pytest

from flowbuilder import FlowBuilder, ParallelConfig, Registry, Status, arun, run
from flowbuilder.errors import PlanError
from flowbuilder.runner import Backend
from flowbuilder.testing import Recorder
from tests.conftest import InLoop


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

    @flows.step(timeout=0.1)
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


@pytest.mark.usefixtures("interruptible")
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


# Set-up that fails.


@pytest.mark.parametrize("kind", ["plain", "looped", "generated", "async_generated"])
def test_a_set_up_that_raises_fails_the_steps_that_need_it_and_no_other(
    backend: Backend, recorder: Recorder, kind: str
) -> None:
    flows, error = Registry(), ConnectionError("no route")

    @flows.provider
    def plain() -> str:
        raise error

    @flows.provider
    async def looped() -> str:
        raise error

    @flows.provider
    def generated() -> Iterator[str]:
        yield from plain()

    @flows.provider
    async def async_generated() -> AsyncIterator[str]:
        yield await looped()

    flow = FlowBuilder("set-up")
    body = {
        "plain": lambda plain: plain,
        "looped": lambda looped: looped,
        "generated": lambda generated: generated,
        "async_generated": lambda async_generated: async_generated,
    }[kind]
    flow.step(body, name="user").step(body, name="another").step(lambda user: user, name="below")
    flow.step(lambda: "ran", name="beside")
    result = run(flow.build(), registry=flows, backend=backend, plugins=[recorder])
    assert {name: str(step.status) for name, step in result.steps.items()} == {
        "user": "failed", "another": "failed", "below": "skipped", "beside": "success",
    }  # fmt: skip
    assert result.steps["user"].error is error
    assert recorder.of("user")[-1] == "error user failed"


def test_a_provider_on_one_that_failed_is_not_set_up_and_what_stands_is_torn_down(backend: Backend) -> None:
    flows, said = Registry(), list[str]()

    @flows.provider
    def stands() -> Iterator[str]:
        said.append("stands up")
        yield "stands"
        said.append("stands down")

    @flows.provider
    def broken(stands: str) -> str:
        raise ConnectionError("no route")

    @flows.provider
    def above(broken: str) -> Iterator[str]:
        said.append("above up")
        yield broken

    @flows.step
    def user(above: str) -> None: ...

    result = run(user, registry=flows, backend=backend)
    assert isinstance(result.steps["user"].error, ConnectionError)
    assert said == ["stands up", "stands down"]


def test_a_step_whose_provider_failed_may_be_rescued(backend: Backend) -> None:
    flows = Registry()

    @flows.provider
    def api() -> str:
        raise ConnectionError("no route")

    @flows.step(on_error=lambda error: f"without: {error}")
    def user(api: str) -> str:
        return api

    assert run(user, registry=flows, backend=backend).value == "without: no route"


EXITS = """
import sys
from flowbuilder import FlowBuilder, Registry, run

flows = Registry()

@flows.provider
def api():
    raise {"SystemExit": SystemExit, "KeyboardInterrupt": KeyboardInterrupt}[sys.argv[2]](3)

flow = FlowBuilder("exits").step(lambda api: api, name="user").step(lambda: 1, name="beside").build()
result = run(flow, registry=flows, backend=sys.argv[1])
print(*(f"{step.name} {step.status} {step.error!r}" for step in result.steps.values()), sep="\\n")
"""


@pytest.mark.parametrize("error", ["SystemExit", "KeyboardInterrupt"])
def test_a_set_up_that_exits_is_a_failure_of_the_steps_that_need_it(backend: Backend, error: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", EXITS, backend, error], capture_output=True, text=True, timeout=20, check=False
    )
    assert done.stdout == f"user failed {error}(3)\nbeside success None\n", done.stderr


# Generators that yield too little or too often.


def test_a_generator_that_does_not_yield_says_so_with_its_place(backend: Backend) -> None:
    flows = Registry()

    @flows.provider
    def never() -> Iterator[str]:
        yield from ()

    @flows.provider
    async def async_never() -> AsyncIterator[str]:
        for one in list[str]():
            yield one

    flow = FlowBuilder("never").step(lambda never: never, name="plain")
    flow.step(lambda async_never: async_never, name="looped")
    result = run(flow.build(), registry=flows, backend=backend)
    for step, name in (("plain", "never"), ("looped", "async_never")):
        error = str(result.steps[step].error)
        assert error.startswith(f"the provider {name!r} ({__file__}:")
        assert error.endswith(") did not yield")


def test_a_generator_that_yields_twice_says_so_with_its_place_and_fails_the_run(backend: Backend) -> None:
    flows, closed = Registry(), list[str]()

    @flows.provider
    def twice() -> Iterator[str]:
        try:
            yield "one"
            yield "two"
        finally:
            closed.append("twice")

    @flows.provider
    async def async_twice() -> AsyncIterator[str]:
        try:
            yield "one"
            yield "two"
        finally:
            closed.append("async_twice")

    flow = FlowBuilder("twice").step(lambda twice, async_twice: twice + async_twice, name="user").build()
    result = run(flow, registry=flows, backend=backend)
    assert result.steps["user"].value == "oneone"
    assert result.status is Status.FAILED
    assert sorted(closed) == ["async_twice", "twice"]
    texts = sorted(str(error) for error in result.errors)
    assert [text.split("(")[0] for text in texts] == ["the provider 'async_twice' ", "the provider 'twice' "]
    assert all(text.endswith(") yielded twice") for text in texts)


# Tear-down that fails.


def test_a_tear_down_that_raises_is_an_error_of_the_run_and_hides_nothing(backend: Backend, recorder: Recorder) -> None:
    flows, said = Registry(), list[str]()

    @flows.provider
    def first() -> Iterator[str]:
        yield "first"
        said.append("first down")

    @flows.provider
    def second(first: str) -> Iterator[str]:
        yield first
        raise OSError("cannot close")

    @flows.workflow
    def whole(second: str) -> str:
        return f"used {second}"

    result = run(whole, registry=flows, backend=backend, plugins=[recorder])
    assert said == ["first down"]
    assert result.steps["whole"].status is Status.SUCCESS
    assert result.value == "used first"
    assert result.status is Status.FAILED
    (error,) = result.errors
    assert str(error) == "cannot close"
    assert error.__notes__ == ["provider second, while it was torn down"]
    assert recorder.told[-1] == "run_finish whole failed"


def test_the_error_of_a_step_and_of_a_tear_down_are_both_told(backend: Backend) -> None:
    flows = Registry()

    @flows.provider
    async def api() -> AsyncIterator[str]:
        yield "api"
        raise OSError("cannot close")

    @flows.step
    def user(api: str) -> None:
        raise ValueError("the step")

    result = run(user, registry=flows, backend=backend)
    assert [str(error) for error in result.errors] == ["the step", "cannot close"]


def test_two_tear_downs_that_raise_are_both_told_the_last_set_up_first(backend: Backend) -> None:
    flows = Registry()

    @flows.provider
    def first() -> Iterator[str]:
        yield "first"
        raise OSError("first")

    @flows.provider
    def second(first: str) -> Iterator[str]:
        yield first
        raise OSError("second")

    @flows.step
    def user(second: str) -> None: ...

    result = run(user, registry=flows, backend=backend)
    assert sorted(str(error) for error in result.errors) == ["first", "second"]


# Set-up and tear-down that hang.


def test_an_async_set_up_that_hangs_is_cancelled_with_the_run(in_loop: InLoop, recorder: Recorder) -> None:
    flows, said = Registry(), list[str]()
    hanging = threading.Event()

    @flows.provider
    async def api() -> AsyncIterator[str]:
        try:
            hanging.set()
            await anyio.sleep(30)
        finally:
            said.append("cancelled")
        yield "api"

    @flows.step
    async def user(api: str) -> None: ...

    async def main() -> None:
        async with anyio.create_task_group() as group:
            flow = FlowBuilder("hangs").step(user).build()
            group.start_soon(lambda: arun(flow, registry=flows, plugins=[recorder]))
            await anyio.to_thread.run_sync(hanging.wait, 5)
            group.cancel_scope.cancel()

    started = time.monotonic()
    in_loop(main)
    assert time.monotonic() - started < 5
    assert said == ["cancelled"]
    assert recorder.runs[0].status is Status.CANCELLED


def test_a_set_up_in_a_thread_that_hangs_is_left_behind_after_the_grace_period_and_undone_when_it_ends(
    in_loop: InLoop, recorder: Recorder
) -> None:
    flows, release, hanging, undone = Registry(), threading.Event(), threading.Event(), threading.Event()

    @flows.provider
    def api() -> Iterator[str]:
        hanging.set()
        release.wait(30)
        try:
            yield "api"
        finally:
            undone.set()

    @flows.step
    async def user(api: str) -> None: ...

    async def main() -> None:
        async with anyio.create_task_group() as group:
            flow = FlowBuilder("hangs").step(user).with_config(ParallelConfig(grace=0.1)).build()
            group.start_soon(lambda: arun(flow, registry=flows, plugins=[recorder]))
            await anyio.to_thread.run_sync(hanging.wait, 5)
            group.cancel_scope.cancel()

    started = time.monotonic()
    in_loop(main)
    assert time.monotonic() - started < 5
    assert recorder.runs[0].status is Status.CANCELLED
    release.set()
    assert undone.wait(5)


@pytest.mark.parametrize("kind", ["plain", "looped"])
def test_a_tear_down_that_hangs_after_the_stop_is_left_behind_after_the_grace_period(
    in_loop: InLoop, recorder: Recorder, kind: str
) -> None:
    flows, release, running = Registry(), threading.Event(), threading.Event()

    @flows.provider
    def plain() -> Iterator[str]:
        yield "api"
        release.wait(30)

    @flows.provider
    async def looped() -> AsyncIterator[str]:
        yield "api"
        await anyio.sleep(30)

    @flows.step
    async def of_plain(plain: str) -> None:
        running.set()
        await anyio.sleep(30)

    @flows.step
    async def of_looped(looped: str) -> None:
        running.set()
        await anyio.sleep(30)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            flow = FlowBuilder("hangs").step(of_plain if kind == "plain" else of_looped)
            flow.with_config(ParallelConfig(grace=0.2))
            group.start_soon(lambda: arun(flow.build(), registry=flows, plugins=[recorder]))
            await anyio.to_thread.run_sync(running.wait, 5)
            group.cancel_scope.cancel()

    started = time.monotonic()
    in_loop(main)
    took = time.monotonic() - started
    release.set()
    assert took < 5
    (result,) = recorder.runs
    assert result.status is Status.CANCELLED
    assert any("it did not end within the grace period" in str(error) for error in result.errors)


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


@pytest.mark.parametrize("checkpoints", range(32))
def test_a_cancellation_at_any_checkpoint_of_a_set_up_ends_in_order(
    in_loop: InLoop, recorder: Recorder, checkpoints: int
) -> None:
    flows, said = Registry(), list[str]()

    @flows.provider
    async def first() -> AsyncIterator[str]:
        said.append("first up")
        for _ in range(10):
            await anyio.lowlevel.checkpoint()
        try:
            yield "first"
        finally:
            said.append("first down")

    @flows.provider
    async def server(first: str) -> AsyncIterator[str]:
        try:
            async with anyio.create_task_group():
                said.append("server up")
                yield "server"
        finally:
            said.append("server down")

    @flows.step
    async def user(server: str) -> None:
        await anyio.sleep(30)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: arun(FlowBuilder("one").step(user).build(), registry=flows, plugins=[recorder]))
            while not said:
                await anyio.lowlevel.checkpoint()
            for _ in range(checkpoints):
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()

    in_loop(main)
    assert said.count("server up") == said.count("server down")
    assert recorder.runs[0].status is Status.CANCELLED
    assert {str(step.status) for step in recorder.runs[0].steps.values()} <= {"cancelled", "skipped", "failed"}


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
