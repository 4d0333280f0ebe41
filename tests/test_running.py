"""What a run does with plain, mapped, conditional, failing and retried steps, on both back ends."""

from __future__ import annotations

import threading
import time

import anyio
import pytest

from flowbuilder import FlowBuilder, ParallelConfig, Registry, Retry, Status, StepResult, run
from flowbuilder.runner import Backend


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> Backend:
    return request.param  # type: ignore[no-any-return]  # pytest types a parameter as Any


def test_values_flow_by_parameter_name(backend: Backend) -> None:
    flows = Registry()

    @flows.step
    def rows() -> list[int]:
        return [1, 2, 3]

    @flows.step
    async def total(rows: list[int]) -> int:
        return sum(rows)

    @flows.workflow
    def report(total: int) -> str:
        return f"total {total}"

    assert run(report, registry=flows, backend=backend).value == "total 6"


def test_a_mapped_step_keeps_order_and_flows_item_by_item(backend: Backend) -> None:
    flows = Registry()

    @flows.step(each={"n": [3, 1, 2]})
    def square(n: int) -> int:
        return n * n

    @flows.step(each={"m": "square"})
    async def half(m: int) -> float:
        return m / 2

    @flows.workflow
    def both(square: list[int], half: list[float]) -> tuple[list[int], list[float]]:
        return square, half

    assert run(both, registry=flows, backend=backend).value == ([9, 1, 4], [4.5, 0.5, 2.0])


def test_a_failed_item_skips_only_its_own_descendants(backend: Backend) -> None:
    flows = Registry()

    @flows.step(each={"n": [0, 1, 2]})
    def inverse(n: int) -> float:
        return 1 / n

    @flows.step(each={"x": "inverse"})
    def doubled(x: float) -> float:
        return x * 2

    @flows.workflow
    def whole(doubled: list[float]) -> list[float]:
        return doubled

    result = run(whole, registry=flows, backend=backend)
    items = result.steps["doubled"].items or ()
    assert [item.status for item in items] == [Status.SKIPPED, Status.SUCCESS, Status.SUCCESS]
    assert result.steps["whole"].status is Status.SKIPPED
    assert result.status is Status.FAILED


def test_a_false_when_is_replaced_by_a_default_and_seen_by_a_step_result(backend: Backend) -> None:
    flows = Registry()

    @flows.step(when=lambda: False)
    def extra() -> int:
        return 1

    @flows.step
    def with_default(extra: int = 7) -> int:
        return extra

    @flows.step
    def seen(extra: StepResult[int]) -> str:
        return str(extra.status)

    @flows.workflow
    def both(with_default: int, seen: str) -> tuple[int, str]:
        return with_default, seen

    assert run(both, registry=flows, backend=backend).value == (7, "skipped")


def test_a_retry_runs_again_until_it_succeeds(backend: Backend) -> None:
    flows = Registry()
    tries: list[int] = []

    @flows.step(retries=Retry(3, on=(OSError,)))
    def flaky() -> int:
        tries.append(1)
        if len(tries) < 3:
            raise OSError("not yet")
        return len(tries)

    result = run(flaky, registry=flows, backend=backend)
    assert result.steps["flaky"].attempts == 3
    assert result.value == 3


def test_an_overdue_thread_is_reported_at_its_deadline_and_named(backend: Backend) -> None:
    release = threading.Event()

    def stuck() -> None:
        release.wait(30)

    flow = FlowBuilder("late").step(stuck, timeout=0.1).build()
    started = time.monotonic()
    result = run(flow, backend=backend)
    release.set()

    assert result.steps["stuck"].status is Status.TIMED_OUT
    assert time.monotonic() - started < 5
    assert "stuck overran" in result.notes[0]


def test_fail_fast_cancels_what_runs_and_starts_nothing_new(backend: Backend) -> None:
    async def slow() -> None:
        await anyio.sleep(60)

    async def broken() -> None:
        await anyio.sleep(0.01)
        raise ValueError("broken")

    flow = FlowBuilder("ff").step(slow).step(broken).build()
    result = run(flow, config=ParallelConfig(fail_fast=True), backend=backend)

    assert result.steps["slow"].status is Status.CANCELLED
    assert result.steps["broken"].status is Status.FAILED
