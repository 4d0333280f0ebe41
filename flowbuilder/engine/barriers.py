"""Barriers: holds the steps of a batch back until the batch before has ended; pure."""

from __future__ import annotations

from collections.abc import Sequence


class Barriers:
    """The batches of ``schedule="batches"``, of which one is open at a time.

    Args:
        batches: groups of steps, as their unit numbers.
    """

    def __init__(self, batches: Sequence[Sequence[int]]) -> None:
        self.current = 0
        self._batch_of = {unit: number for number, batch in enumerate(batches) for unit in batch}
        self._open = [len(batch) for batch in batches]
        self._held: list[list[int]] = [[] for _ in batches]

    def hold(self, step: int) -> bool:
        """Keep a step that is ready before its batch, and return whether it is."""
        batch = self._batch_of[step]
        if batch <= self.current:
            return False
        self._held[batch].append(step)
        return True

    def end(self, step: int) -> None:
        """Count a step that has ended; ``advance`` says what follows."""
        self._open[self._batch_of[step]] -= 1

    @property
    def finished(self) -> bool:
        """Whether every step of the current batch has ended."""
        return self.current < len(self._open) and not self._open[self.current]

    def advance(self) -> Sequence[int] | None:
        """Open the next batch and return the steps held for it; None after the last."""
        self.current += 1
        return self._held[self.current] if self.current < len(self._held) else None
