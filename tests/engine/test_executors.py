"""executors(): a lane that a plugin brings, written against the public Protocol alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from flowbuilder import FlowBuilder, ParallelConfig, Registry, Status, hookimpl, run
from flowbuilder.engine.lanes.base import Source
from flowbuilder.errors import PluginError, UnknownNameError
from flowbuilder.runner import Backend
from flowbuilder.testing import Recorder


class SerialLane:
    """Runs one body after the other in a thread of its own."""

    enforces_timeouts = False

    def __init__(self, limit: int | None = None) -> None:
        self.limit = 1
        self._bell = threading.Semaphore(0)
        self._is_closed = False

    def start(self, source: Source, number: int, notify: Callable[[], None]) -> None:
        self._source = source
        self._number = number
        threading.Thread(target=self._serve, name="serial lane", daemon=True).start()

    def turn(self, group: object) -> None: ...

    def wake(self) -> None:
        self._bell.release()

    def cancel(self, attempts: Iterable[object]) -> None: ...

    def close(self) -> None:
        self._is_closed = True
        self._bell.release()

    def _serve(self) -> None:
        while self._bell.acquire() and not self._is_closed:
            attempt = self._source.take(self._number)
            while attempt is not None:
                attempt.execute()
                attempt = self._source.done(attempt, self._number)


class Serial:
    """A plugin that brings the executor "serial"."""

    @hookimpl
    def flowbuilder_executors(self) -> dict[str, Callable[[int | None], Any]]:
        return {"serial": SerialLane}


def test_a_step_runs_in_the_lane_of_a_plugin(backend: Backend, recorder: Recorder) -> None:
    flows = Registry()

    @flows.step(executor="serial")
    def where() -> str:
        return threading.current_thread().name

    @flows.workflow
    def whole(where: str) -> str:
        return where

    result = run(whole, registry=flows, backend=backend, plugins=[Serial(), recorder])
    assert result.value == "serial lane"
    assert recorder.of("where") == ["start where 1", "finish where"]


def test_the_lanes_own_limit_is_kept(backend: Backend) -> None:
    inside, most = [0], [0]

    def body(n: int) -> int:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        inside[0] -= 1
        return n

    flow = FlowBuilder("serial").step(body, each={"n": list(range(50))}, executor="serial").build()
    result = run(flow, backend=backend, plugins=[Serial()])
    assert result.value == {"body": list(range(50))}
    assert most == [1]


def test_a_failure_in_the_lane_of_a_plugin_is_a_failure_like_any_other(backend: Backend) -> None:
    flow = FlowBuilder("serial").step(lambda: 1 / 0, name="broken", executor="serial", retries=1).build()

    result = run(flow, backend=backend, plugins=[Serial()])
    assert result.steps["broken"].status is Status.FAILED
    assert result.steps["broken"].attempts == 2


def test_a_time_out_in_a_lane_that_cannot_enforce_it_is_honest(backend: Backend) -> None:
    release = threading.Event()
    flow = FlowBuilder("serial").step(lambda: release.wait(20), name="stuck", executor="serial", timeout=0.05).build()

    result = run(flow, backend=backend, plugins=[Serial()], config=ParallelConfig(grace=0.1))
    release.set()
    assert result.steps["stuck"].status is Status.TIMED_OUT


def test_an_unknown_executor_is_an_error_before_anything_runs(recorder: Recorder) -> None:
    flow = FlowBuilder("serial").step(lambda: 1, name="one", executor="serail").build()

    with pytest.raises(UnknownNameError) as caught:
        run(flow, plugins=[Serial(), recorder])
    assert "there is no executor named 'serail'" in str(caught.value)
    assert "did you mean 'serial'?" in str(caught.value)
    assert recorder.told == []


def test_an_executors_name_that_is_taken_is_refused() -> None:
    class Thread:
        @hookimpl
        def flowbuilder_executors(self) -> dict[str, Callable[[int | None], Any]]:
            return {"thread": SerialLane}

    flow = FlowBuilder("one").step(lambda: 1, name="one").build()
    with pytest.raises(PluginError, match="offers the executor 'thread', which FlowBuilder itself has already"):
        run(flow, plugins=[Thread()])


def test_an_undo_runs_in_the_lane_of_a_plugin_too(backend: Backend) -> None:
    threads: list[str] = []
    words: dict[str, Any] = {"executor": "serial", "undo": lambda: threads.append(threading.current_thread().name)}
    flow = FlowBuilder("undone").step(lambda: 1, name="a", **words).then(lambda: 1 / 0, name="b").build()

    run(flow, plugins=[Serial()], backend=backend)
    assert threads == ["serial lane"]
