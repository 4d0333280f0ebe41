"""Execute: one run on an engine of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.lowlevel
import pluggy

from flowbuilder.engine.conduct import Conduct
from flowbuilder.engine.drive import Driver
from flowbuilder.engine.engine import Limits
from flowbuilder.engine.journal import Journal
from flowbuilder.engine.lanes.base import LaneFactory
from flowbuilder.engine.policies import Fifo
from flowbuilder.engine.views import RunInfo
from flowbuilder.results import RunResult


@dataclass(slots=True, eq=False)
class Stop:
    """How a program outside the loop, such as a signal handler, stops a run."""

    reason: str = ""
    told: Callable[[str], None] = field(default=lambda reason: None)

    def __call__(self, reason: str) -> None:
        """Ask the run to cancel; safe from a signal handler, since no lock is taken."""
        self.reason = self.reason or reason
        self.told(self.reason)


async def execute(
    info: RunInfo,
    host: pluggy.PluginManager,
    factories: Mapping[str, LaneFactory],
    stop: Stop | None = None,
    journal: Journal | None = None,
) -> RunResult[Any]:
    """Run a plan to its end and return the result; failures are data in it. A ``journal`` writes it down.

    When the caller is cancelled, by a scope or by its event loop, what runs is cancelled and torn
    down first, within the grace period; then the cancellation goes on.
    """
    # Whoever is cancelled already gets no run at all.
    await anyio.lowlevel.checkpoint_if_cancelled()
    limits = Limits(info.config.max_concurrency, info.config.resources or {}, Fifo(), is_timed=False)
    driver = Driver(host, factories, limits, journal)
    try:
        async with anyio.create_task_group() as group:
            try:
                group.start_soon(driver.serve, name="flowbuilder")
                conduct = driver.submit(info)
                await _seen_through(conduct, stop)
            finally:
                driver.close()
    except BaseExceptionGroup as several:
        raise alone(several) from None
    return conduct.result


async def _seen_through(conduct: Conduct, stop: Stop | None) -> None:
    if stop is not None:
        stop.told = conduct.stop
        if stop.reason:
            conduct.stop(stop.reason)
    try:
        await conduct.finished.wait()
    except BaseException:  # a cancellation, which asyncio and trio each have their own class for
        conduct.stop("its caller was cancelled")
        raise


def alone(error: BaseException) -> BaseException:
    """Return the one error in nested groups of one: an internal error is worth seeing as it is."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
