"""What a failure does below and beside it, and how on_error and StepResult take it up."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from flowbuilder import Context, FlowBuilder, Registry, Retry, Status, StepResult, run
from flowbuilder.runner import Backend
from flowbuilder.testing import Recorder


def test_a_failure_skips_everything_below_it_defaults_or_not_and_nothing_beside_it(backend: Backend) -> None:
    flows = Registry()

    @flows.step
    def broken() -> int:
        raise ValueError("no")

    @flows.step
    def below(broken: int) -> int:
        return broken

    @flows.step
    async def with_default(broken: int = 7) -> int:
        return broken

    @flows.step
    def further(below: int) -> int:
        return below

    @flows.step
    def beside() -> str:
        return "ran"

    flow = FlowBuilder("tree").step(further).step(with_default).step(beside).build()
    result = run(flow, registry=flows, backend=backend)
    reasons = {name: step.reason for name, step in result.steps.items() if step.status is Status.SKIPPED}
    assert reasons == dict.fromkeys(("below", "with_default", "further"), "broken failed")
    assert result.steps["beside"].value == "ran"


def test_a_time_out_skips_below_like_a_failure(backend: Backend) -> None:
    async def waits() -> int:
        await anyio.sleep(30)
        return 1

    flow = FlowBuilder("late").step(waits, timeout=0.05).step(lambda waits=1: waits, name="below").build()
    result = run(flow, backend=backend)
    assert result.steps["waits"].status is Status.TIMED_OUT
    assert result.steps["below"].reason == "waits timed out"


def test_fifty_failures_beside_each_other_are_fifty_errors(backend: Backend) -> None:
    async def broken(n: int) -> None:
        await anyio.sleep(0.001 * (n % 5))
        raise ValueError(n)

    result = run(FlowBuilder("many").step(broken, each={"n": list(range(50))}).build(), backend=backend)
    assert sorted(str(error) for error in result.errors) == sorted(str(n) for n in range(50))


# StepResult.


@pytest.mark.parametrize("how", ["success", "failed", "timed_out"])
def test_a_step_result_parameter_joins_in_every_status(backend: Backend, how: str) -> None:
    flows = Registry()

    @flows.step(timeout=0.05 if how == "timed_out" else None)
    async def source() -> int:
        if how == "failed":
            raise ValueError("no")
        if how == "timed_out":
            await anyio.sleep(30)
        return 1

    @flows.step
    def seen(source: StepResult[int]) -> tuple[str, str]:
        return source.name, str(source.status)

    result = run(seen, registry=flows, backend=backend)
    assert result.steps["seen"].value == ("source", how)


def test_a_step_result_parameter_sees_a_skip_below_a_failure(backend: Backend) -> None:
    flows = Registry()

    @flows.step
    def broken() -> int:
        raise ValueError("no")

    @flows.step
    def below(broken: int) -> int:
        return broken

    @flows.step
    def notify(below: StepResult[int]) -> str:
        return f"{below.status}: {below.reason}"

    assert run(notify, registry=flows, backend=backend).steps["notify"].value == "skipped: broken failed"


def test_a_step_results_value_raises_the_steps_own_error(backend: Backend) -> None:
    flows = Registry()

    @flows.step
    def broken() -> int:
        raise ValueError("the reason")

    @flows.step
    def below(broken: StepResult[int]) -> int:
        return broken.value

    result = run(below, registry=flows, backend=backend)
    assert result.steps["below"].status is Status.FAILED
    assert result.steps["below"].error is result.steps["broken"].error


def test_a_run_whose_body_joined_a_failure_has_a_value_and_is_still_failed(backend: Backend) -> None:
    flows = Registry()

    @flows.step
    def broken() -> int:
        raise ValueError("no")

    @flows.workflow
    def whole(broken: StepResult[int]) -> str:
        return f"broken {broken.status}"

    result = run(whole, registry=flows, backend=backend)
    assert result.status is Status.FAILED
    assert result.value == "broken failed"
    with pytest.raises(ExceptionGroup):
        result.raise_for_errors()


# on_error.


def test_continue_gives_none_and_keeps_the_error(backend: Backend, recorder: Recorder) -> None:
    flow = FlowBuilder("go on").step(lambda: 1 / 0, name="broken", on_error="continue")
    flow.step(lambda broken: f"got {broken}", name="below")

    result = run(flow.build(), backend=backend, plugins=[recorder])
    assert result.value == {"below": "got None"}
    assert result.status is Status.SUCCESS
    assert result.steps["broken"].status is Status.SUCCESS
    assert isinstance(result.steps["broken"].error, ZeroDivisionError)
    assert result.errors == ()
    assert recorder.of("broken") == ["start broken 1", "finish broken"]


def test_a_rescue_takes_the_error_and_what_a_step_takes(backend: Backend) -> None:
    flows = Registry()

    @flows.provider
    def api() -> str:
        return "api"

    @flows.step
    def fallback() -> int:
        return 9

    def rescue(error: BaseException, n: int, fallback: int, api: str, ctx: Context) -> tuple[str, int, int, str, str]:
        return str(error), n, fallback, api, ctx.step

    @flows.step(on_error=rescue)
    def broken(n: int) -> object:
        raise ValueError("the reason")

    result = run(broken, registry=flows, params={"n": 3}, backend=backend)
    assert result.value == ("the reason", 3, 9, "api", "broken")
    assert isinstance(result.steps["broken"].error, ValueError)
    assert result.success_count == 2


def test_an_async_step_may_have_an_async_rescue(backend: Backend) -> None:
    async def broken() -> str:
        raise ValueError("no")

    async def rescue(error: BaseException) -> str:
        await anyio.sleep(0)
        return f"rescued from {error}"

    flow = FlowBuilder("async").step(broken, on_error=rescue).build()
    assert run(flow, backend=backend).value == {"broken": "rescued from no"}


def test_a_rescue_comes_after_the_last_retry(backend: Backend, recorder: Recorder) -> None:
    flow = FlowBuilder("late").step(lambda: 1 / 0, name="broken", retries=2, on_error=lambda error: "rescued").build()

    result = run(flow, backend=backend, plugins=[recorder])
    assert result.value == {"broken": "rescued"}
    assert result.steps["broken"].attempts == 3
    assert [line.split()[0] for line in recorder.of("broken")] == [
        "start", "retry", "start", "retry", "start", "finish",
    ]  # fmt: skip


def test_a_rescue_that_raises_fails_the_step_with_the_first_error_as_context(backend: Backend) -> None:
    def rescue(error: BaseException) -> None:
        raise LookupError("the rescue itself") from error

    flow = FlowBuilder("bad").step(lambda: 1 / 0, name="broken", on_error=rescue).build()
    result = run(flow, backend=backend)
    error = result.steps["broken"].error
    assert result.steps["broken"].status is Status.FAILED
    assert isinstance(error, LookupError)
    assert isinstance(error.__cause__, ZeroDivisionError)


@pytest.mark.parametrize("on_error", ["continue", lambda error: None])
def test_a_time_out_is_rescued_like_a_failure(backend: Backend, on_error: Any) -> None:
    async def waits() -> None:
        await anyio.sleep(30)

    result = run(FlowBuilder("late").step(waits, timeout=0.05, on_error=on_error).build(), backend=backend)
    assert result.steps["waits"].status is Status.SUCCESS
    assert isinstance(result.steps["waits"].error, TimeoutError)


def test_a_success_that_a_retry_brought_has_no_error(backend: Backend) -> None:
    flows = Registry()

    @flows.step(retries=Retry(1), on_error="continue")
    def flaky(ctx: Context) -> int:
        if ctx.attempt == 1:
            raise OSError("not yet")
        return ctx.attempt

    result = run(flaky, registry=flows, backend=backend)
    assert result.value == 2
    assert result.steps["flaky"].error is None
