"""An undo that hangs, waits or is interrupted cannot keep its run from ending, and nothing of it is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import anyio
import pytest

from flowbuilder import FlowBuilder, ParallelConfig, Registry, Status, StepInfo, hookimpl, run
from flowbuilder.errors import StepTimeoutError
from flowbuilder.runner import Backend
from flowbuilder.testing import Recorder

SHORT = ParallelConfig(grace=0.1)


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """Return what a body or an undo that hangs waits for; it is let go after the test."""
    event = threading.Event()
    yield event
    event.set()


def fails() -> None:
    raise ValueError("the end")


def test_an_undo_that_hangs_in_a_thread_is_given_up_and_the_others_run(
    backend: Backend, recorder: Recorder, release: threading.Event
) -> None:
    undone: list[str] = []
    flow = FlowBuilder("hangs").step(lambda: 1, name="a", undo=lambda: undone.append("a"))
    flow.then(lambda: 1, name="b", undo=lambda: release.wait(30)).then(fails)
    result = run(flow.build(), config=SHORT, backend=backend, plugins=[recorder])

    assert undone == ["a"]
    assert str(result.errors[1]) == "the undo of b timed out after 0.1 s"
    assert result.notes == ("b was still being undone when its time was up",)
    assert recorder.told[-3:-1] == ["undo b StepTimeoutError", "undo a"]
    assert result.steps["b"].undone


def test_an_undo_that_hangs_on_the_loop_is_cancelled_and_cleans_up(backend: Backend) -> None:
    told: list[str] = []

    async def made() -> None: ...

    async def hangs() -> None:
        try:
            await anyio.sleep(600)
        finally:
            told.append("cleaned up")

    result = run(FlowBuilder("hangs").step(made, undo=hangs).then(fails).build(), config=SHORT, backend=backend)
    assert told == ["cleaned up"]
    assert [type(error) for error in result.errors] == [ValueError, StepTimeoutError]
    assert result.notes == ()


def test_an_async_undo_that_swallows_its_cancellation_is_left_behind(backend: Backend) -> None:
    async def made() -> None: ...

    async def stubborn() -> None:
        while True:
            try:
                await anyio.sleep(600)
            except BaseException:  # what a stubborn body does
                continue

    result = run(FlowBuilder("hangs").step(made, undo=stubborn).then(fails).build(), config=SHORT, backend=backend)
    assert str(result.errors[1]) == "the undo of made timed out after 0.1 s"
    assert result.notes == ("made was still being undone when its time was up",)


def test_an_undo_has_the_time_of_its_step_where_that_is_more_than_the_grace_period(backend: Backend) -> None:
    undone: list[str] = []

    def slow() -> None:
        time.sleep(0.2)
        undone.append("a")

    flow = FlowBuilder("slow").step(lambda: 1, name="a", timeout=20, undo=slow).then(fails).build()
    assert len(run(flow, config=SHORT, backend=backend).errors) == 1
    assert undone == ["a"]


def test_an_undo_that_was_given_up_hears_of_it(backend: Backend) -> None:
    heard = threading.Event()

    def patient(ctx: object) -> None:
        try:
            while True:
                time.sleep(0.001)
                ctx.check_cancelled()  # type: ignore[attr-defined]  # a Context
        finally:
            heard.set()

    run(FlowBuilder("hears").step(lambda: 1, name="a", undo=patient).then(fails).build(), config=SHORT, backend=backend)
    assert heard.wait(5)


def test_an_undo_does_not_take_the_stop_of_its_run_for_its_own(backend: Backend) -> None:
    undone: list[str] = []

    def undo(ctx: object) -> None:
        ctx.check_cancelled()  # type: ignore[attr-defined]  # a Context
        undone.append("a")

    flow = FlowBuilder("stopped").step(lambda: 1, name="a", undo=undo).then(fails).build()
    run(flow, config=ParallelConfig(fail_fast=True), backend=backend)
    assert undone == ["a"]


# Threads that overran.


def test_a_thread_that_overran_gets_the_grace_period_to_end_before_anything_is_undone(
    backend: Backend, release: threading.Event
) -> None:
    told: list[str] = []

    class Hears:
        @hookimpl
        def flowbuilder_step_error(self) -> None:
            release.set()

    def slow() -> None:
        release.wait(5)
        time.sleep(0.05)
        told.append("slow ended")

    flow = FlowBuilder("overran").step(lambda: 1, name="a", undo=lambda: told.append("a undone"))
    flow.step(slow, after=("a",), timeout=0.05)
    run(flow.build(), backend=backend, plugins=[Hears()])
    assert told == ["slow ended", "a undone"]


def test_with_one_slot_that_an_overdue_thread_holds_all_is_undone_in_the_end(
    backend: Backend, release: threading.Event
) -> None:
    undone: list[str] = []
    flow = FlowBuilder("overran").step(lambda: 1, name="a", undo=lambda: undone.append("a"))
    flow.step(lambda: release.wait(30), name="slow", after=("a",), timeout=0.05)
    config = ParallelConfig(max_concurrency=1, grace=0.1)

    result = run(flow.build(), config=config, backend=backend)
    assert undone == ["a"]
    assert result.notes == ("slow overran and its thread still runs",)


# Resources.


def test_an_undo_has_the_resources_of_its_step(backend: Backend) -> None:
    most, now, lock = list[int](), list[int](), threading.Lock()

    def undo() -> None:
        with lock:
            now.append(1)
            most.append(len(now))
        now.pop()

    flow = FlowBuilder("db").step(lambda n: n, name="rows", each={"n": [1, 2]}, resources={"db": 1}, undo=undo)
    flow.step(fails, after=("rows",), resources={"db": 1})
    result = run(flow.build(), config=ParallelConfig(resources={"db": 1}), backend=backend)
    assert most == [1, 1]
    assert len(result.errors) == 1


def test_an_undo_whose_resources_never_are_free_does_not_begin(
    backend: Backend, recorder: Recorder, release: threading.Event
) -> None:
    undone: list[str] = []
    flow = FlowBuilder("db").step(lambda: 1, name="a", resources={"db": 1}, undo=lambda: undone.append("a"))
    flow.step(lambda: release.wait(30), name="slow", after=("a",), timeout=0.05, resources={"db": 1})
    config = ParallelConfig(resources={"db": 1}, grace=0.1)

    result = run(flow.build(), config=config, backend=backend, plugins=[recorder])
    assert undone == []
    assert not result.steps["a"].undone
    assert str(result.errors[1]) == (
        "the undo of a timed out after 0.1 s, in which the resources of its step never were free"
    )
    assert recorder.told[-2] == "undo a StepTimeoutError"


# Interruptions.


def test_ctrl_c_has_nothing_undone(backend: Backend, recorder: Recorder) -> None:
    undone: list[str] = []

    async def interrupts() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await anyio.sleep(30)

    flow = FlowBuilder("stopped").step(lambda: 1, name="a", undo=lambda: undone.append("a")).then(interrupts).build()
    with pytest.raises(KeyboardInterrupt):
        run(flow, backend=backend, plugins=[recorder])
    assert undone == []
    assert recorder.runs[0].status is Status.CANCELLED
    assert recorder.runs[0].success_count == 1


def test_ctrl_c_after_a_failure_has_nothing_undone(backend: Backend, recorder: Recorder) -> None:
    undone: list[str] = []

    class Interrupts:
        @hookimpl
        def flowbuilder_step_error(self, step: StepInfo) -> None:
            if step.name == "fails":
                os.kill(os.getpid(), signal.SIGINT)

    flow = FlowBuilder("stopped").step(lambda: 1, name="a", undo=lambda: undone.append("a")).then(fails)
    flow.step(anyio.sleep_forever, name="slow")
    with pytest.raises(KeyboardInterrupt):
        run(flow.build(), backend=backend, plugins=[recorder, Interrupts()])
    assert undone == []
    assert recorder.runs[0].status is Status.CANCELLED


@pytest.mark.parametrize("kind", ["thread", "loop"])
def test_ctrl_c_while_a_run_is_undone_lets_that_undo_end_and_begins_no_other(
    backend: Backend, recorder: Recorder, kind: str
) -> None:
    undone: list[str] = []
    flow = FlowBuilder("undone")

    def interrupted() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)
        undone.append("last")

    async def interrupted_looped() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await anyio.sleep(0.1)
        undone.append("last")

    async def looped() -> None: ...

    for name in ("first", "second"):
        flow.then(lambda: 1, name=name, undo=lambda ctx: undone.append(ctx.step))
    if kind == "loop":
        flow.then(looped, name="last", undo=interrupted_looped)
    else:
        flow.then(lambda: 1, name="last", undo=interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(flow.then(fails).build(), backend=backend, plugins=[recorder])
    (result,) = recorder.runs
    assert undone == ["last"]
    assert [name for name, step in result.steps.items() if step.undone] == ["last"]
    assert result.notes == ("the run was interrupted before all was undone; not undone: second, first",)
    assert recorder.told.count("run_cancel undone SIGINT") == 1


@pytest.mark.parametrize("kind", ["thread", "loop"])
def test_after_ctrl_c_an_undo_that_hangs_has_the_grace_period(
    backend: Backend, recorder: Recorder, release: threading.Event, kind: str
) -> None:
    flows, told = Registry(), list[str]()

    @flows.provider
    def api() -> Iterator[int]:
        yield 1
        told.append("torn down")

    def hangs() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        release.wait(30)

    async def hangs_looped() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await anyio.sleep(600)

    @flows.step(timeout=600, undo=hangs)
    def thread(api: int) -> None: ...

    @flows.step(timeout=600, undo=hangs_looped)
    async def loop(api: int) -> None: ...

    flow = FlowBuilder("undone").step(loop if kind == "loop" else thread).then(fails).build()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run(flow, config=SHORT, registry=flows, backend=backend, plugins=[recorder])
    assert time.monotonic() - started < 5
    assert str(recorder.runs[0].errors[1]) == f"the undo of {kind} was interrupted"
    assert told == ["torn down"]


SECOND_SIGNAL = """
import sys, time
from flowbuilder import FlowBuilder, hookimpl, run

class Hears:
    @hookimpl
    def flowbuilder_run_cancel(self):
        print("stopping", flush=True)

def hangs():
    print("undoing", flush=True)
    time.sleep(600)

run(FlowBuilder("stuck").step(lambda: 1, name="a", undo=hangs).then(lambda: 1 / 0, name="b").build(),
    backend=sys.argv[1], plugins=[Hears()])
"""


def test_a_second_ctrl_c_ends_an_undo_at_once(backend: Backend) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SECOND_SIGNAL, backend], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"undoing\n"
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == b"stopping\n"
    time.sleep(0.1)  # the loop is on its way to sleep, where a signal wakes it
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)
    assert process.returncode == -signal.SIGTERM
