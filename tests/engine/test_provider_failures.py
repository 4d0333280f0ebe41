"""Providers that raise, exit, or yield too little or too often: told, and hiding nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import pytest

from flowbuilder import FlowBuilder, Registry, Status, run
from flowbuilder.runner import Backend
from flowbuilder.testing import Recorder

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
