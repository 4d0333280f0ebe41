"""Rounds: what a step with ``until`` has behind it."""

from __future__ import annotations

from typing import NamedTuple


class Rounds(NamedTuple):
    """``done`` rounds of a unit, which took so many ``attempts`` in all; retries count anew in each round."""

    done: int = 0
    attempts: int = 0

    def begun(self, attempts: int) -> int:
        """Return how many rounds have begun after so many ``attempts``."""
        return self.done + (attempts > self.attempts)


NO_ROUNDS = Rounds()
