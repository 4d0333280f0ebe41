"""flowbuilder_step_call: a generator that stands around each body and may act before, after and instead."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator
from typing import Any

import anyio
import pytest

from flowbuilder import Call, FlowBuilder, Section, Status, StepInfo, hookimpl, run
from flowbuilder.errors import PluginError, StepTimeoutError
from flowbuilder.runner import Backend
from tests.conftest import Collect

Wrapper = Generator[None, Any, Any]
KINDS = pytest.mark.parametrize("kind", ["thread", "inline", "loop"])


def flow_of(kind: str, value: object = "value", error: BaseException | None = None, **words: Any) -> Any:
    """Return a workflow with one step, "body", of some kind that returns a value or raises."""

    def plain() -> object:
        if error is not None:
            raise error
        return value

    async def looped() -> object:
        await anyio.sleep(0)
        return plain()

    body, executor = (looped, None) if kind == "loop" else (plain, kind)
    return FlowBuilder("wrapped").step(body, name="body", executor=executor, **words).build()


class Around:
    """A wrapper that says when it is entered and left."""

    def __init__(self, said: list[str], name: str = "around") -> None:
        self.said = said
        self.name = name

    @hookimpl
    def flowbuilder_step_call(self, step: StepInfo, call: Call) -> Wrapper:
        self.said.append(f"{self.name} enters {step.name} {call.attempt}")
        try:
            value = yield
        except BaseException as error:
            self.said.append(f"{self.name} sees {type(error).__name__}")
            raise
        self.said.append(f"{self.name} sees {value}")
        return value


@KINDS
def test_wrappers_stand_around_a_body_and_leave_in_reverse(backend: Backend, kind: str) -> None:
    said: list[str] = []
    result = run(flow_of(kind), backend=backend, plugins=[Around(said, "inner"), Around(said, "outer")])

    assert result.steps["body"].value == "value"
    assert said == ["outer enters body 1", "inner enters body 1", "inner sees value", "outer sees value"]


@KINDS
def test_wrappers_see_what_a_body_raises(backend: Backend, kind: str) -> None:
    said: list[str] = []
    error = SystemExit(3)
    result = run(flow_of(kind, error=error), backend=backend, plugins=[Around(said, "in"), Around(said, "out")])

    assert result.steps["body"].error is error
    assert said == ["out enters body 1", "in enters body 1", "in sees SystemExit", "out sees SystemExit"]


@KINDS
def test_a_wrapper_is_entered_for_each_attempt(backend: Backend, kind: str) -> None:
    said: list[str] = []
    run(flow_of(kind, error=OSError(), retries=1), backend=backend, plugins=[Around(said)])

    assert said == ["around enters body 1", "around sees OSError", "around enters body 2", "around sees OSError"]


@KINDS
def test_a_wrapper_that_raises_before_the_body_fails_the_attempt_without_running_it(
    backend: Backend, kind: str
) -> None:
    class Refuses:
        @hookimpl
        def flowbuilder_step_call(self) -> Wrapper:
            self.refuse()
            yield

        def refuse(self) -> None:
            raise PermissionError("not now")

    said: list[str] = []
    flow = flow_of(kind, error=AssertionError("the body ran"))
    result = run(flow, backend=backend, plugins=[Refuses(), Around(said)])
    assert result.steps["body"].status is Status.FAILED
    assert str(result.steps["body"].error) == "not now"
    assert said == ["around enters body 1", "around sees PermissionError"]


@KINDS
def test_a_wrapper_that_returns_a_value_replaces_what_the_body_gave(backend: Backend, kind: str) -> None:
    class Replaces:
        @hookimpl
        def flowbuilder_step_call(self) -> Wrapper:
            value = yield
            return f"another {value}"

    said: list[str] = []
    result = run(flow_of(kind), backend=backend, plugins=[Replaces(), Around(said)])
    assert result.steps["body"].value == "another value"
    assert said[-1] == "around sees another value"


@KINDS
def test_a_wrapper_that_returns_nothing_leaves_the_value_as_it_was(backend: Backend, kind: str) -> None:
    class Quiet:
        @hookimpl
        def flowbuilder_step_call(self) -> Wrapper:
            yield

    assert run(flow_of(kind), backend=backend, plugins=[Quiet()]).steps["body"].value == "value"


@KINDS
def test_a_wrapper_that_swallows_an_error_and_returns_a_value_settles_it(backend: Backend, kind: str) -> None:
    class Rescues:
        @hookimpl
        def flowbuilder_step_call(self) -> Wrapper:
            try:
                yield
            except ValueError:
                return "rescued"

    result = run(flow_of(kind, error=ValueError("no")), backend=backend, plugins=[Rescues()])
    assert result.steps["body"].value == "rescued"
    assert result.steps["body"].status is Status.SUCCESS


@KINDS
def test_a_wrapper_that_swallows_an_error_without_a_value_does_not_hide_it(backend: Backend, kind: str) -> None:
    class Swallows:
        @hookimpl
        def flowbuilder_step_call(self) -> Wrapper:
            with contextlib.suppress(ValueError):
                yield

    said: list[str] = []
    error = ValueError("no")
    result = run(flow_of(kind, error=error), backend=backend, plugins=[Swallows(), Around(said)])
    assert result.steps["body"].error is error
    assert said[-1] == "around sees ValueError"


@KINDS
@pytest.mark.parametrize("error", [None, ValueError("no")])
def test_a_wrapper_that_yields_twice_fails_the_step(backend: Backend, kind: str, error: ValueError | None) -> None:
    class Twice:
        @hookimpl
        def flowbuilder_step_call(self) -> Wrapper:
            with contextlib.suppress(ValueError):
                yield
            yield

    result = run(flow_of(kind, error=error), backend=backend, plugins=[Twice()])
    assert result.steps["body"].status is Status.FAILED
    assert "flowbuilder_step_call yielded twice" in str(result.steps["body"].error)


@KINDS
def test_a_wrapper_that_never_yields_fails_the_step_without_running_it(backend: Backend, kind: str) -> None:
    class Never:
        @hookimpl
        def flowbuilder_step_call(self, step: StepInfo) -> Wrapper:
            if step.name == "another":
                yield

    said: list[str] = []
    flow = flow_of(kind, error=AssertionError("the body ran"))
    result = run(flow, backend=backend, plugins=[Never(), Around(said)])
    assert result.steps["body"].status is Status.FAILED
    assert "flowbuilder_step_call did not yield" in str(result.steps["body"].error)
    assert said[0] == "around enters body 1"
    assert said[1].startswith("around sees")


@KINDS
def test_a_wrapper_that_raises_after_the_body_fails_the_step_with_its_own_error(backend: Backend, kind: str) -> None:
    class Breaks:
        @hookimpl
        def flowbuilder_step_call(self) -> Wrapper:
            yield
            raise LookupError("after the body")

    result = run(flow_of(kind), backend=backend, plugins=[Breaks()])
    assert isinstance(result.steps["body"].error, LookupError)


@KINDS
def test_a_wrapper_runs_in_the_thread_of_the_body(backend: Backend, kind: str) -> None:
    threads: list[int] = []

    class Where:
        @hookimpl
        def flowbuilder_step_call(self) -> Wrapper:
            threads.append(threading.get_ident())
            yield
            threads.append(threading.get_ident())

    def plain() -> None:
        threads.append(threading.get_ident())

    async def looped() -> None:
        threads.append(threading.get_ident())

    flow = FlowBuilder("where").step(looped if kind == "loop" else plain, executor=None if kind == "loop" else kind)
    run(flow.build(), backend=backend, plugins=[Where()]).raise_for_errors()
    assert len(threads) == 3
    assert len(set(threads)) == 1


@KINDS
def test_a_wrapper_sees_the_arguments_and_adds_sections_to_the_result(backend: Backend, kind: str) -> None:
    class Adds:
        @hookimpl
        def flowbuilder_step_call(self, call: Call) -> Wrapper:
            call.add_section("arguments", repr(dict(call.kwargs)))
            yield
            call.add_section("after", "done")

    def plain(n: int) -> int:
        return n

    async def looped(n: int) -> int:
        return n

    flow = FlowBuilder("adds").step(
        looped if kind == "loop" else plain, name="body", executor=None if kind == "loop" else kind
    )
    result = run(flow.build(), params={"n": 5}, backend=backend, plugins=[Adds()])
    assert result.steps["body"].sections == (Section("arguments", "{'n': 5}"), Section("after", "done"))


def test_sections_of_all_attempts_are_kept_in_order(backend: Backend) -> None:
    class Adds:
        @hookimpl
        def flowbuilder_step_call(self, call: Call) -> Wrapper:
            call.add_section("attempt", str(call.attempt))
            yield

    result = run(flow_of("thread", error=OSError(), retries=2), backend=backend, plugins=[Adds()])
    assert [part.text for part in result.steps["body"].sections] == ["1", "2", "3"]


def test_a_wrapper_sees_the_cancellation_of_a_time_out_and_cannot_make_it_a_success(backend: Backend) -> None:
    class Rescues:
        @hookimpl
        def flowbuilder_step_call(self) -> Wrapper:
            try:
                yield
            except BaseException:
                return "rescued"

    async def late() -> None:
        await anyio.sleep(30)

    result = run(FlowBuilder("late").step(late, timeout=0.05).build(), backend=backend, plugins=[Rescues()])
    assert result.steps["late"].status is Status.TIMED_OUT
    assert isinstance(result.steps["late"].error, StepTimeoutError)


def test_a_wrapper_stands_around_a_process_step_in_the_parent(collect: Collect, backend: Backend) -> None:
    flows = collect("""
        import os
        from flowbuilder import step

        @step(executor="process")
        def where(n: int) -> tuple[int, int]:
            return n, os.getpid()
    """)
    said: list[str] = []
    result = run("where", registry=flows, params={"n": 5}, backend=backend, plugins=[Around(said)])
    assert said == ["around enters where 1", f"around sees {result.value}"]


def test_a_wrapper_that_is_no_generator_is_refused() -> None:
    class Plain:
        @hookimpl
        def flowbuilder_step_call(self) -> None: ...

    with pytest.raises(PluginError, match="flowbuilder_step_call is a generator that yields once"):
        run(flow_of("thread"), plugins=[Plain()])


def test_text_that_comes_bit_by_bit_is_one_section(backend: Backend) -> None:
    class Writes:
        @hookimpl
        def flowbuilder_step_call(self, call: Call) -> Generator[None, Any, None]:
            call.write("diary", "dear ")
            call.add_section("time", "1 s")
            yield
            call.write("diary", "diary")

    result = run(FlowBuilder("one").step(lambda: 1, name="one").build(), plugins=[Writes()], backend=backend)
    assert result.steps["one"].sections == (Section("diary", "dear diary"), Section("time", "1 s"))
