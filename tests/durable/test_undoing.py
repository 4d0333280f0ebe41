"""Undo and the run store: what was undone is written before it begins, and is done again by whoever resumes."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

import anyio
import pytest

from flowbuilder import FlowBuilder, Registry, Status, WorkflowDefinition, run
from flowbuilder.runner import Backend
from flowbuilder.store.memory import MemoryStore
from flowbuilder.store.rows import RunQuery


def statuses(store: MemoryStore) -> dict[str, str]:
    """Return how each step and item of the one run is kept."""
    (row,) = store.runs(RunQuery())
    return {str(unit.unit): unit.status for unit in store.units(row.run_id)}


def saga(ran: list[str], undone: list[Any], last: Any) -> WorkflowDefinition:
    """Return a workflow that books, pays for each of two parts, tells, and then does ``last``."""

    def noted(name: str) -> str:
        ran.append(name)
        return name

    flow = FlowBuilder("saga").step(lambda: noted("book"), name="book", undo=lambda result: undone.append(result))
    flow.step(lambda n, book: noted(f"pay {n}"), name="pay", each={"n": [1, 2]},
              undo=lambda result: undone.append(result))  # fmt: skip
    flow.step(lambda pay: noted("tell"), name="tell", undo=lambda result: undone.append(result))
    flow.step(lambda: noted("beside"), name="beside")
    return flow.then(last, name="last").build()


def fails() -> None:
    raise ValueError("the end")


def test_what_was_undone_is_kept_as_such_and_done_again(store: MemoryStore, backend: Backend) -> None:
    ran, undone = list[str](), list[Any]()
    first = run(saga(ran, undone, fails), store=store, backend=backend)
    assert statuses(store) == {
        "book": "undone", "pay[0]": "undone", "pay[1]": "undone", "pay": "undone", "tell": "undone",
        "beside": "success", "last": "failed",
    }  # fmt: skip
    assert store.runs(RunQuery())[0].counts == {"success": 1, "failed": 1, "undone": 3}

    ran.clear()
    second = run(saga(ran, undone, lambda: "done"), store=store, resume=first.run_id, backend=backend)
    assert sorted(ran) == ["book", "pay 1", "pay 2", "tell"]
    assert (second.status, second.steps["book"].attempts, second.steps["beside"].reason) == ("success", 2, "kept")


def test_it_is_written_before_the_undo_begins(store: MemoryStore, backend: Backend) -> None:
    seen: list[dict[str, str]] = []
    flow = FlowBuilder("saga").step(lambda: 1, name="a", undo=lambda: seen.append(statuses(store)))
    run(flow.step(lambda a: a, name="below").then(fails).build(), store=store, backend=backend)

    assert seen == [{"fails": "failed", "a": "undone", "below": "undone"}]


def test_an_undo_that_fails_is_kept_with_its_reason(store: MemoryStore) -> None:
    flow = FlowBuilder("saga").step(lambda: 1, name="a", undo=lambda: 1 / 0).then(fails).build()
    result = run(flow, store=store)
    (row,) = [one for one in store.units(result.run_id) if one.unit.step == "a"]
    assert (row.status, row.reason) == ("undone", "its undo failed")
    assert row.error is not None
    assert row.error["message"] == "division by zero"


def test_a_resumed_run_undoes_what_was_kept_too_and_in_its_order(store: MemoryStore, backend: Backend) -> None:
    ran, undone = list[str](), list[Any]()

    async def interrupts() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await anyio.sleep(30)

    with pytest.raises(KeyboardInterrupt):
        run(saga(ran, undone, interrupts), store=store, backend=backend)
    assert undone == []
    assert set(statuses(store).values()) == {"success", "cancelled"}

    second = run(saga(ran, undone, fails), store=store, resume=store.runs(RunQuery())[0].run_id, backend=backend)
    assert (second.status, second.undone_count) == (Status.FAILED, 3)
    assert undone[0] == "tell"
    assert set(undone[1:3]) == {"pay 1", "pay 2"}
    assert undone[3:] == ["book"]
    assert sorted(ran) == ["beside", "book", "pay 1", "pay 2", "tell"]


def test_what_was_kept_is_undone_in_reverse_of_when_it_ended_and_not_of_the_plan(
    store: MemoryStore, backend: Backend
) -> None:
    undone, second = list[str](), threading.Event()

    async def interrupts() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await anyio.sleep(30)

    def flow(last: Any) -> WorkflowDefinition:
        made = FlowBuilder("order")
        made.step(lambda: second.wait(5), name="late", undo=lambda: undone.append("late"))
        made.step(second.set, name="early", undo=lambda: undone.append("early"))
        return made.then(last, name="last").build()

    with pytest.raises(KeyboardInterrupt):
        run(flow(interrupts), store=store, backend=backend)
    run(flow(fails), store=store, resume=store.runs(RunQuery())[0].run_id, backend=backend)
    assert undone == ["late", "early"]


def test_an_undo_of_a_kept_step_has_its_providers_set_up(store: MemoryStore, backend: Backend) -> None:
    told: list[Any] = []

    def flows(last: Any) -> Registry:
        made = Registry()

        @made.provider
        def api() -> str:
            told.append("opened")
            return "api"

        @made.step(undo=lambda result, api: told.append((result, api)))
        def a() -> int:
            return 7

        made.step(name="last")(last)

        @made.workflow
        def whole(a: int, last: None) -> None: ...

        return made

    async def interrupts() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await anyio.sleep(30)

    with pytest.raises(KeyboardInterrupt):
        run("whole", registry=flows(interrupts), store=store, backend=backend)
    told.clear()
    run("whole", registry=flows(lambda: 1 / 0), store=store, resume=store.runs(RunQuery())[0].run_id, backend=backend)
    assert told == ["opened", (7, "api")]
