"""InnerState: what a ``ctx.run`` or ``ctx.map`` keeps, as a run does, and what it has from the run around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flowbuilder.engine.attempt import Attempt
from flowbuilder.engine.inner_records import InnerRecords, InnerValues
from flowbuilder.engine.inner_schedule import InnerSchedule
from flowbuilder.engine.limits import Limit
from flowbuilder.engine.rounds import Rounds
from flowbuilder.engine.state import RunState
from flowbuilder.engine.views import StepInfo
from flowbuilder.plan.inner import InnerStep


class InnerState(RunState):
    """The state of one call. Of its units, and of no step of the plan, it says what a run's state says of steps.

    ``marks`` are what a journal keeps those units by that have not ended.

    Args:
        outer: the state of the run, or call, whose body it is in.
        planned: what its units are calls of.
        whole: what hooks see of it as a whole.
        schedule: decides what may start.
        resources: the limits its units may need, by name.
    """

    schedule: InnerSchedule
    records: InnerRecords
    values: InnerValues

    def __init__(
        self,
        outer: RunState,
        planned: InnerStep,
        whole: StepInfo,
        schedule: InnerSchedule,
        resources: Mapping[str, Limit],
    ) -> None:
        # Nothing of what the state of a run is made of is there: no plan of its own, nothing kept or due.
        self._outer = outer
        self.info, self.shared, self.relay = outer.info, outer.shared, outer.relay
        self.random, self.variables, self.providers = outer.random, outer.variables, outer.providers
        self.memory = outer.memory
        self.steps, self.shape, self.batches, self.resources = (planned.step,), planned.shape, (), resources
        self.schedule = schedule
        self.records = InnerRecords(whole, planned.step, outer.info.run_id)
        self.values = InnerValues(outer.info.plan, self.records, outer.providers)
        self.tries: dict[int, int] = {}
        self.rounds: dict[int, Rounds] = {}
        self.due: dict[int, float] = {}
        self.current: dict[int, Attempt] = {}
        self.marks: dict[int, Any] = {}
        # Whoever waits for the overdue threads of a run waits for these too.
        self.overdue = outer.overdue
        self.nested = outer.nested
        self.notes = outer.notes
        self.cancel_reason = ""
        self.is_timed_out = self.cancel_bodies = self.was_untimed = False

    @property
    def when_left(self) -> Callable[[], None] | None:
        """What is called when the last overdue body of the run has ended."""
        return self._outer.when_left

    @when_left.setter
    def when_left(self, call: Callable[[], None] | None) -> None:
        self._outer.when_left = call
