"""WaitingTimes: how long units waited to start; pure."""

from __future__ import annotations


class WaitingTimes:
    """How long units waited to start: all of it, and the longest, in seconds."""

    __slots__ = ("longest", "total")

    def __init__(self) -> None:
        self.total = 0.0
        self.longest = 0.0

    def add(self, seconds: float) -> None:
        """Add what one unit waited."""
        self.total += seconds
        if seconds > self.longest:
            self.longest = seconds
