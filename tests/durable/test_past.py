"""How long steps took in the runs that are kept, for plans and policies."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from flowbuilder import FlowBuilder, WorkflowScheduler
from flowbuilder.durable.past import RUNS, Past, past_of
from flowbuilder.engine.policies import Waiting
from flowbuilder.runner import Backend
from flowbuilder.store.contract import Store
from flowbuilder.store.memory import MemoryStore
from flowbuilder.store.reading import TOOK
from flowbuilder.store.rows import RunEnded, TookRow
from flowbuilder.store.sqlite import SqliteStore
from tests.durable.conftest import Kept
from tests.store.samples import began, ended, write


def keep(store: Store, run: str, *, status: str = "success", **seconds: float) -> None:
    """Keep a run of the workflow ``report`` whose steps took so long."""
    steps = [ended(run, step, duration=took) for step, took in seconds.items()]
    assert write(store, began(run), *steps, RunEnded(run, status, 1.0, {})) is None


def test_a_step_takes_the_median_of_the_last_runs(store: MemoryStore) -> None:
    for number, took in enumerate([100.0, 1.0, 9.0, 2.0, 3.0, 4.0]):
        keep(store, f"run{number}", load=took)
    assert RUNS == 5
    assert past_of(store, "report") == {"load": Past(3.0)}
    assert past_of(store, "another") == {}


def test_of_two_runs_the_median_is_between_them(store: MemoryStore) -> None:
    keep(store, "one", load=1.0)
    keep(store, "two", load=2.0)
    assert past_of(store, "report") == {"load": Past(1.5)}


def test_a_failed_run_counts_with_the_steps_that_succeeded(store: MemoryStore) -> None:
    keep(store, "one", status="failed", load=2.0)
    write(store, ended("one", "send", status="failed", duration=7.0))
    assert past_of(store, "report") == {"load": Past(2.0)}


def test_a_run_under_way_takes_the_place_of_none_that_has_ended(store: MemoryStore) -> None:
    keep(store, "one", load=2.0)
    for number in range(RUNS):
        write(store, began(f"open{number}"), ended(f"open{number}", "load", duration=50.0))
    assert past_of(store, "report") == {"load": Past(2.0)}


def test_a_mapped_step_takes_what_an_item_does_as_often_as_it_has_items(store: MemoryStore) -> None:
    items = [ended("one", "load", item=item, duration=took) for item, took in enumerate([1.0, 2.0, 6.0])]
    write(store, began("one"), *items, ended("one", "load", duration=6.5), RunEnded("one", "success", 7.0, {}))
    assert past_of(store, "report") == {"load": Past(3.0, 3)}


def test_the_past_is_found_by_indexes_alone(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "runs.db")
    with store._reads() as connection:  # how SQLite goes about it is seen by its connection only
        steps = [
            row[-1] for row in connection.execute(f"EXPLAIN QUERY PLAN {TOOK}", ("report", "running", 5, "success"))
        ]
    store.close()
    assert any("USING INDEX runs_by_workflow" in step for step in steps)
    assert not [step for step in steps if step.startswith("SCAN") or "ORDER BY" in step]


@pytest.mark.parametrize("policy", ["shortest", "critical-path"])
def test_a_policy_goes_by_what_steps_took_in_another_process(policy: str, backend: Backend, tmp_path: Path) -> None:
    ran: list[str] = []
    flow = FlowBuilder("report")
    for name in ("middle", "long", "short"):
        flow.step(lambda name=name: ran.append(name), name=name)
    store = SqliteStore(tmp_path / "runs.db")
    keep(store, "one", long=30.0, short=1.0, middle=5.0)

    async def main() -> None:
        async with WorkflowScheduler(1, policy=policy, store=store) as scheduler:
            await scheduler.submit(flow.build()).wait()

    anyio.run(main, backend=backend)
    store.close()
    assert ran == (["short", "middle", "long"] if policy == "shortest" else ["long", "middle", "short"])


def test_a_policy_that_does_not_look_ahead_does_not_ask_for_the_past(kept: Kept, backend: Backend) -> None:
    class Forgetful(MemoryStore):
        def took(self, workflow: str, runs: int) -> list[TookRow]:
            raise AssertionError(workflow)

    class Late:
        looks_ahead = False

        def key(self, waiting: Waiting) -> float:
            return -waiting.starts

        def started(self, key: float) -> None:
            pass

    store = kept(Forgetful())

    async def main() -> None:
        async with WorkflowScheduler(1, policy=Late(), store=store) as scheduler:
            await scheduler.submit(FlowBuilder("report").step(lambda: None, name="load").build()).wait()

    anyio.run(main, backend=backend)
