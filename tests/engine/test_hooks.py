"""Watching hooks: told in order, each thing once, on one thread."""

from __future__ import annotations

import threading
import time
from typing import Any

from flowbuilder import (
    FlowBuilder,
    RunResult,
    hookimpl,
    run,
)
from flowbuilder.runner import Backend
from flowbuilder.testing import Recorder
from tests.engine.endings import every_ending, small_flow


def test_every_step_and_item_ends_in_exactly_one_of_finish_error_and_skip(backend: Backend, recorder: Recorder) -> None:
    run(every_ending(), backend=backend, plugins=[recorder])

    assert {name: recorder.of(name) for name in recorder.runs[0].steps} == {
        "good": ["start good 1", "finish good"],
        "broken": ["start broken 1", "error broken failed"],
        "late": ["start late 1", "error late timed_out"],
        "flaky": ["start flaky 1", "retry flaky 1 OSError", "start flaky 2", "finish flaky"],
        "passed": ["skip passed its when was false"],
        "below": ["skip below broken failed"],
        "rescued": ["start rescued 1", "finish rescued"],
        "items": ["start items 1", "error items failed"],
        "repeated": [
            "start repeated 1",
            "repeat repeated 1",
            "start repeated 2",
            "finish repeated",
            "undo repeated",
        ],
    }
    assert recorder.of("items[0]") == ["start items[0] 1", "finish items[0]"]
    assert recorder.of("items[1]") == ["start items[1] 1", "error items[1] failed"]


def test_run_start_is_first_and_run_finish_last_and_before_run_returns(backend: Backend, recorder: Recorder) -> None:
    class Slow:
        @hookimpl
        def flowbuilder_run_finish(self, result: RunResult[Any]) -> None:
            time.sleep(0.05)
            finished.append(result)

    finished: list[RunResult[Any]] = []
    result = run(every_ending(), backend=backend, plugins=[recorder, Slow()])
    assert finished == [result]
    assert recorder.told[0] == "run_start endings"
    assert recorder.told[-1] == "run_finish endings failed"
    assert sum(line.startswith("run_") for line in recorder.told) == 2


def test_what_hooks_are_given_are_the_results_of_the_run(backend: Backend, recorder: Recorder) -> None:
    result = run(every_ending(), backend=backend, plugins=[recorder])

    assert recorder.runs == [result]
    for name in ("good", "broken", "late", "flaky", "items"):
        assert recorder.results[name] is result.steps[name]


def test_a_step_is_told_to_have_ended_before_what_needs_it_is_told_to_start(
    backend: Backend, recorder: Recorder
) -> None:
    flow = FlowBuilder("chain").step(lambda: 0, name="s0")
    for number in range(1, 200):
        flow.step(lambda above: above + 1, name=f"s{number}", needs={"above": f"s{number - 1}"})

    run(flow.build(), backend=backend, plugins=[recorder])
    expected = [line for number in range(200) for line in (f"start s{number} 1", f"finish s{number}")]
    assert recorder.told[1:-1] == expected


def test_all_hooks_of_a_run_are_called_on_one_thread_that_runs_nothing_else(backend: Backend) -> None:
    hooks, bodies = set[int](), {threading.get_ident()}

    class Where:
        @hookimpl
        def flowbuilder_run_start(self) -> None:
            hooks.add(threading.get_ident())

        @hookimpl
        def flowbuilder_step_start(self) -> None:
            hooks.add(threading.get_ident())

        @hookimpl
        def flowbuilder_step_finish(self) -> None:
            hooks.add(threading.get_ident())

        @hookimpl
        def flowbuilder_run_finish(self) -> None:
            hooks.add(threading.get_ident())

    async def looped(n: int) -> None:
        bodies.add(threading.get_ident())

    flow = FlowBuilder("where").step(looped, each={"n": [1, 2]})
    flow.step(lambda n: bodies.add(threading.get_ident()), name="plain", each={"n": [1, 2, 3]})
    run(flow.build(), backend=backend, plugins=[Where()])
    assert len(hooks) == 1
    assert not hooks & bodies


def test_hooks_are_called_one_at_a_time(backend: Backend) -> None:
    inside, most = [0], [0]

    class Counts:
        @hookimpl
        def flowbuilder_step_start(self) -> None:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            time.sleep(0.001)
            inside[0] -= 1

        flowbuilder_step_finish = flowbuilder_step_start

    flow = FlowBuilder("wide").step(lambda n: n, name="items", each={"n": list(range(30))}).build()
    run(flow, backend=backend, plugins=[Counts(), Counts()])
    assert most == [1]


def test_of_two_plugins_the_last_registered_hears_first(backend: Backend) -> None:
    heard: list[str] = []

    class Named:
        def __init__(self, name: str) -> None:
            self.name = name

        @hookimpl
        def flowbuilder_run_start(self) -> None:
            heard.append(self.name)

    run(small_flow(), backend=backend, plugins=[Named("first"), Named("second")])
    assert heard == ["second", "first"]


def test_tryfirst_and_trylast_are_kept() -> None:
    heard: list[str] = []

    class First:
        @hookimpl(tryfirst=True)
        def flowbuilder_run_start(self) -> None:
            heard.append("first")

    class Last:
        @hookimpl(trylast=True)
        def flowbuilder_run_start(self) -> None:
            heard.append("last")

    class Middle:
        @hookimpl
        def flowbuilder_run_start(self) -> None:
            heard.append("middle")

    run(small_flow(), plugins=[First(), Middle(), Last()])
    assert heard == ["first", "middle", "last"]
