"""A run with every kind of step that goes on until it is cancelled, and what its end must look like."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Iterator

import anyio
import anyio.to_thread

from flowbuilder import Context, Registry
from flowbuilder.testing import Recorder

LONG = 6.0


class Running:
    """Says when the bodies that report to it have all begun."""

    def __init__(self, wanted: int) -> None:
        self._left = threading.Semaphore(0)
        self._wanted = wanted

    def report(self) -> None:
        self._left.release()

    def wait(self) -> None:
        for _ in range(self._wanted):
            assert self._left.acquire(timeout=10)

    async def wait_async(self) -> None:
        await anyio.to_thread.run_sync(self.wait)


def mixed(running: Running, cleaned: list[str]) -> Registry:
    """Return a workflow "whole" with an async and a plain step that run for long, each with a provider."""
    flows = Registry()

    @flows.provider
    def plain_api() -> Iterator[str]:
        yield "api"
        cleaned.append("plain_api")

    @flows.provider
    async def async_api(plain_api: str) -> AsyncIterator[str]:
        yield plain_api
        await anyio.sleep(0.001)
        cleaned.append("async_api")

    @flows.step
    async def looped(async_api: str) -> None:
        running.report()
        try:
            await anyio.sleep(LONG)
        finally:
            cleaned.append("looped")

    @flows.step
    def plain(plain_api: str, ctx: Context) -> None:
        running.report()
        while True:
            ctx.check_cancelled()
            time.sleep(0.001)

    @flows.step(after=(looped,))
    def below() -> None:
        raise AssertionError("nothing new starts")

    @flows.workflow(steps=[plain, below])
    def whole() -> None: ...

    return flows


def assert_all_ended(recorder: Recorder, cleaned: list[str]) -> None:
    assert cleaned == ["looped", "async_api", "plain_api"]
    assert recorder.of("looped") == ["start looped 1", "error looped cancelled"]
    assert recorder.of("plain") == ["start plain 1", "error plain cancelled"]
    assert recorder.told[-1] == "run_finish whole cancelled"
