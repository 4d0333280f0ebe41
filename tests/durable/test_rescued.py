"""A step that goes on with None is a success that stands before anybody hears of it, however it failed."""

from __future__ import annotations

import threading

import anyio

from flowbuilder import Context, FlowBuilder, Retry, run
from flowbuilder.errors import StepTimeoutError
from flowbuilder.runner import Backend
from flowbuilder.store.memory import MemoryStore
from flowbuilder.store.rows import RunQuery, UnitRow
from flowbuilder.store.values import encode


def rows(store: MemoryStore) -> dict[str, UnitRow]:
    (found,) = store.runs(RunQuery())
    return {str(row.unit): row for row in store.units(found.run_id, with_values=True)}


def test_a_step_whose_thread_overran_and_that_goes_on_stands_in_the_store(store: MemoryStore, backend: Backend) -> None:
    release, seen = threading.Event(), list[str]()

    def slow() -> None:
        release.wait(5)

    def after(slow: None) -> None:
        seen.extend(rows(store))
        release.set()

    flow = FlowBuilder("flow").step(slow, timeout=0.05, on_error="continue").step(after).build()
    result = run(flow, store=store, backend=backend)
    assert isinstance(result.steps["slow"].error, StepTimeoutError)
    assert (seen, rows(store)["slow"].status, rows(store)["slow"].value) == (["slow"], "success", encode(None))


def test_an_attempt_that_overran_is_no_success_while_another_follows(store: MemoryStore, backend: Backend) -> None:
    seen = list[str]()

    async def slow(ctx: Context) -> int:
        if ctx.attempt == 1:
            await anyio.sleep_forever()
        seen.extend(rows(store))
        return 1

    retry = Retry(1, on=(TimeoutError,))
    flow = FlowBuilder("flow").step(slow, timeout=0.05, retries=retry, on_error="continue").build()
    assert run(flow, store=store, backend=backend).value == {"slow": 1}
    assert (seen, rows(store)["slow"].value) == ([], encode(1))


def test_what_it_was_rescued_from_is_kept_beside_it(store: MemoryStore, backend: Backend) -> None:
    def bad() -> None:
        raise ValueError("no")

    result = run(FlowBuilder("flow").step(bad, on_error="continue").build(), store=store, backend=backend)
    row = rows(store)["bad"]
    assert (row.status, row.attempts, row.error and row.error["message"]) == ("success", 1, "no")
    assert str(result.steps["bad"].error) == "no"
    assert [(one.number, one.status) for one in store.attempts(result.run_id)] == [(1, "failed")]
