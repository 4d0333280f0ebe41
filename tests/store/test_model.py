"""The store on disk against the one in memory, over random writing, resuming, closing and reading."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from flowbuilder.store.memory import MemoryStore
from flowbuilder.store.rows import Entry, InnerForgotten, RunBegan, RunEnded, RunQuery, RunRow, Unit
from flowbuilder.store.sqlite import SqliteStore
from flowbuilder.store.values import decode
from tests.store.samples import attempted, began, called, ended, kept_values, write

RUNS = st.integers(0, 3).map(lambda n: f"run{n}")
STEPS = st.sampled_from(["a", "b", "数据"])
KEYS = st.sampled_from([b"a", b"ab", bytes(16)])
STATUSES = st.sampled_from(["success", "failed", "skipped", "undone"])
NUMBERS = st.integers(1, 3)


class StoreModel(RuleBasedStateMachine):
    """Both are told the same, and must answer the same."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "store" / "runs.db"
        self.disk = self.opened()
        self.memory = MemoryStore()
        self.known: set[str] = set()

    def opened(self) -> SqliteStore:
        # What is read does not depend on what is synced, and a sync takes a slow disk tenths of a second.
        return SqliteStore(self.path, "normal")

    def both(self, *entries: Entry) -> None:
        assert write(self.disk, *entries) is None
        assert write(self.memory, *entries) is None

    @rule(run=RUNS)
    def begin(self, run: str) -> None:
        if run not in self.known:
            self.known.add(run)
            self.both(began(run, source="flow.py"))

    @precondition(lambda self: self.known)
    @rule(run=RUNS, step=STEPS, number=NUMBERS, status=st.sampled_from(["", "failed"]))
    def attempt(self, run: str, step: str, number: int, status: str) -> None:
        if run in self.known:
            self.both(attempted(run, step, number, status=status))

    @precondition(lambda self: self.known)
    @rule(
        run=RUNS, step=STEPS, item=st.integers(-1, 2), status=STATUSES, number=NUMBERS,
        value=st.integers() | st.tuples(st.text()),
    )  # fmt: skip
    def end(self, run: str, step: str, item: int, status: str, number: int, value: Any) -> None:
        if run in self.known:
            # Halves add up to the same in any order.
            times = {"started_at": 1.0, "duration": (item + 2) / 2}
            self.both(ended(run, step, value, item=item, status=status, attempts=number, **times))

    @precondition(lambda self: self.known)
    @rule(run=RUNS, step=STEPS, number=NUMBERS)
    def begin_and_succeed(self, run: str, step: str, number: int) -> None:
        if run in self.known:
            self.both(attempted(run, step, number), ended(run, step, attempts=number, started_at=1.0))

    @precondition(lambda self: self.known)
    @rule(run=RUNS, step=STEPS, item=st.integers(-1, 2), key=KEYS, status=st.sampled_from(["success", "begun"]))
    def call(self, run: str, step: str, item: int, key: bytes, status: str) -> None:
        if run in self.known:
            self.both(called(run, step, key, len(key), item=item, status=status))

    @precondition(lambda self: self.known)
    @rule(run=RUNS, step=STEPS, item=st.integers(-1, 2), key=st.none() | KEYS)
    def forget_calls(self, run: str, step: str, item: int, key: bytes | None) -> None:
        if run in self.known:
            self.both(InnerForgotten(run, Unit(step, item), key))

    @precondition(lambda self: self.known)
    @rule(run=RUNS, forgotten=st.sets(st.builds(Unit, STEPS, st.integers(-1, 2))))
    def resume(self, run: str, forgotten: set[Unit]) -> None:
        if run in self.known:
            row = RunRow(run_id=run, workflow="report", deaths=1, died_at="a")
            self.both(RunBegan(row, is_resumed=True, forgotten=tuple(forgotten)))

    @precondition(lambda self: self.known)
    @rule(run=RUNS, status=STATUSES)
    def finish(self, run: str, status: str) -> None:
        if run in self.known:
            self.both(RunEnded(run, status, 1.0, {status: 1}, ({"message": "late"},) * (status == "failed")))

    @rule(run=RUNS)
    def purge(self, run: str) -> None:
        is_known = run in self.known
        self.known.discard(run)
        assert self.memory.purge([run]) == int(is_known)
        self.disk.purge([run])

    @rule()
    def reopen(self) -> None:
        self.disk.close()
        self.disk = self.opened()

    @invariant()
    def they_answer_alike(self) -> None:
        assert self.disk.runs(RunQuery()) == self.memory.runs(RunQuery())
        for status in ("success", "interrupted", "running"):
            query = RunQuery(status=status, workflow="report", since=0.5, limit=2)
            assert self.disk.runs(query) == self.memory.runs(query)
        for runs in (1, 5):
            assert sorted(self.disk.took("report", runs), key=str) == sorted(self.memory.took("report", runs), key=str)
        for run in self.known:
            assert self.disk.units(run) == self.memory.units(run)
            assert self.disk.attempts(run) == self.memory.attempts(run)
            assert sorted(self.disk.inner(run)) == sorted(self.memory.inner(run))
            values = [(unit, decode(value)) for unit, value in kept_values(self.disk, run)]
            assert values == [(unit, decode(value)) for unit, value in kept_values(self.memory, run)]

    def teardown(self) -> None:
        self.disk.close()
        self.memory.close()
        self.folder.cleanup()


FAST = settings(max_examples=20, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.timeout(300)
def test_disk_and_memory_answer_alike() -> None:
    run_state_machine_as_test(StoreModel, settings=FAST)


@pytest.mark.deep
@pytest.mark.timeout(3600)
def test_disk_and_memory_answer_alike_for_long() -> None:
    settings_ = settings(FAST, max_examples=500, stateful_step_count=60)
    run_state_machine_as_test(StoreModel, settings=settings_)
