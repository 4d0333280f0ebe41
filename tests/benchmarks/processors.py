"""Processors: how many of them others use, since a figure says little where a measured process had to share."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

STAT = Path("/proc/stat")


class Others:
    """Watches from when it is made; on Linux only, elsewhere it sees nobody."""

    def __init__(self) -> None:
        self._begun, self._busy, self._own = time.perf_counter(), _busy(), _own()

    def used(self) -> float:
        """Return how many processors others used since then."""
        seconds = time.perf_counter() - self._begun
        return max(0.0, (_busy() - self._busy - (_own() - self._own)) / seconds)


def wait_for_quiet(share: float, patience: float) -> float:
    """Wait until others use less than ``share`` of a processor, and return the seconds of patience that are left."""
    while patience > 0:
        begun, others = time.perf_counter(), Others()
        time.sleep(0.2)
        if others.used() < share:
            return patience
        patience -= time.perf_counter() - begun
    return 0.0


def _busy() -> float:
    """Return the seconds that all processors together have worked since the machine started."""
    if not STAT.exists():
        return _own()
    user, nice, system, _, _, irq, softirq, steal = map(int, STAT.read_text().split(maxsplit=9)[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _own() -> float:
    """Return the seconds that this process and those it has waited for have worked."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )
