"""What a run with a store leaves in it, and that nobody hears of anything before it stands there."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from flowbuilder import (
    Context,
    FlowBuilder,
    ParallelConfig,
    Registry,
    Retry,
    RunResult,
    WorkflowScheduler,
    arun,
    hookimpl,
    run,
)
from flowbuilder.durable import entries
from flowbuilder.durable.journal import StoreJournal
from flowbuilder.errors import StoreError
from flowbuilder.plan.plan import PlannedStep
from flowbuilder.runner import Backend
from flowbuilder.store.contract import Draft, Then
from flowbuilder.store.memory import MemoryStore
from flowbuilder.store.rows import RunBegan, RunQuery, UnitRow
from flowbuilder.store.sqlite import SqliteStore
from flowbuilder.store.values import decode
from flowbuilder.testing import Recorder
from tests.conftest import InLoop
from tests.durable.conftest import Kept
from tests.store.samples import kept_values


def rows(store: Any) -> dict[str, UnitRow]:
    (run_row,) = store.runs(RunQuery())
    return {str(row.unit): row for row in store.units(run_row.run_id)}


def statuses(store: Any) -> dict[str, str]:
    return {name: str(row.status) for name, row in rows(store).items()}


def values(store: Any) -> dict[str, Any]:
    (run_row,) = store.runs(RunQuery())
    return {str(unit): decode(kept) for unit, kept in kept_values(store, run_row.run_id) if kept.format}


def a() -> int:
    return 1


async def b(a: int) -> tuple[int, int]:
    return a, a


def test_steps_values_and_attempts_of_a_run_are_kept(backend: Backend, store: MemoryStore) -> None:
    result = run(FlowBuilder("flow").step(a).step(b).build(), store=store, backend=backend)
    assert result.steps["b"].value == (1, 1)
    assert statuses(store) == {"a": "success", "b": "success"}
    assert values(store) == {"a": 1, "b": (1, 1)}
    assert rows(store)["b"].wiring == "a: step a"
    (row,) = store.runs(RunQuery())
    assert (row.run_id, row.workflow, row.status, row.counts) == (result.run_id, "flow", "success", {"success": 2})
    # An attempt that succeeded has no row beside that of its step.
    assert (rows(store)["a"].attempts, store.attempts(row.run_id)) == (1, [])


def test_the_same_on_a_loop_that_runs(in_loop: InLoop, store: MemoryStore) -> None:
    in_loop(lambda: arun(FlowBuilder("flow").step(a).step(b).build(), store=store))
    assert statuses(store) == {"a": "success", "b": "success"}


def test_items_are_kept_one_by_one_and_the_whole_without_a_value(backend: Backend, store: MemoryStore) -> None:
    def double(x: int) -> int:
        return 2 * x

    run(FlowBuilder("flow").step(double, each={"x": [1, 2]}).build(), store=store, backend=backend)
    assert statuses(store) == {"double[0]": "success", "double[1]": "success", "double": "success"}
    assert values(store) == {"double[0]": 2, "double[1]": 4}
    assert rows(store)["double[0]"].wiring.startswith("x: each of a value ")


def test_failures_retries_and_skips_are_kept(backend: Backend, store: MemoryStore) -> None:
    def bad() -> None:
        raise ValueError("no")

    def after(bad: None) -> None: ...

    run(
        FlowBuilder("flow").step(bad, retries=Retry(1, on=(ValueError,))).step(after).build(),
        store=store,
        backend=backend,
    )
    found = rows(store)
    assert {name: (row.status, row.attempts, row.reason) for name, row in found.items()} == {
        "bad": ("failed", 2, ""),
        "after": ("skipped", 0, "bad failed"),
    }
    assert found["bad"].error is not None
    assert (found["bad"].error["type"], found["bad"].error["message"]) == ("builtins.ValueError", "no")
    attempts = store.attempts(store.runs(RunQuery())[0].run_id)
    assert [(one.number, one.status, one.due_at is not None) for one in attempts] == [
        (1, "failed", True),
        (2, "failed", False),
    ]


def test_a_rescued_step_is_kept_with_the_value_it_goes_on_with(backend: Backend, store: MemoryStore) -> None:
    def bad() -> None:
        raise ValueError("no")

    def worse() -> None:
        raise ValueError("no")

    flow = FlowBuilder("flow").step(bad, on_error="continue").step(worse, on_error=lambda error: str(error))
    run(flow.build(), store=store, backend=backend)
    assert statuses(store) == {"bad": "success", "worse": "success"}
    assert values(store) == {"bad": None, "worse": "no"}


def test_what_cannot_be_stored_fails_nobody_and_is_said_once(backend: Backend, store: MemoryStore) -> None:
    def lock(x: int) -> Any:
        return threading.Lock()

    def use(lock: list[Any]) -> int:
        return len(lock)

    result = run(FlowBuilder("flow").step(lock, each={"x": [1, 2]}).step(use).build(), store=store, backend=backend)
    assert result.steps["use"].value == 2
    assert values(store) == {"use": 2}
    (note,) = result.notes
    assert note.startswith(
        "lock would run again if this run is resumed: its result is <unlocked _thread.lock object at"
    )


class Witness(MemoryStore):
    """Remembers what stood in it when something was told or begun."""

    def stands(self) -> set[str]:
        return {
            str(row.unit) for run in self.runs(RunQuery()) for row in self.units(run.run_id) if row.status == "success"
        }


class Slow(Witness):
    """Writes only when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()

    def write(self, draft: Draft, then: Then | None = None, *, sync: bool = True, here: bool = False) -> None:
        def held_back() -> Any:
            entries = list(draft())
            if any(type(entry).__name__ == "UnitEnded" for entry in entries):
                assert self.gate.wait(10)
            return entries

        super().write(held_back, then, sync=sync, here=here)


def test_dependents_hooks_and_caller_come_after_the_commit(backend: Backend, kept: Kept) -> None:
    store, seen = kept(Witness()), list[tuple[str, bool]]()

    class Hooks:
        @hookimpl
        def flowbuilder_step_finish(self, step: Any) -> None:
            seen.append((f"finish {step.name}", step.name in store.stands()))

        @hookimpl
        def flowbuilder_run_finish(self) -> None:
            seen.append(("run finished", store.runs(RunQuery())[0].status == "success"))

    def first() -> int:
        return 1

    def second(first: int) -> None:
        seen.append(("second begins", "first" in store.stands()))

    run(FlowBuilder("flow").step(first).step(second).build(), store=store, plugins=[Hooks()], backend=backend)
    assert sorted(seen) == sorted(
        [("finish first", True), ("second begins", True), ("finish second", True), ("run finished", True)]
    )


def test_a_slot_is_free_while_an_outcome_is_being_written(backend: Backend, kept: Kept) -> None:
    store, begun = kept(Slow()), list[int]()

    def quick(x: int) -> int:
        begun.append(x)
        if len(begun) == 5:
            store.gate.set()
        return x

    config = ParallelConfig(max_concurrency=2)
    result = run(
        FlowBuilder("flow").step(quick, each={"x": list(range(5))}).build(), store=store, config=config, backend=backend
    )
    assert result.steps["quick"].value == [0, 1, 2, 3, 4]


def test_of_runs_submitted_together_the_best_begins_however_long_their_begin_is_written(
    in_loop: InLoop, kept: Kept
) -> None:
    is_begun = threading.Event()

    class Halting(MemoryStore):
        def write(self, draft: Draft, then: Then | None = None, *, sync: bool = True, here: bool = False) -> None:
            def halted() -> Any:
                entries = list(draft())
                if any(isinstance(one, RunBegan) and one.run.workflow == "urgent" for one in entries):
                    is_begun.wait(0.2)
                return entries

            super().write(halted, then, sync=sync, here=here)
            # Each is written by itself.
            is_begun.wait(0.05)

    order: list[str] = []

    def noting(name: str) -> Any:
        def body() -> None:
            order.append(name)
            is_begun.set()

        return body

    async def main() -> None:
        async with WorkflowScheduler(1, store=kept(Halting())) as scheduler:
            usual = scheduler.submit(FlowBuilder("usual").step(noting("usual"), name="one").build())
            urgent = scheduler.submit(FlowBuilder("urgent").step(noting("urgent"), name="one").build(), priority=1)
            await usual.wait()
            await urgent.wait()

    in_loop(main)
    assert order == ["urgent", "usual"]


class Broken(MemoryStore):
    """Fails when the value of a step is to be written."""

    def __init__(self, step: str) -> None:
        super().__init__()
        self._step = step

    def write(self, draft: Draft, then: Then | None = None, *, sync: bool = True, here: bool = False) -> None:
        def checked() -> Any:
            entries = list(draft())
            if any(type(one).__name__ == "UnitEnded" and one.row.unit.step == self._step for one in entries):  # type: ignore[union-attr]
                raise StoreError("the run store cannot be used: the disk is full")
            return entries

        super().write(checked, then, sync=sync, here=here)


def test_a_store_that_fails_ends_the_run_and_nothing_unwritten_is_told(
    backend: Backend, recorder: Recorder, kept: Kept
) -> None:
    begun = list[str]()

    def first() -> int:
        return 1

    def second(first: int) -> int:
        return 2

    def third(second: int) -> None:
        begun.append("third")

    store = kept(Broken("second"))
    flow = FlowBuilder("flow").step(first).step(second).step(third).build()
    with pytest.raises(StoreError, match="the disk is full"):
        run(flow, store=store, plugins=[recorder], backend=backend)
    assert begun == []
    ends = sorted(" ".join(line.split()[:2]) for line in recorder.told if line.startswith(("finish", "error", "skip")))
    assert ends == ["error second", "finish first", "skip third"]
    assert statuses(store) == {"first": "success"}


def test_a_run_is_kept_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "own" / "runs.db"
    run(FlowBuilder("flow").step(a).step(b).build(), store=path)
    store = SqliteStore(path)
    assert values(store) == {"a": 1, "b": (1, 1)}
    store.close()


def test_what_is_no_store_is_refused() -> None:
    with pytest.raises(StoreError, match="no plugin keeps runs there"):
        run(FlowBuilder("flow").step(a).build(), store="redis://localhost")


def test_a_plugin_brings_a_store(store: MemoryStore) -> None:
    class Plugin:
        @hookimpl
        def flowbuilder_store(self, url: str) -> Any:
            return store if url == "mem://x" else None

    run(FlowBuilder("flow").step(a).build(), store="mem://x", plugins=[Plugin()])
    assert statuses(store) == {"a": "success"}


def test_a_nested_run_is_done_again_with_its_body_and_not_kept(backend: Backend, store: MemoryStore) -> None:
    undone: list[str] = []

    def fails(c: int) -> None:
        raise ValueError

    flow = FlowBuilder("trip").step(a, idempotent=False).step(b, cache=True)
    flow.step(lambda b: 1, name="c", undo=lambda: undone.append("c")).step(fails)
    trip = flow.build()

    async def body(ctx: Context) -> str:
        with pytest.raises(ExceptionGroup):
            await ctx.run(trip)
        return "went on"

    result = run(FlowBuilder("flow").step(body).build(), store=store, backend=backend)
    assert (result.value, undone) == ({"body": "went on"}, ["c"])
    assert result.notes == (
        "trip: cache= does nothing in this run, which is not kept in a store",
        "trip: idempotent=False does nothing in this run, which is run again from its start if it does not succeed",
    )
    assert statuses(store) == {"body": "success"}
    assert store.attempts(result.run_id) == []


