"""InnerRecords: how the units of one ``ctx.run`` or ``ctx.map`` ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowbuilder.engine.attempt import MISSING, Attempt
from flowbuilder.engine.providers import Providers
from flowbuilder.engine.records import PLAIN, Ended, Records
from flowbuilder.engine.values import Values
from flowbuilder.engine.views import StepInfo
from flowbuilder.plan.pieces import Binding, Kind, PlannedStep
from flowbuilder.plan.plan import Plan

_ZERO = bytes(8)


class InnerRecords(Records):
    """A row for each unit, of some tens of bytes.

    Args:
        whole: what hooks see of it as a whole: its name says in which body it runs.
        step: what its units are calls of.
        run_id: of the run it belongs to.
    """

    def __init__(self, whole: StepInfo, step: PlannedStep, run_id: str) -> None:
        super().__init__((), run_id)
        self._call = whole
        self._step = step
        self.is_map = False

    def begin(self, value: Any = MISSING) -> None:
        """Keep a row for the next unit, with its ``value`` where that is known."""
        self.values.append(value)
        self._started.frombytes(_ZERO)
        self._lasted.frombytes(_ZERO)

    def info_of(self, unit: int) -> StepInfo:
        """Return what hooks see of a unit: the one of a ``ctx.run``, or the item of that number."""
        if not self.is_map:
            return self._call
        return StepInfo(f"{self._call.name}[{unit}]", self._step.definition, unit, None, self._call.parent)

    def row(self, unit: int) -> Ended:
        """Return how a unit ended."""
        return self._ended.get(unit, PLAIN)

    def skip_because(self, unit: int, cause: int, cancelled: str) -> None:
        """Record that a unit never started, since its body waits for it no more."""
        self.skip(unit, cancelled)


class InnerValues(Values):
    """The arguments of such units: those that the body gives each, and what comes from providers and inputs."""

    def __init__(self, plan: Plan, records: Records, providers: Providers) -> None:
        super().__init__(plan, records, providers)
        self.given: dict[int, Mapping[str, Any]] = {}

    def _value_of(self, binding: Binding, attempt: Attempt) -> Any:
        if binding.kind is Kind.ARGUMENT:
            return self.given[attempt.unit][binding.parameter]
        return super()._value_of(binding, attempt)
