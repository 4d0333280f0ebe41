"""Stats: what a scheduler has counted, in numbers for its users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from flowbuilder.engine.drive import Counts
from flowbuilder.results import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceUse:
    """How much of a resource is held now, and on average since the scheduler started."""

    capacity: int
    held: int
    average: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerStats:
    """Counts of runs, and how the steps of all of them fared.

    ``steps_started`` counts attempts, items one by one; ``throughput`` is those in a second;
    ``mean_wait`` and ``longest_wait`` are the seconds from ready to started. ``max_concurrency`` is
    how many steps may run at once, now; None where only the lanes' own limits hold.
    """

    submitted: int
    running: int
    finished: int
    failed: int
    cancelled: int
    steps_started: int
    throughput: float
    mean_wait: float
    longest_wait: float
    resources: Mapping[str, ResourceUse]
    max_concurrency: int | None = None


def stats_of(counts: Counts, seconds: float) -> SchedulerStats:
    """Return the numbers of a scheduler that has been there for some seconds."""
    elapsed = max(seconds, 1e-9)
    return SchedulerStats(
        submitted=counts.submitted,
        running=counts.running,
        finished=sum(counts.ended.values()),
        failed=counts.ended.get(Status.FAILED, 0) + counts.ended.get(Status.TIMED_OUT, 0),
        cancelled=counts.ended.get(Status.CANCELLED, 0),
        steps_started=counts.starts,
        throughput=counts.starts / elapsed,
        mean_wait=counts.waited / max(counts.starts, 1),
        longest_wait=counts.longest_wait,
        resources=MappingProxyType(
            {
                name: ResourceUse(capacity=limit.capacity, held=limit.held, average=limit.used / elapsed)
                for name, limit in counts.resources.items()
            }
        ),
        max_concurrency=counts.limit,
    )
