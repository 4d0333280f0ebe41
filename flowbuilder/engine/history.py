"""History: how long the steps of workflows took, for the forecasts of their next runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowbuilder.results import RunResult, Status, StepResult

WEIGHT = 0.5  # of the newest run beside all before it


class History:
    """The past durations of the steps of each workflow, in seconds, newer ones weighing more.

    They live as long as the scheduler, and may start from those of runs that are kept; a step of
    another workflow with the same name is another step.
    """

    def __init__(self) -> None:
        self._of: dict[str, dict[str, float]] = {}

    def durations(self, workflow: str) -> Mapping[str, float]:
        """Return how long each step of a workflow takes, as far as it is known; one item of a mapped step."""
        return self._of.get(workflow, {})

    def knows(self, workflow: str) -> bool:
        """Return whether anything was said of a workflow."""
        return workflow in self._of

    def start_from(self, workflow: str, durations: Mapping[str, float]) -> None:
        """Take what earlier processes know of a workflow, unless one of its runs has ended meanwhile."""
        self._of.setdefault(workflow, dict(durations))

    def note(self, result: RunResult[Any]) -> None:
        """Take the durations of a run that has ended."""
        known = self._of.setdefault(result.workflow, {})
        for name, step in result.steps.items():
            seconds = _seconds(step)
            if seconds is not None:
                known[name] = seconds if name not in known else (1 - WEIGHT) * known[name] + WEIGHT * seconds


def _seconds(step: StepResult[Any]) -> float | None:
    if step.items is not None:
        known = [one for item in step.items if (one := _seconds(item)) is not None]
        return sum(known) / len(known) if known else None
    return step.duration if step.status is Status.SUCCESS else None
