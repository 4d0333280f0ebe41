"""Workflows of few steps for tests of many at once, and a gate that holds their bodies."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from threading import Event, Lock
from typing import Any

import anyio

from flowbuilder import FlowBuilder

PATIENCE = 10.0


def single(name: str, body: Callable[..., Any], *, step: dict[str, Any] | None = None, **words: Any) -> Any:
    """Return a workflow with one step "one"; ``step`` are the words of the step, the others of the workflow."""
    return replace(FlowBuilder(name).step(body, name="one", **(step or {})).build(), **words)


class Gate:
    """Holds bodies until it is opened, and knows how many have come."""

    def __init__(self) -> None:
        self.count = 0
        self._lock = Lock()
        self._opened = Event()

    def open(self) -> None:
        self._opened.set()

    def plain(self) -> str:
        """Be the body of a thread step."""
        self._enter()
        assert self._opened.wait(PATIENCE)
        return "plain"

    async def looped(self) -> str:
        """Be the body of an async step."""
        self._enter()
        with anyio.fail_after(PATIENCE):
            while not self._opened.is_set():
                await anyio.sleep(0.001)
        return "looped"

    async def came(self, count: int = 1) -> None:
        """Wait until so many bodies have come."""
        await until(lambda: self.count >= count)

    def came_sync(self, count: int = 1) -> None:
        """Do the same in a thread without a loop."""
        deadline = time.monotonic() + PATIENCE
        while self.count < count:
            assert time.monotonic() < deadline
            time.sleep(0.001)

    def _enter(self) -> None:
        with self._lock:
            self.count += 1


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds that nobody tells of."""
    with anyio.fail_after(PATIENCE):
        while not holds():
            await anyio.sleep(0.001)