def test_errors_of_no_step_are_kept_with_the_run_and_those_of_undos_with_their_steps(
    backend: Backend, store: MemoryStore
) -> None:
    flows = Registry()

    @flows.provider
    def resource() -> Iterator[int]:
        yield 1
        raise OSError("cannot be closed")

    def no_way_back() -> None:
        raise LookupError("no way back")

    @flows.step(undo=no_way_back)
    def work(resource: int) -> int:
        return resource

    @flows.workflow
    def flow(work: int) -> None:
        raise ValueError("no")

    result: RunResult[None] = run(flow, registry=flows, store=store, backend=backend)
    assert len(result.errors) == 3
    (row,) = store.runs(RunQuery())
    assert [one["message"] for one in row.errors] == ["cannot be closed"]
    undone = rows(store)["work"].error
    assert undone is not None
    assert undone["message"] == "no way back"


class Writers(MemoryStore):
    """Notes on which threads results are written."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def write(self, draft: Draft, then: Then | None = None, *, sync: bool = True, here: bool = False) -> None:
        def noted() -> Any:
            entries = list(draft())
            if any(type(entry).__name__ == "UnitEnded" for entry in entries):
                self.seen.add(threading.current_thread().name)
            return entries

        super().write(noted, then, sync=sync, here=here)


def test_a_thread_that_finds_nothing_else_to_start_writes_its_step(backend: Backend, kept: Kept) -> None:
    def go_on(a: int) -> int:
        return a + 1

    store, flow = kept(Writers()), FlowBuilder("flow").step(a, name="s0")
    for number in range(20):
        flow.step(go_on, name=f"s{number + 1}", needs={"a": f"s{number}"})
    run(flow.build(), store=store, backend=backend)
    assert "flowbuilder-step" in store.seen


def test_nothing_is_written_on_the_event_loop(backend: Backend, kept: Kept) -> None:
    async def start() -> int:
        return 1

    async def go_on(a: int) -> int:
        return a + 1

    store, flow = kept(Writers()), FlowBuilder("flow").step(start, name="s0")
    for number in range(20):
        flow.step(go_on, name=f"s{number + 1}", needs={"a": f"s{number}"})
    run(flow.build(), store=store, backend=backend)
    assert store.seen == {"flowbuilder-store"}


class Late(MemoryStore):
    """Writes a step with the one behind it, as where very much waits to be written."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[Then] = []

    def write(self, draft: Draft, then: Then | None = None, *, sync: bool = True, here: bool = False) -> None:
        found, self.waiting = self.waiting, [then] if then is not None else []
        for one in found:
            one(None)


class Settled:
    """Notes of each attempt in which lane its thread looks for more, as the engine is told."""

    def __init__(self) -> None:
        self.lanes: list[tuple[Any, int | None]] = []

    def settle_recorded(self, attempt: Any, lane: int | None = None) -> None:
        self.lanes.append((attempt, lane))


def test_a_thread_looks_for_more_only_where_it_writes_what_it_has_just_ended(kept: Kept) -> None:
    journal, engine = StoreJournal(kept(Late())), Settled()
    journal.attach(cast("Any", engine), lambda reason: None, lambda run_id, text: None)
    first, second = cast("Any", "first"), cast("Any", "second")
    assert [journal.end(one, tuple, 3) for one in (first, second)] == [False, False]
    assert engine.lanes == [(first, None)]


def test_of_plans_that_are_over_little_is_kept(in_loop: InLoop, store: MemoryStore, monkeypatch: Any) -> None:
    monkeypatch.setattr(entries, "PRINTS", 4)
    flow = FlowBuilder("flow").step(lambda x: x, name="one").step(lambda x: x, name="two").build()

    async def kept_after(runs: int) -> int:
        async with WorkflowScheduler(store=store) as scheduler:
            for number in range(runs):
                await scheduler.submit(flow, params={"x": number}).wait()
            return len(planned_steps())

    assert in_loop(lambda: kept_after(10)) == in_loop(lambda: kept_after(2))


def planned_steps() -> list[Any]:
    gc.collect()
    return [one for one in gc.get_objects() if type(one) is PlannedStep]
