"""What a body knows of its run: ctx, the context variables of whoever started it, and the fields of log records."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import anyio
import anyio.to_thread
import pytest

from flowbuilder import Context, FlowBuilder, ParallelConfig, Registry, Retry, arun, run
from flowbuilder.runner import Backend
from tests.conftest import Collect, InLoop

variable: ContextVar[str] = ContextVar("variable", default="unset")
KINDS = ("thread", "loop", "inline")


def executor_of(kind: str) -> str | None:
    return None if kind == "loop" else kind


@pytest.fixture(autouse=True)
def variable_is_reset() -> Iterator[None]:
    token = variable.set("unset")
    yield
    variable.reset(token)


# ctx.


@pytest.mark.parametrize("kind", KINDS)
def test_ctx_says_which_attempt_of_which_step_of_which_run_this_is(backend: Backend, kind: str) -> None:
    def plain(n: int, ctx: Context) -> dict[str, Any]:
        if ctx.attempt == 1:
            raise OSError
        return {
            "run_id": ctx.run_id, "workflow": ctx.workflow, "step": ctx.step, "attempt": ctx.attempt,
            "item": ctx.item, "params": dict(ctx.params),
        }  # fmt: skip

    async def looped(n: int, ctx: Context) -> dict[str, Any]:
        return plain(n, ctx)

    flow = FlowBuilder("nightly").step(
        looped if kind == "loop" else plain, name="seen", each={"n": "numbers"}, retries=1, executor=executor_of(kind)
    )
    result = run(flow.build(), params={"numbers": [7, 8]}, backend=backend)
    common = {"run_id": result.run_id, "workflow": "nightly", "attempt": 2, "params": {"numbers": [7, 8]}}
    assert result.value == {"seen": [{**common, "step": f"seen[{item}]", "item": item} for item in (0, 1)]}


def test_the_inputs_in_ctx_cannot_be_changed(backend: Backend) -> None:
    def body(ctx: Context) -> str:
        try:
            ctx.params["n"] = 2  # type: ignore[index]  # that is the point
        except TypeError as error:
            return str(error)
        return "changed"

    flow = FlowBuilder("frozen").step(body).step(lambda n: n, name="one").build()
    assert "does not support item assignment" in run(flow, params={"n": 1}, backend=backend).value["body"]


# Context variables.


@pytest.mark.parametrize("kind", KINDS)
def test_a_variable_set_before_the_run_reaches_every_step_its_when_and_its_rescue(backend: Backend, kind: str) -> None:
    seen: list[str] = []

    def note() -> bool:
        seen.append(variable.get())
        return True

    def plain() -> None:
        note()
        raise ValueError("no")

    async def looped() -> None:
        plain()

    variable.set("mine")
    flow = FlowBuilder("seen")
    for number in range(3):
        flow.step(looped if kind == "loop" else plain, name=f"s{number}", when=note, on_error=lambda error: note(),
                  retries=Retry(1, delay=0.001), executor=executor_of(kind))  # fmt: skip
    run(flow.build(), backend=backend).raise_for_errors()
    assert seen == ["mine"] * 12


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("limit", [1, None])
def test_a_variable_set_by_one_step_is_seen_by_no_other(backend: Backend, kind: str, limit: int | None) -> None:
    def plain(n: int) -> str:
        before = variable.get()
        variable.set(f"step {n}")
        return before

    async def looped(n: int) -> str:
        before = plain(n)
        await anyio.sleep(0)
        assert variable.get() == f"step {n}"
        return before

    variable.set("mine")
    flow = FlowBuilder("leaky").step(
        looped if kind == "loop" else plain, name="seen", each={"n": list(range(50))}, executor=executor_of(kind)
    )
    flow.step(looped if kind == "loop" else plain, name="last", after=("seen",), executor=executor_of(kind))
    result = run(flow.build(), params={"n": 99}, config=ParallelConfig(max_concurrency=limit), backend=backend)
    assert result.value == {"last": "mine"}
    assert result.steps["seen"].value == ["mine"] * 50
    assert variable.get() == "mine"


def test_a_failed_or_timed_out_step_leaks_no_variable_either(backend: Backend) -> None:
    async def broken(n: int) -> None:
        variable.set("leaked")
        if n == 0:
            raise ValueError("no")
        await anyio.sleep(30)

    async def looped() -> str:
        return variable.get()

    flow = FlowBuilder("leaky").step(broken, each={"n": [0, 1]}, timeout=0.05)
    for number in range(3):
        flow.step(looped, name=f"s{number}", after=())
    result = run(flow.build(), config=ParallelConfig(max_concurrency=1), backend=backend)
    assert [result.steps[f"s{number}"].value for number in range(3)] == ["unset"] * 3


def test_a_variable_set_by_a_step_reaches_what_that_step_calls(backend: Backend) -> None:
    async def looped() -> tuple[str, str]:
        variable.set("own")
        async with anyio.create_task_group() as group:
            inner: list[str] = []
            group.start_soon(lambda: collects(inner))
        return inner[0], await anyio.to_thread.run_sync(variable.get)

    async def collects(inner: list[str]) -> None:
        inner.append(variable.get())

    assert run(FlowBuilder("own").step(looped).build(), backend=backend).value == {"looped": ("own", "own")}


def test_arun_takes_the_variables_of_who_awaits_it_and_leaves_them_alone(in_loop: InLoop) -> None:
    def plain() -> str:
        before = variable.get()
        variable.set("changed")
        return before

    async def looped() -> str:
        return plain()

    flow = FlowBuilder("awaited").step(plain).step(looped).build()

    async def main() -> tuple[Any, str]:
        variable.set("mine")
        return (await arun(flow)).value, variable.get()

    assert in_loop(main) == ({"plain": "mine", "looped": "mine"}, "mine")


def test_two_runs_at_once_each_have_their_own_variables(in_loop: InLoop) -> None:
    async def looped() -> str:
        await anyio.sleep(0.001)
        return variable.get()

    flow = FlowBuilder("apart").step(looped).build()
    found: dict[str, Any] = {}

    async def one(name: str) -> None:
        variable.set(name)
        found[name] = (await arun(flow)).value["looped"]

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for name in ("first", "second"):
                group.start_soon(one, name)

    in_loop(main)
    assert found == {"first": "first", "second": "second"}


# Log records.


def fields(caplog: pytest.LogCaptureFixture, name: str) -> list[tuple[Any, ...]]:
    records = [record for record in caplog.records if record.name == name]
    return [(record.getMessage(), record.run, record.step, record.attempt) for record in records]  # type: ignore[attr-defined]  # the fields that records get


@pytest.mark.parametrize("kind", KINDS)
def test_log_records_of_a_step_carry_run_step_and_attempt(
    backend: Backend, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    def plain(n: int, ctx: Context) -> None:
        logging.getLogger("a.library").warning("at %d", n)
        if ctx.attempt == 1:
            raise OSError

    async def looped(n: int, ctx: Context) -> None:
        await anyio.sleep(0)
        plain(n, ctx)

    flow = FlowBuilder("logged").step(
        looped if kind == "loop" else plain, name="says", each={"n": [5]}, retries=1, executor=executor_of(kind)
    )
    result = run(flow.build(), backend=backend)
    expected = [("at 5", result.run_id, "says[0]", attempt) for attempt in (1, 2)]
    assert fields(caplog, "a.library") == expected


def test_log_records_outside_of_steps_carry_none(backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    flow = FlowBuilder("logged").step(lambda: 1, name="one").build()
    run(flow, backend=backend)
    logging.getLogger("a.library").warning("outside")

    assert fields(caplog, "a.library") == [("outside", None, None, None)]


@pytest.mark.parametrize("kind", KINDS)
def test_fields_of_these_names_that_a_library_gives_itself_are_its_own(
    backend: Backend, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    def plain() -> None:
        logging.getLogger("a.library").warning("learning", extra={"step": 40, "run": "best"})

    async def looped() -> None:
        plain()

    flow = FlowBuilder("logged").step(looped if kind == "loop" else plain, name="says", executor=executor_of(kind))
    run(flow.build(), backend=backend).raise_for_errors()
    logging.getLogger("a.library").warning("outside", extra={"attempt": 7})

    assert fields(caplog, "a.library") == [("learning", "best", 40, 1), ("outside", None, None, 7)]
    with pytest.raises(KeyError, match="overwrite 'lineno'"):
        logging.getLogger("a.library").warning("refused as ever", extra={"lineno": 1})


def test_a_formatter_finds_the_fields(backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    flow = FlowBuilder("logged").step(lambda ctx: ctx.log.warning("hello"), name="says").build()
    run(flow, backend=backend).raise_for_errors()
    (record,) = [one for one in caplog.records if one.name == "flowbuilder.step.logged"]
    assert logging.Formatter("%(step)s %(attempt)d: %(message)s").format(record) == "says 1: hello"


def test_ctx_log_is_a_logger_named_after_the_workflow(backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    flows = Registry()

    @flows.step
    async def says(ctx: Context) -> None:
        ctx.log.warning("from %s", ctx.step)

    @flows.workflow
    def nightly(says: None) -> None: ...

    result = run(nightly, registry=flows, backend=backend)
    assert fields(caplog, "flowbuilder.step.nightly") == [("from says", result.run_id, "says", 1)]


def test_log_records_of_a_rescue_carry_the_step_too(backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    flow = FlowBuilder("logged").step(
        lambda: 1 / 0, name="broken", on_error=lambda error: logging.getLogger("a.library").warning("rescued")
    )
    result = run(flow.build(), backend=backend)

    assert fields(caplog, "a.library") == [("rescued", result.run_id, "broken", 1)]


def test_log_records_of_a_process_step_carry_run_step_and_attempt_and_come_in_order(
    collect: Collect, caplog: pytest.LogCaptureFixture
) -> None:
    flows = collect("""
        import logging
        from flowbuilder import Context, step

        @step(executor="process", retries=1)
        def says(ctx: Context) -> int:
            ctx.log.warning("hello from %s", ctx.step)
            logging.getLogger("a.library").error("at %d", ctx.attempt, extra={"step": "learning"})
            if ctx.attempt == 1:
                raise OSError
            return ctx.attempt
    """)
    result = run("says", registry=flows)
    assert result.value == 2
    expected = [("hello from says", result.run_id, "says", attempt) for attempt in (1, 2)]
    assert fields(caplog, "flowbuilder.step.says") == expected
    assert fields(caplog, "a.library") == [(f"at {attempt}", result.run_id, "learning", attempt) for attempt in (1, 2)]
    assert caplog.records[-1].levelno == logging.ERROR
