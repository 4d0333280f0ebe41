"""Watching hooks: told in order, each thing once, on one thread, and unable to break or block a run."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from typing import Any

import anyio
import anyio.to_thread
import pytest

from flowbuilder import (
    Context,
    FlowBuilder,
    ParallelConfig,
    RunInfo,
    RunResult,
    StepInfo,
    StepResult,
    arun,
    hookimpl,
    run,
)
from flowbuilder.runner import Backend
from flowbuilder.testing import Recorder
from tests.conftest import InLoop


def small_flow() -> Any:
    return FlowBuilder("small").step(lambda: 1, name="one").step(lambda one: one + 1, name="two").build()


def every_ending() -> Any:
    """Return a workflow whose steps end in every way there is."""

    async def late() -> None:
        await anyio.sleep(30)

    def flaky(ctx: Context) -> int:
        if ctx.attempt == 1:
            raise OSError("not yet")
        return ctx.attempt

    flow = FlowBuilder("endings").step(lambda: 1, name="good").step(lambda: 1 / 0, name="broken")
    flow.step(late, timeout=0.05).step(flaky, retries=1).step(lambda: 1, name="passed", when=lambda: False)
    flow.step(lambda broken: broken, name="below").step(lambda: 1 / 0, name="rescued", on_error="continue")
    return flow.step(lambda n: 1 / n, name="items", each={"n": [1, 0]}).build()


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


# A hook that raises.

HOOKS = ("run_start", "step_start", "step_retry", "step_finish", "step_error", "step_skip", "run_finish")


def raising(hook: str, error: BaseException, calls: list[str]) -> Any:
    def raises(self: object) -> None:
        calls.append(hook)
        raise error

    def hears(self: object) -> None:
        calls.append("run_finish, and still hears")

    hooks = {f"flowbuilder_{hook}": hookimpl(raises)}
    if hook != "run_finish":
        hooks["flowbuilder_run_finish"] = hookimpl(hears)
    return type("Raising", (), hooks)()


@pytest.mark.parametrize("error", [ValueError("bad plugin"), SystemExit(9), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("hook", HOOKS)
def test_a_watcher_that_raises_is_logged_once_and_silenced_and_the_others_go_on(
    backend: Backend, recorder: Recorder, caplog: pytest.LogCaptureFixture, hook: str, error: BaseException
) -> None:
    calls: list[str] = []
    quiet = Recorder()
    result = run(every_ending(), backend=backend, plugins=[recorder, raising(hook, error, calls), quiet])

    assert calls == [hook]
    assert sorted(recorder.told) == sorted(quiet.told)
    assert recorder.told[-1] == "run_finish endings failed"
    (record,) = [one for one in caplog.records if one.name == "flowbuilder" and "failed in" in one.getMessage()]
    assert record.levelno == logging.ERROR
    assert f"failed in flowbuilder_{hook} and hears nothing more of this run" in record.getMessage()
    assert record.exc_info is not None
    assert record.exc_info[1] is error
    assert result.success_count == 3
    if hook != "run_finish":
        assert [failed for _, failed in result.plugin_failures] == [hook]
        assert any(f"failed in flowbuilder_{hook}" in note for note in result.notes)


def test_a_plugin_that_was_silenced_in_one_run_hears_the_next(backend: Backend) -> None:
    calls: list[str] = []
    plugin = raising("run_start", ValueError("bad plugin"), calls)
    for _ in range(2):
        run(small_flow(), backend=backend, plugins=[plugin])

    assert calls == ["run_start", "run_start"]


# A hook that is slow.


def test_no_new_step_starts_while_the_queue_of_hooks_is_long_and_nothing_deadlocks(backend: Backend) -> None:
    total, release = 12_000, threading.Event()
    started = [0]

    class Slow:
        def __init__(self) -> None:
            self.heard = 0

        @hookimpl
        def flowbuilder_step_finish(self) -> None:
            release.wait(20)
            self.heard += 1

    async def body(n: int) -> None:
        started[0] += 1

    def releases() -> None:
        seen = 0
        while not seen or seen != started[0]:
            seen = started[0]
            time.sleep(0.3)
        standing.append(seen)
        release.set()

    slow, standing = Slow(), list[int]()
    thread = threading.Thread(target=releases)
    thread.start()
    flow = FlowBuilder("wide").step(body, each={"n": "numbers"}).build()
    result = run(flow, params={"numbers": list(range(total))}, backend=backend, plugins=[slow])
    thread.join()
    assert 0 < standing[0] < total // 2
    assert result.steps["body"].raw_value == [None] * total
    assert slow.heard == total + 1


@pytest.mark.parametrize("kind", ["thread", "loop", "inline"])
def test_five_thousand_steps_with_a_watcher_that_is_slower_than_the_bodies_all_end(backend: Backend, kind: str) -> None:
    heard: list[str] = []

    class Slow:
        @hookimpl
        def flowbuilder_step_finish(self, step: StepInfo) -> None:
            heard.append(step.name)
            if len(heard) % 100 == 0:
                time.sleep(0.001)

    async def looped(n: int) -> int:
        return n

    def plain(n: int) -> int:
        return n

    flow = FlowBuilder("wide")
    flow.step(looped if kind == "loop" else plain, name="items", each={"n": "numbers"},
              executor=None if kind == "loop" else kind)  # fmt: skip
    run(flow.build(), params={"numbers": list(range(5_000))}, backend=backend, plugins=[Slow()]).raise_for_errors()
    assert len(heard) == 5_001


@pytest.mark.parametrize("hook", ["step_start", "run_finish"])
def test_a_hook_that_hangs_does_not_keep_a_cancelled_run_beyond_its_grace_period(in_loop: InLoop, hook: str) -> None:
    hanging, release = threading.Event(), threading.Event()

    def hangs(self: object) -> None:
        hanging.set()
        release.wait(30)

    async def looped() -> None:
        await anyio.sleep(30 if hook == "step_start" else 0)

    plugin = type("Hangs", (), {f"flowbuilder_{hook}": hookimpl(hangs)})()
    flow = FlowBuilder("hangs").step(looped).with_config(ParallelConfig(grace=0.2)).build()

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: arun(flow, plugins=[plugin]))
            await anyio.to_thread.run_sync(hanging.wait, 5)
            group.cancel_scope.cancel()

    started = time.monotonic()
    in_loop(main)
    took = time.monotonic() - started
    release.set()
    assert took < 5


def test_a_hook_may_run_a_workflow_of_its_own(backend: Backend) -> None:
    values: list[object] = []

    class Nested:
        @hookimpl
        def flowbuilder_step_finish(self, step: StepInfo) -> None:
            inner = FlowBuilder("inner").step(lambda: step.name, name="inner").build()
            values.append(run(inner, backend=backend).value)

    run(FlowBuilder("outer").step(lambda: 1, name="outer").build(), backend=backend, plugins=[Nested()])
    assert values == [{"inner": "outer"}]


# What a hook is given.


def test_a_hook_is_given_frozen_views() -> None:
    tried: list[type[BaseException]] = []

    def try_to(change: Callable[[], object]) -> None:
        try:
            change()
        except Exception as error:
            tried.append(type(error))

    class Meddles:
        @hookimpl
        def flowbuilder_run_start(self, run: RunInfo) -> None:
            try_to(lambda: setattr(run, "run_id", "mine"))
            try_to(lambda: run.params.update({"a": 1}))  # type: ignore[attr-defined]  # that is the point
            try_to(lambda: setattr(run.plan, "steps", ()))
            try_to(lambda: setattr(run.config, "fail_fast", True))

        @hookimpl
        def flowbuilder_step_finish(self, step: StepInfo, result: StepResult[Any]) -> None:
            try_to(lambda: setattr(step, "name", "mine"))
            try_to(lambda: setattr(step.definition, "retries", 9))
            try_to(lambda: setattr(result, "raw_value", "mine"))

    result = run(FlowBuilder("one").step(lambda: 1, name="one").build(), plugins=[Meddles()])
    assert tried == [FrozenInstanceError, AttributeError, *[FrozenInstanceError] * 5]
    assert result.value == {"one": 1}


def test_a_step_in_a_hook_has_its_definition_its_item_and_the_maps_total() -> None:
    seen: dict[str, tuple[str, int | None, int | None]] = {}

    class Hears:
        @hookimpl
        def flowbuilder_step_start(self, step: StepInfo) -> None:
            seen[step.name] = (step.definition.name, step.item, step.total)

    flow = FlowBuilder("seen").step(lambda n: n, name="items", each={"n": [5, 6]}).step(lambda: 1, name="one").build()
    run(flow, plugins=[Hears()])
    assert seen == {
        "items": ("items", None, 2),
        "items[0]": ("items", 0, None),
        "items[1]": ("items", 1, None),
        "one": ("one", None, None),
    }


def test_a_run_in_a_hook_has_its_plan_its_inputs_and_the_limits_it_runs_with() -> None:
    seen: list[RunInfo] = []

    class Hears:
        @hookimpl
        def flowbuilder_run_start(self, run: RunInfo) -> None:
            seen.append(run)

    flow = FlowBuilder("seen").step(lambda n: n, name="one").with_config(ParallelConfig(max_concurrency=3)).build()
    result = run(flow, params={"n": 5}, config=ParallelConfig(step_timeout=7), plugins=[Hears()])
    (info,) = seen
    assert (info.run_id, info.workflow, dict(info.params)) == (result.run_id, "seen", {"n": 5})
    assert (info.config.max_concurrency, info.config.step_timeout) == (3, 7)
    assert info.plan.batches == (("one",),)
    assert abs(info.started_at - time.time()) < 60


def test_the_hook_of_the_plan_may_stop_a_run_before_anything_starts(recorder: Recorder) -> None:
    class Refuses:
        @hookimpl
        def flowbuilder_plan(self, plan: Any) -> None:
            raise PermissionError(f"{plan.name} is not allowed")

    with pytest.raises(PermissionError, match="small is not allowed"):
        run(small_flow(), plugins=[Refuses(), recorder])
    assert recorder.told == []


def test_nobody_listening_costs_no_thread() -> None:
    names: list[str] = []

    def body() -> None:
        names.extend(thread.name for thread in threading.enumerate() if "hook" in thread.name)

    run(FlowBuilder("quiet").step(body).build()).raise_for_errors()
    assert names == []
    assert sys.exc_info() == (None, None, None)
