"""Reports: how far a body is, as it says it, told now and then."""

from __future__ import annotations

import time
from collections.abc import Callable

EVERY = 0.1  # seconds


class Reports:
    """Passes on the first report, the last one, and of those between one in a tenth of a second.

    Args:
        tell: takes how much is done, and of how much where that is known.
    """

    __slots__ = ("_last", "_tell")

    def __init__(self, tell: Callable[[float, float | None], None]) -> None:
        self._tell = tell
        self._last = -EVERY

    def __call__(self, done: float, total: float | None) -> None:
        """Take a report, and pass it on where it is time."""
        now = time.monotonic()
        if done == total or now - self._last >= EVERY:
            self._last = now
            self._tell(done, total)
