"""How steps and runs may end: what a body itself raises is a failure of its own, whatever it raises."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from flowbuilder import Context, FlowBuilder, ParallelConfig, Registry, Status, run
from flowbuilder.errors import StepCancelledError, StepTimeoutError
from flowbuilder.runner import Backend
from flowbuilder.testing import Recorder

OWN_ERRORS = [
    ValueError("no"),
    SystemExit(3),
    KeyboardInterrupt("mine"),
    GeneratorExit("mine"),
    asyncio.CancelledError("mine"),
    ExceptionGroup("several", [ValueError("one"), ValueError("two")]),
    BaseExceptionGroup("several", [KeyboardInterrupt(), ValueError("two")]),
    StepCancelledError("mine"),
]


def plain(error: BaseException) -> Callable[[], Any]:
    def broken() -> None:
        raise error

    return broken


def looped(error: BaseException) -> Callable[[], Any]:
    async def broken() -> None:
        await anyio.sleep(0)
        raise error

    return broken


@pytest.mark.parametrize("error", OWN_ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("kind", ["thread", "inline", "loop"])
def test_whatever_a_body_raises_is_a_failure_of_that_step_only(
    backend: Backend, recorder: Recorder, kind: str, error: BaseException
) -> None:
    flow = FlowBuilder("own")
    flow.step(looped(error) if kind == "loop" else plain(error), executor=None if kind == "loop" else kind)
    flow.step(lambda: "ran", name="thread").step(looped_value, name="loop").step(
        lambda thread, loop: thread + loop, name="after"
    )

    result = run(flow.build(), backend=backend, plugins=[recorder])
    assert result.steps["broken"].status is Status.FAILED
    assert result.steps["broken"].error is error
    assert result.steps["after"].value == "ranran"
    assert result.status is Status.FAILED
    assert recorder.of("broken") == ["start broken 1", "error broken failed"]


async def looped_value() -> str:
    await anyio.sleep(0.001)
    return "ran"


def test_a_body_that_cancels_its_own_loop_task_fails_alone() -> None:
    async def broken() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(30)

    flow = FlowBuilder("own").step(broken)
    for number in range(5):
        flow.step(looped_value, name=f"beside_{number}").step(
            looped_value, name=f"after_{number}", after=(f"beside_{number}",)
        )

    result = run(flow.build())
    assert result.steps["broken"].status is Status.FAILED
    assert isinstance(result.steps["broken"].error, asyncio.CancelledError)
    assert result.success_count == 10


@pytest.mark.parametrize("scope", [anyio.CancelScope, lambda: anyio.move_on_after(0.01)])
def test_a_body_may_cancel_a_scope_of_its_own(backend: Backend, scope: Callable[[], anyio.CancelScope]) -> None:
    async def gives_up() -> str:
        with scope() as own:
            own.cancel()
            await anyio.sleep(30)
        return "gave up"

    assert run(FlowBuilder("own").step(gives_up).build(), backend=backend).value == {"gives_up": "gave up"}


def test_a_failing_step_of_every_kind_leaves_the_others_alone(backend: Backend) -> None:
    flow = FlowBuilder("forty")
    for number in range(20):
        flow.step(plain(ValueError(number)), name=f"plain_{number}")
        flow.step(looped(ValueError(number)), name=f"looped_{number}")
        flow.step(lambda: "ran", name=f"good_{number}")

    result = run(flow.build(), backend=backend)
    assert (result.success_count, result.failed_count) == (20, 40)


# The status of a run: cancelled before failed before skipped before success.


def test_a_run_is_a_success_although_steps_beside_its_body_were_skipped(backend: Backend) -> None:
    flow = FlowBuilder("skips").step(lambda: 1, name="one", when=lambda: False).step(lambda: 2, name="two").build()

    assert run(flow, backend=backend).status is Status.SUCCESS


def test_a_run_is_skipped_if_its_body_was(backend: Backend) -> None:
    flows = Registry()

    @flows.step(when=lambda: False)
    def wanted() -> int:
        return 1

    @flows.workflow
    def whole(wanted: int) -> int:
        return wanted

    assert run(whole, registry=flows, backend=backend).status is Status.SKIPPED


def test_a_run_is_failed_rather_than_skipped_if_any_step_failed(backend: Backend) -> None:
    flows = Registry()

    @flows.step(when=lambda: False)
    def wanted() -> int:
        return 1

    @flows.step
    def broken() -> None:
        raise ValueError("no")

    @flows.workflow(steps=[broken])
    def whole(wanted: int) -> int:
        return wanted

    result = run(whole, registry=flows, backend=backend)
    assert result.steps["whole"].status is Status.SKIPPED
    assert result.status is Status.FAILED


def test_a_run_is_failed_if_a_step_timed_out_and_its_counts_say_so(backend: Backend) -> None:
    async def waits() -> None:
        await anyio.sleep(30)

    result = run(FlowBuilder("late").step(waits, timeout=0.05).build(), backend=backend)
    assert result.status is Status.FAILED
    assert (result.success_count, result.failed_count, result.skipped_count) == (0, 1, 0)


def test_a_step_cancelled_by_fail_fast_is_no_failure_of_its_own(backend: Backend, recorder: Recorder) -> None:
    started = threading.Event()

    async def waits() -> None:
        started.set()
        await anyio.sleep(30)

    def broken() -> None:
        started.wait(5)
        raise ValueError("the only error")

    flow = FlowBuilder("fast").step(waits).step(broken).build()
    result = run(flow, config=ParallelConfig(fail_fast=True), backend=backend, plugins=[recorder])
    assert result.status is Status.FAILED
    assert result.steps["waits"].status is Status.CANCELLED
    assert [str(error) for error in result.errors] == ["the only error"]
    assert (result.failed_count, result.count(Status.CANCELLED)) == (1, 1)
    assert recorder.of("waits") == ["start waits 1", "error waits cancelled"]


# Facts of a step's result.


def test_times_of_a_result_are_seconds_since_the_epoch_and_a_duration(backend: Backend) -> None:
    async def waits() -> None:
        await anyio.sleep(0.05)

    result = run(FlowBuilder("timed").step(waits).step(lambda waits: 1, name="below").build(), backend=backend)
    first, second = result.steps["waits"], result.steps["below"]
    assert first.started_at is not None
    assert second.started_at is not None
    assert first.duration is not None
    assert first.duration >= 0.045
    assert result.duration >= first.duration
    assert result.started_at - 0.01 <= first.started_at <= second.started_at - first.duration + 0.01


def test_a_step_that_raises_its_upstreams_time_out_has_failed_and_not_timed_out(backend: Backend) -> None:
    def again() -> None:
        raise StepTimeoutError("another step", 3.0)

    async def again_on_loop() -> None:
        raise StepTimeoutError("another step", 3.0)

    flow = FlowBuilder("re-raised").step(again).step(again_on_loop).build()
    result = run(flow, backend=backend)
    assert [step.status for step in result.steps.values()] == [Status.FAILED, Status.FAILED]


@pytest.mark.parametrize("executor", ["thread", "inline"])
def test_a_plain_step_that_returns_a_coroutine_has_failed(backend: Backend, executor: str) -> None:
    async def fetch() -> int:
        return 1

    def page() -> Any:
        return fetch()

    result = run(FlowBuilder("odd").step(page, executor=executor).build(), backend=backend).steps["page"]
    assert result.status is Status.FAILED
    assert repr(result.error) == (
        "TypeError('this plain def returned a coroutine, which nobody awaits; make the step async def')"
    )


def test_an_async_step_that_returns_what_it_should_have_awaited_has_failed(backend: Backend) -> None:
    def one() -> int:
        return 1

    async def forgets(ctx: Context) -> Any:
        return ctx.run(one)

    async def forgets_at_times(ctx: Context) -> Any:
        return ctx.map(abs, [])

    flow = FlowBuilder("odd").step(forgets).step(forgets_at_times, when=lambda: True)
    steps = run(flow.build(), backend=backend).steps.values()
    assert [repr(step.error) for step in steps] == [
        "TypeError('this async def returned a coroutine, which nobody awaits; write return await')"
    ] * 2
