"""The thread lane, where the system gives it fewer threads than it may have."""

from __future__ import annotations

import threading
import time

import anyio
import pytest

from flowbuilder import FlowBuilder, run
from flowbuilder.runner import Backend

pytestmark = pytest.mark.timeout(20)


def give_threads(patch: pytest.MonkeyPatch, most: int) -> None:
    """Let so many threads of the lane start, and refuse any other, as the system does at its limit."""
    start, begun = threading.Thread.start, list[str]()

    def started(thread: threading.Thread) -> None:
        if thread.name == "flowbuilder-step":
            begun.append(thread.name)
            if len(begun) > most:
                raise RuntimeError("can't start new thread")
        start(thread)

    patch.setattr(threading.Thread, "start", started)


@pytest.mark.parametrize("most", [1, 2])
def test_the_threads_there_are_take_all_where_no_more_can_be_started(
    backend: Backend, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    give_threads(monkeypatch, most)

    async def pause() -> None:
        await anyio.sleep(0.02)

    flow = FlowBuilder("short")
    for number in range(8):
        flow.step(lambda: time.sleep(0.005), name=f"first{number}")
    # Meanwhile the threads fall asleep, and have to be woken.
    flow.then(pause)
    flow.then(lambda: "done", name="last")
    assert run(flow.build(), backend=backend).value == {"last": "done"}


def test_no_thread_at_all_is_an_error(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    give_threads(monkeypatch, 0)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        run(FlowBuilder("short").step(lambda: 1, name="one").build(), backend=backend)
