"""A run that is cancelled while its disk is slow: what has ended is written, and gives its slot back once."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from typing import Any

import pytest

from flowbuilder import FlowBuilder, MemoryStore, ParallelConfig, WorkflowScheduler
from flowbuilder.runner import Backend
from flowbuilder.store.contract import Draft, Then
from flowbuilder.store.rows import UnitEnded

GRACE = 0.05


class SlowStore(MemoryStore):
    """Takes longer than the grace period to write a success, and says when it begins."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = threading.Event()

    def write(self, draft: Draft, then: Then | None = None, *, sync: bool = True, here: bool = False) -> None:
        def slowly() -> Any:
            entries = list(draft())
            if any(isinstance(one, UnitEnded) and one.row.status == "success" for one in entries):
                self.writes.set()
                time.sleep(6 * GRACE)
            return entries

        super().write(slowly, then, sync=sync)


@pytest.mark.parametrize("slots", [1, 2])
def test_a_step_that_is_being_written_when_the_grace_period_ends_is_a_success(backend: Backend, slots: int) -> None:
    def first() -> int:
        return 1

    def second(first: int) -> int:
        return 2

    config = ParallelConfig(grace=GRACE)
    flow = FlowBuilder("flow").step(first).step(second).with_config(config).build()
    with closing(SlowStore()) as store, WorkflowScheduler(store=store, max_concurrency=slots, backend=backend) as runs:
        handle = runs.submit(flow)
        assert store.writes.wait(10)
        handle.cancel()
        result = handle.wait_sync(10)
    assert {name: str(one.status) for name, one in result.steps.items()} == {"first": "success", "second": "skipped"}
    assert not [note for note in result.notes if "still runs" in note]
