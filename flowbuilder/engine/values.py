"""Values: what the steps of a run returned, and what each parameter gets from where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowbuilder.engine.attempt import CONTEXT, MISSING, Attempt
from flowbuilder.engine.entries import State
from flowbuilder.engine.providers import Providers
from flowbuilder.engine.records import Records
from flowbuilder.engine.schedule import Schedule
from flowbuilder.engine.wiring import Wiring
from flowbuilder.plan.plan import Binding, Kind, Plan

Sources = tuple[int, dict[str, Sequence[Any]]]


class Values:
    """The values of a run's units; the run sets them under its lock, and a body's thread reads them.

    A unit's value is read only by units that start after it ended, so reading takes no lock.
    """

    def __init__(self, plan: Plan, wiring: Wiring, schedule: Schedule, records: Records, providers: Providers) -> None:
        self._inputs = plan.inputs
        self._wiring = wiring
        self._schedule = schedule
        self._records = records
        self._providers = providers
        self._values: list[Any] = [None] * len(wiring.steps)
        self._sources: dict[int, dict[str, Sequence[Any]]] = {}

    def keep(self, unit: int, value: Any) -> None:
        """Keep what a unit returned."""
        self._values[unit] = value

    def expand(self, unit: int, sources: Sources) -> int:
        """Keep what a mapped step is mapped over, and return how many items it has."""
        count, self._sources[unit] = sources
        self._values += [None] * count
        return count

    def value_of(self, binding: Binding, attempt: Attempt) -> Any:
        """Return the value of one parameter; MISSING where the parameter's default stands."""
        kind = binding.kind
        if kind is Kind.STEP:
            unit = self._wiring.shape.index[binding.source]
            if binding.wants_result:
                return self._records.of(unit)
            return self._values[unit] if self._schedule.state(unit) is State.SUCCESS else MISSING
        if kind is Kind.INPUT:
            given = self._inputs[binding.source]
            return MISSING if given.origin == "default" and binding.has_default else given.value
        if kind is Kind.ITEM:
            return self._item(binding, attempt)
        if kind is Kind.PROVIDER:
            return self._providers.value(binding.source)
        if kind is Kind.RESULT:
            return attempt.value
        if kind is Kind.PREVIOUS:
            return self._previous(binding, attempt)
        if kind is Kind.ERROR:
            return self._records.last_error(attempt.unit)
        return CONTEXT if kind is Kind.CONTEXT else binding.value

    def _previous(self, binding: Binding, attempt: Attempt) -> Any:
        """Return what the round before returned; in the first one the parameter's default, or None."""
        if attempt.round > 1:
            return self._values[attempt.unit]
        return MISSING if binding.has_default else None

    def _item(self, binding: Binding, attempt: Attempt) -> Any:
        parent, index = self._schedule.parent(attempt.unit), attempt.info.item or 0
        plain = self._sources[parent].get(binding.parameter)
        if plain is not None:
            return plain[index]
        source = next(one.source for one in attempt.step.each if one.parameter == binding.parameter)
        return self._values[self._schedule.items(self._wiring.shape.index[source])[index]]

    def items_of(self, attempt: Attempt) -> Sources:
        """Return how many items a mapped step has, and the values of those not mapped themselves.

        Raises:
            TypeError, ValueError: when a source is no list, or the lengths differ.
        """
        lengths: dict[str, int] = {}
        plain: dict[str, Sequence[Any]] = {}
        for one in attempt.step.each:
            unit = self._wiring.shape.index[one.source] if one.kind is Kind.STEP else -1
            if unit >= 0 and self._wiring.steps[unit].mapped:
                lengths[one.parameter] = len(self._schedule.items(unit))
            else:
                plain[one.parameter] = _listed(self.value_of(one, attempt), one)
                lengths[one.parameter] = len(plain[one.parameter])
        if len(set(lengths.values())) > 1:
            text = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            raise ValueError(f"the sources of each= have different lengths: {text}")
        return next(iter(lengths.values())), plain


def _listed(value: Any, binding: Binding) -> Sequence[Any]:
    if isinstance(value, list | tuple | range):
        return value
    has_order = hasattr(value, "__len__") and not isinstance(value, str | bytes | set | frozenset | dict)
    if has_order and hasattr(value, "__iter__"):
        return list(value)
    hints: dict[Any, str] = {set: ": use sorted(…)", frozenset: ": use sorted(…)", dict: ": use list(….items())"}
    raise TypeError(
        f"each= maps {binding.parameter!r} over {binding.source or 'a value'!r}, which is no list"
        f" but {type(value).__name__}{hints.get(type(value), '')}"
    )
