"""Providers with scope="step": made anew for each attempt, and torn down when its body has ended, whatever happens."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import pytest

from flowbuilder import Context, FlowBuilder, ParallelConfig, Registry, RunResult, Status, Until, arun, hookimpl, run
from flowbuilder.errors import DefinitionError, PlanError
from flowbuilder.runner import Backend
from flowbuilder.testing import Recorder
from tests.conftest import InLoop
from tests.engine.endings import assert_each_step_ended_once

ORDER = ["run up", "plain up", "looped up", "used", "looped down", "plain down", "run down"]


def ordered(said: list[str]) -> Registry:
    """Return providers each on the one before: of the run, of a step in a thread, of a step on the loop."""
    flows = Registry()

    @flows.provider
    def whole() -> Iterator[str]:
        said.append("run up")
        yield "whole"
        said.append("run down")

    @flows.provider(scope="step")
    def plain(whole: str) -> Iterator[str]:
        said.append("plain up")
        yield whole
        said.append("plain down")

    @flows.provider(scope="step")
    async def looped(plain: str) -> AsyncIterator[str]:
        # A scope that is entered and left in one task only.
        with anyio.CancelScope():
            said.append("looped up")
            yield plain
            await anyio.sleep(0)
            said.append("looped down")

    return flows


def counted(said: list[str]) -> Registry:
    """Return a registry with a provider ``number`` that counts how often it was made."""
    flows = Registry()

    @flows.provider(scope="step")
    def number() -> Iterator[int]:
        said.append("up")
        yield said.count("up")
        said.append("down")

    return flows


# How it ends.


@pytest.mark.parametrize("how", ["success", "failure", "time-out", "exit"])
@pytest.mark.parametrize("kind", ["plain", "looped"])
def test_it_is_torn_down_in_reverse_however_the_step_ended(
    backend: Backend, recorder: Recorder, how: str, kind: str
) -> None:
    said: list[str] = []
    flows = ordered(said)

    def end() -> None:
        said.append("used")
        if how == "failure":
            raise ValueError("no")
        if how == "exit":
            raise SystemExit(3)

    async def on_the_loop(looped: str) -> None:
        end()
        await anyio.sleep(30 if how == "time-out" else 0)

    def in_a_thread(looped: str, ctx: Context) -> None:
        end()
        while how == "time-out":
            ctx.check_cancelled()

    body = on_the_loop if kind == "looped" else in_a_thread
    flow = FlowBuilder("one").step(body, name="user", timeout=0.1 if how == "time-out" else None).build()
    result = run(flow, registry=flows, backend=backend, plugins=[recorder])
    assert said == ORDER
    expected = {"success": Status.SUCCESS, "time-out": Status.TIMED_OUT}.get(how, Status.FAILED)
    assert result.steps["user"].status is expected
    assert_each_step_ended_once(recorder)


@pytest.mark.parametrize("kind", ["plain", "looped"])
def test_it_is_torn_down_in_reverse_after_ctrl_c(backend: Backend, kind: str) -> None:
    said: list[str] = []
    flows = ordered(said)

    async def on_the_loop(looped: str) -> None:
        said.append("used")
        os.kill(os.getpid(), signal.SIGINT)
        await anyio.sleep(30)

    def in_a_thread(looped: str, ctx: Context) -> None:
        said.append("used")
        os.kill(os.getpid(), signal.SIGINT)
        while True:
            ctx.check_cancelled()

    with pytest.raises(KeyboardInterrupt):
        run(
            FlowBuilder("one").step(on_the_loop if kind == "looped" else in_a_thread).build(),
            registry=flows,
            backend=backend,
        )
    assert said == ORDER


def test_its_step_is_told_to_have_ended_when_it_is_torn_down(backend: Backend) -> None:
    said: list[str] = []
    flows = counted(said)

    class Watches:
        @hookimpl
        def flowbuilder_step_finish(self, step: Any) -> None:
            said.append(f"finish {step.name}")

    flows.step(name="first")(lambda number: number)
    flows.step(name="last")(lambda first, number: said.append("last"))
    run("last", registry=flows, backend=backend, plugins=[Watches()]).raise_for_errors()
    assert [one for one in said if one != "finish last"] == ["up", "down", "up", "last", "down"] or said.index(
        "finish first"
    ) > said.index("down")
    assert said.index("finish first") > said.index("down")


# When it is made.


def test_each_step_and_each_item_gets_its_own(backend: Backend) -> None:
    said: list[str] = []
    flows = counted(said)
    flows.step(name="one")(lambda number: number)
    flows.step(name="each", each={"n": [1, 2, 3]})(lambda n, number: number)
    flows.workflow(name="many", steps=["one", "each"])(lambda: None)
    result: RunResult[Any] = run("many", registry=flows, backend=backend).raise_for_errors()
    assert sorted([result.steps["one"].value, *result.steps["each"].value]) == [1, 2, 3, 4]
    assert (said.count("up"), said.count("down")) == (4, 4)


def test_each_attempt_gets_its_own(backend: Backend) -> None:
    said: list[str] = []
    flows = counted(said)

    @flows.step(retries=2)
    async def flaky(number: int) -> int:
        said.append("used")
        if number < 3:
            raise OSError("not yet")
        return number

    assert run(flaky, registry=flows, backend=backend).value == 3
    assert said == ["up", "used", "down"] * 3


def test_each_round_of_an_until_gets_its_own_and_its_predicate_may_use_it(backend: Backend) -> None:
    said: list[str] = []
    flows = counted(said)
    flows.step(name="poll", until=Until(lambda result, number: result == number == 2, every=0.0))(lambda number: number)
    assert run("poll", registry=flows, backend=backend).value == 2
    assert said == ["up", "down"] * 2


def test_what_several_request_in_one_attempt_is_made_once(backend: Backend) -> None:
    said: list[str] = []
    flows = counted(said)
    flows.provider(name="a", scope="step")(lambda number: number)
    flows.provider(name="b", scope="step")(lambda number, a: number)
    flows.step(name="user", when=lambda number: number)(lambda a, b, number: (a, b, number))
    assert run("user", registry=flows, backend=backend).value == (1, 1, 1)
    assert said == ["up", "down"]


def test_a_step_that_is_skipped_by_its_when_gives_back_what_the_when_needed(backend: Backend) -> None:
    said: list[str] = []
    flows = counted(said)
    flows.step(name="user", when=lambda number: number > 1)(lambda: 1)
    result = run("user", registry=flows, backend=backend)
    assert (result.steps["user"].status, said) == (Status.SKIPPED, ["up", "down"])


@pytest.mark.parametrize("is_async", [True, False])
def test_a_rescue_gets_its_own(backend: Backend, is_async: bool) -> None:
    said: list[str] = []
    flows = counted(said)

    def broken(number: int) -> int:
        raise ValueError(number)

    async def broken_async(number: int) -> int:
        raise ValueError(number)

    body: Any = broken_async if is_async else broken
    flows.step(name="user", on_error=lambda error, number: (error.args[0], number))(body)
    assert run("user", registry=flows, backend=backend).value == (1, 2)
    assert said == ["up", "down"] * 2


def test_a_rescue_alone_may_need_it(backend: Backend) -> None:
    said: list[str] = []
    flows = counted(said)
    flows.step(name="user", on_error=lambda number: number)(lambda: 1 / 0)
    assert run("user", registry=flows, backend=backend).value == 1
    assert said == ["up", "down"]


# Errors.


def test_a_set_up_that_raises_fails_the_step_and_tears_down_what_stands(backend: Backend) -> None:
    said: list[str] = []
    flows = ordered(said)
    flows.provider(name="broken", scope="step")(lambda looped: 1 / 0)
    flows.step(name="user")(lambda broken: said.append("used"))
    result = run("user", registry=flows, backend=backend)
    assert isinstance(result.steps["user"].error, ZeroDivisionError)
    assert said == [one for one in ORDER if one != "used"]


def test_a_set_up_that_raises_may_be_tried_again(backend: Backend) -> None:
    flows, tries = Registry(), list[int]()

    @flows.provider(scope="step")
    def session() -> int:
        tries.append(1)
        if len(tries) < 3:
            raise OSError("not yet")
        return len(tries)

    flows.step(name="user", retries=2)(lambda session: session)
    assert run("user", registry=flows, backend=backend).value == 3


def torn_down_with(error: BaseException) -> Registry:
    flows = Registry()

    @flows.provider(scope="step")
    def session() -> Iterator[str]:
        yield "session"
        raise error

    return flows


def test_a_tear_down_that_raises_fails_a_step_that_had_succeeded(backend: Backend, recorder: Recorder) -> None:
    error = OSError("disk full")
    flows = torn_down_with(error)
    flows.step(name="save")(lambda session: "saved")
    flows.step(name="tell")(lambda save: save)
    result = run("tell", registry=flows, backend=backend, plugins=[recorder])
    assert (result.steps["save"].status, result.steps["save"].error) == (Status.FAILED, error)
    assert result.steps["tell"].reason == "save failed"
    assert result.errors == (error,)
    assert error.__notes__ == [
        "provider session, while it was torn down",
        f"step save, attempt 1, run {result.run_id}",
    ]
    assert recorder.of("save") == ["start save 1", "error save failed"]


def test_a_tear_down_that_raises_may_be_tried_again_with_the_step(backend: Backend) -> None:
    flows, tries = Registry(), list[int]()

    @flows.provider(scope="step")
    async def session() -> AsyncIterator[int]:
        tries.append(1)
        yield len(tries)
        if len(tries) < 2:
            raise OSError("not yet")

    flows.step(name="save", retries=1)(lambda session: session)
    result = run("save", registry=flows, backend=backend)
    assert (result.value, result.errors) == (2, ())


def test_a_tear_down_that_raises_hides_no_error_of_the_step(backend: Backend) -> None:
    late, own = OSError("disk full"), ValueError("no")
    flows = torn_down_with(late)

    @flows.step
    def save(session: str) -> None:
        raise own

    result = run(save, registry=flows, backend=backend)
    assert result.steps["save"].error is own
    assert result.errors == (own, late)
    assert late.__notes__[-1] == f"step save, attempt 1, run {result.run_id}"


def test_two_tear_downs_that_raise_are_both_in_the_error(backend: Backend) -> None:
    first, second = OSError("first"), OSError("second")
    flows = torn_down_with(first)

    @flows.provider(scope="step")
    async def other() -> AsyncIterator[str]:
        yield "other"
        raise second

    flows.step(name="save")(lambda session, other: "saved")
    error = run("save", registry=flows, backend=backend).steps["save"].error
    assert isinstance(error, BaseExceptionGroup)
    assert error.exceptions == (first, second)


def test_a_generator_that_yields_twice_fails_the_step(backend: Backend) -> None:
    flows = Registry()

    @flows.provider(scope="step")
    def twice() -> Iterator[int]:
        yield 1
        yield 2

    flows.step(name="user")(lambda twice: twice)
    assert "yielded twice" in str(run("user", registry=flows, backend=backend).steps["user"].error)


# Time-outs.


def test_the_set_up_counts_within_the_time_out_and_is_cancelled_by_it(backend: Backend) -> None:
    flows, said = Registry(), list[str]()

    @flows.provider(scope="step")
    async def slow() -> AsyncIterator[int]:
        try:
            await anyio.sleep(30)
            yield 1
        finally:
            said.append("cancelled")

    flows.step(name="user", timeout=0.1)(lambda slow: said.append("used"))
    result = run("user", registry=flows, backend=backend)
    assert result.steps["user"].status is Status.TIMED_OUT
    assert str(result.steps["user"].error) == "user timed out after 0.1 s; its providers were still being set up"
    assert said == ["cancelled"]


def test_no_attempt_starts_before_a_set_up_that_overran_in_a_thread_has_ended(backend: Backend) -> None:
    flows, said, release = Registry(), list[str](), threading.Event()

    class Releases:
        @hookimpl
        def flowbuilder_step_retry(self) -> None:
            said.append("retry")
            release.set()

    @flows.provider(scope="step")
    def slow() -> Iterator[int]:
        said.append("up")
        release.wait(20)
        yield said.count("up")
        said.append("down")

    flows.step(name="user", timeout=0.2, retries=1)(lambda slow: slow)
    assert run("user", registry=flows, backend=backend, plugins=[Releases()]).value == 2
    assert said == ["up", "retry", "down", "up", "down"]


def test_the_tear_down_does_not_count_within_the_time_out(backend: Backend) -> None:
    flows, down = Registry(), threading.Event()

    @flows.provider(scope="step")
    def session() -> Iterator[str]:
        yield "session"
        down.wait(0.3)

    flows.step(name="user", timeout=0.2)(lambda session: session)
    assert run("user", registry=flows, backend=backend).value == "session"


def test_a_thread_that_overran_keeps_it_until_it_ends(backend: Backend) -> None:
    said: list[str] = []
    flows, release = counted(said), threading.Event()

    class Releases:
        @hookimpl
        def flowbuilder_step_error(self) -> None:
            said.append("timed out")
            release.set()

    def user(number: int) -> None:
        release.wait(20)
        said.append("body ended")

    flow = FlowBuilder("late").step(user, timeout=0.1).step(lambda ctx: _until_down(said, ctx), name="other").build()
    run(flow, registry=flows, backend=backend, plugins=[Releases()])
    assert said == ["up", "timed out", "body ended", "down"]


def _until_down(said: list[str], ctx: Context) -> None:
    while "down" not in said:
        ctx.check_cancelled()


def test_a_run_that_ends_before_an_overdue_thread_takes_down_what_is_on_the_loop(backend: Backend) -> None:
    said: list[str] = []
    flows, release = ordered(said), threading.Event()
    flows.step(name="user", timeout=0.1)(lambda looped: release.wait(20))
    result = run("user", registry=flows, backend=backend)
    assert (result.steps["user"].status, said) == (Status.TIMED_OUT, [one for one in ORDER if one != "used"])
    release.set()


def test_an_overdue_thread_that_outlives_its_run_takes_down_what_is_its_own(backend: Backend) -> None:
    flows, release, down = Registry(), threading.Event(), threading.Event()

    @flows.provider(scope="step")
    def session() -> Iterator[str]:
        yield "session"
        down.set()

    flows.step(name="user", timeout=0.1)(lambda session: release.wait(20))
    assert run("user", registry=flows, backend=backend).steps["user"].status is Status.TIMED_OUT
    assert not down.is_set()
    release.set()
    assert down.wait(5)


# In the thread of the body.


def test_a_plain_one_of_a_thread_step_lives_in_the_thread_of_the_body(backend: Backend) -> None:
    flows, threads = Registry(), list[int]()

    @flows.provider(scope="step")
    def below() -> Iterator[int]:
        threads.append(threading.get_ident())
        yield threading.get_ident()
        threads.append(threading.get_ident())

    flows.provider(name="session", scope="step")(lambda below: below)
    flows.step(name="user", when=lambda session: session == threading.get_ident())(
        lambda session: threading.get_ident()
    )
    mine = run("user", registry=flows, backend=backend).value
    assert threads == [mine, mine]


@pytest.mark.parametrize("executor", ["thread", "inline"])
def test_one_on_the_run_is_given_what_the_run_has(backend: Backend, executor: str) -> None:
    said: list[str] = []
    flows = ordered(said)
    flows.step(name="user", executor=executor)(lambda plain, whole: (plain, whole))
    assert run("user", registry=flows, backend=backend).value == ("whole", "whole")
    assert said == ["run up", "plain up", "plain down", "run down"]


def test_one_on_a_provider_of_the_run_that_failed_fails_with_its_error(backend: Backend) -> None:
    flows = Registry()
    flows.provider(name="broken")(lambda: 1 / 0)
    flows.provider(name="session", scope="step")(lambda broken: broken)
    flows.step(name="user", on_error=lambda session: session)(lambda session: session)
    error = run("user", registry=flows, backend=backend).steps["user"].error
    assert isinstance(error, ZeroDivisionError)


def test_a_body_is_not_called_when_the_set_up_in_its_thread_overran(backend: Backend) -> None:
    flows, said, release = Registry(), list[str](), threading.Event()

    class Releases:
        @hookimpl
        def flowbuilder_step_error(self) -> None:
            release.set()

    @flows.provider(scope="step")
    def slow() -> Iterator[int]:
        release.wait(20)
        yield 1
        said.append("down")

    flows.step(name="user", timeout=0.1)(lambda slow: said.append("used"))
    flows.step(name="other")(lambda ctx: _until_down(said, ctx))
    flows.workflow(name="both", steps=["user", "other"])(lambda: None)
    result: RunResult[Any] = run("both", registry=flows, backend=backend, plugins=[Releases()])
    assert (result.steps["user"].status, said) == (Status.TIMED_OUT, ["down"])


def test_a_tear_down_that_hangs_in_the_thread_is_given_up_after_the_grace_period(
    in_loop: InLoop, recorder: Recorder
) -> None:
    flows, release, hanging = Registry(), threading.Event(), threading.Event()

    @flows.provider(scope="step")
    def session() -> Iterator[str]:
        yield "session"
        hanging.set()
        release.wait(30)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            flow = FlowBuilder("hangs").step(lambda session: session, name="user")
            flow.with_config(ParallelConfig(grace=0.2))
            group.start_soon(lambda: arun(flow.build(), registry=flows, plugins=[recorder]))
            await anyio.to_thread.run_sync(hanging.wait, 5)
            group.cancel_scope.cancel()

    in_loop(main)
    release.set()
    (result,) = recorder.runs
    assert result.steps["user"].status is Status.CANCELLED
    assert any("still runs after 0.2 s" in note for note in result.notes)
    assert_each_step_ended_once(recorder)


# Stops.


@pytest.mark.parametrize("kind", ["plain", "looped"])
def test_a_tear_down_that_hangs_after_the_stop_is_left_behind_after_the_grace_period(
    in_loop: InLoop, recorder: Recorder, kind: str
) -> None:
    flows, release, running = Registry(), threading.Event(), threading.Event()

    @flows.provider(scope="step")
    def plain() -> Iterator[str]:
        yield "api"
        release.wait(30)

    @flows.provider(scope="step")
    async def looped() -> AsyncIterator[str]:
        yield "api"
        await anyio.sleep(30)

    async def of_plain(plain: str) -> None:
        running.set()
        await anyio.sleep(30)

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

    in_loop(main)
    release.set()
    (result,) = recorder.runs
    assert result.status is Status.CANCELLED
    assert any("it did not end within the grace period" in str(error) for error in result.errors)
    assert_each_step_ended_once(recorder)


def test_a_stop_begins_no_further_set_up(in_loop: InLoop) -> None:
    flows, said, hanging = Registry(), list[str](), threading.Event()

    @flows.provider(scope="step")
    async def first() -> AsyncIterator[str]:
        hanging.set()
        try:
            await anyio.sleep(30)
        finally:
            said.append("first cancelled")
        yield "first"

    flows.provider(name="second", scope="step")(lambda: said.append("second up"))
    flows.step(name="user")(lambda first, second: None)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: arun("user", registry=flows))
            await anyio.to_thread.run_sync(hanging.wait, 5)
            group.cancel_scope.cancel()

    in_loop(main)
    assert said == ["first cancelled"]


def test_fail_fast_tears_it_down(backend: Backend) -> None:
    said: list[str] = []
    flows, ready = counted(said), anyio.Event()

    async def user(number: int) -> None:
        ready.set()
        await anyio.sleep(30)

    async def broken() -> None:
        await ready.wait()
        raise ValueError("no")

    flow = FlowBuilder("fast").step(user).step(broken).with_config(ParallelConfig(fail_fast=True)).build()
    result = run(flow, registry=flows, backend=backend)
    assert (result.steps["user"].status, said) == (Status.CANCELLED, ["up", "down"])


# What is refused.


def test_one_of_the_run_cannot_request_one_of_a_step() -> None:
    flows = Registry()

    @flows.provider(scope="step")
    def session() -> str:
        return "session"

    @flows.provider
    def api(session: str) -> str:
        return session

    flows.step(name="user")(lambda api: api)
    with pytest.raises(PlanError) as caught:
        flows.plan("user")
    places = [f"{__file__}:{fn.__code__.co_firstlineno}" for fn in (session, api)]
    assert str(caught.value) == (
        f"the provider 'api' has scope=\"run\" and requests 'session' ({places[0]}), which has scope=\"step\""
        f' ({places[1]})\n  hint: it would outlive what it requests: give it scope="step", or \'session\' "run"'
    )


def test_a_scope_is_run_or_step() -> None:
    with pytest.raises(DefinitionError) as caught:
        Registry().provider(name="api", scope="steps")(lambda: 1)  # type: ignore[call-overload]  # that is the point
    assert (caught.value.what, caught.value.got) == ("scope= is unknown", "'steps'")
    assert caught.value.hint == "did you mean 'step'?"


def test_a_plan_shows_the_scope() -> None:
    said: list[str] = []
    flows = ordered(said)
    flows.step(name="user")(lambda looped: None)
    shown = flows.plan("user").explain()
    assert "providers\n  whole\n  plain  (scope step)\n      whole ← provider whole\n" in shown
