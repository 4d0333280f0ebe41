"""A call in a thread of its own: awaited, or left to itself and then undone."""

from __future__ import annotations

import threading
import time

import anyio
import pytest

from flowbuilder.engine.aside import Aside
from tests.conftest import InLoop


@pytest.mark.parametrize("ends", ["before the cancellation", "after it"])
def test_what_nobody_waits_for_any_more_is_undone_once(in_loop: InLoop, ends: str) -> None:
    begun, go_on, ended, undone = threading.Event(), threading.Event(), threading.Event(), threading.Event()
    undos: list[str] = []

    def call() -> str:
        begun.set()
        assert go_on.wait(5)
        ended.set()
        return "value"

    def undo() -> None:
        undos.append(threading.current_thread().name)
        undone.set()

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(Aside(call, undo))
            while not begun.is_set():
                await anyio.sleep(0.001)
            if ends == "before the cancellation":
                # The loop is blocked meanwhile, so that it hears of both at once.
                go_on.set()
                assert ended.wait(5)
                time.sleep(0.05)
            group.cancel_scope.cancel()
        go_on.set()

    in_loop(main)
    assert undone.wait(5)
    assert undos == ["flowbuilder-aside"]
