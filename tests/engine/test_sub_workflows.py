"""A sub-workflow runs as steps of the run it is part of."""

from __future__ import annotations

from typing import Any

import pytest

from flowbuilder import Context, FlowBuilder, ParallelConfig, Registry, RunResult, Status, StepResult, run
from flowbuilder.runner import Backend
from flowbuilder.testing import Recorder
from tests.engine.endings import assert_each_step_ended_once


def sales_flows() -> Registry:
    flows = Registry()

    @flows.step
    async def load(path: str = "none") -> list[str]:
        return [path]

    @flows.step(each={"row": "load"})
    def clean(row: str) -> str:
        return row.upper()

    @flows.workflow
    def sales(clean: list[str]) -> str:
        return "+".join(clean)

    return flows


def test_its_body_gives_its_value_to_whoever_requests_it(backend: Backend, recorder: Recorder) -> None:
    flows = sales_flows()
    month = flows.workflow(name="month")(lambda sales, path: f"{sales} {path}")
    result = run(
        month, registry=flows, params={"path": "a", "sales.path": "b"}, backend=backend, plugins=[recorder]
    ).raise_for_errors()
    assert result.value == "B a"
    assert list(result.steps) == ["sales.load", "sales.clean", "sales", "month"]
    assert recorder.of("sales.clean[0]") == ["start sales.clean[0] 1", "finish sales.clean[0]"]
    assert recorder.of("sales") == ["start sales 1", "finish sales"]
    assert_each_step_ended_once(recorder)


def test_a_step_knows_itself_by_its_qualified_name(backend: Backend) -> None:
    flows = Registry()

    @flows.step
    def load(ctx: Context) -> tuple[str, str, Any]:
        return ctx.workflow, ctx.step, ctx.params["sales.path"]

    flows.workflow(name="sales")(lambda load, path: load)
    month = flows.workflow(name="month")(lambda sales: sales)
    result = run(month, registry=flows, params={"sales.path": 1}, backend=backend)
    assert result.value == ("month", "sales.load", 1)


def test_one_without_a_body_gives_the_values_of_its_last_steps(backend: Backend) -> None:
    inner = FlowBuilder("inner").step(lambda: 1, name="a").step(lambda: 2, name="b", when=lambda: False)
    inner.step(lambda a: a + 1, name="c")
    outer = FlowBuilder("outer").step(inner.build()).step(lambda inner: inner, name="last").build()
    result = run(outer, backend=backend).raise_for_errors()
    assert result.value == {"last": {"c": 2}}
    assert result.steps["inner.b"].status is Status.SKIPPED


def test_a_failure_inside_skips_what_requests_it_and_nothing_else(backend: Backend, recorder: Recorder) -> None:
    flows = Registry()
    flows.step(name="load")(lambda: 1 / 0)
    flows.workflow(name="sales")(lambda load: load)
    flows.step(name="other")(lambda: "ran")

    @flows.step
    def told(sales: StepResult[int]) -> str:
        return sales.reason

    flows.workflow(name="month", steps=["told", "other"])(lambda sales: sales)
    result: RunResult[Any] = run("month", registry=flows, backend=backend, plugins=[recorder])
    assert result.steps["sales"].reason == "sales.load failed"
    assert result.steps["month"].reason == "sales.load failed"
    assert result.steps["told"].value == "sales.load failed"
    assert result.steps["other"].status is Status.SUCCESS
    assert_each_step_ended_once(recorder)


def test_a_default_stands_for_one_that_a_when_skipped(backend: Backend) -> None:
    flows = Registry()
    flows.step(name="load", when=lambda: False)(lambda: 1)
    flows.workflow(name="sales")(lambda load: load)
    month = flows.workflow(name="month")(lambda sales="none": sales)
    assert run(month, registry=flows, backend=backend).value == "none"


def test_its_value_is_mapped_over(backend: Backend) -> None:
    flows = sales_flows()
    flows.workflow(name="rows")(lambda load: [*load, "x"])
    flows.step(name="double", each={"row": "rows"})(lambda row: row * 2)
    month = flows.workflow(name="month")(lambda double: double)
    assert run(month, registry=flows, backend=backend, params={"path": "a"}).value == ["aa", "xx"]


def test_its_steps_run_beside_those_of_the_others(backend: Backend) -> None:
    # With one slot, the order is that of the plan, sub-workflow or not.
    flows, order = Registry(), list[str]()
    for name in ("one", "two"):
        flows.step(name=f"load_{name}")(lambda name=name: order.append(f"load {name}"))
        flows.step(name=f"end_{name}", after=[f"load_{name}"])(lambda name=name: order.append(f"end {name}"))
        flows.workflow(name=name, steps=[f"end_{name}"])(lambda: None)
    both = flows.workflow(name="both")(lambda one, two: None)
    config = ParallelConfig(max_concurrency=1)
    run(both, registry=flows, backend=backend, config=config).raise_for_errors()
    assert order == ["load one", "load two", "end one", "end two"]


@pytest.mark.parametrize("schedule", ["eager", "batches"])
def test_it_runs_batch_by_batch_too(backend: Backend, schedule: Any) -> None:
    flows = sales_flows()
    month = flows.workflow(name="month")(lambda sales: sales)
    config = ParallelConfig(schedule=schedule, batch_size=1 if schedule == "batches" else None)
    assert run(month, registry=flows, backend=backend, config=config).value == "NONE"
