"""Values: what each parameter of a step gets from where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flowbuilder.engine.attempt import MISSING, Attempt
from flowbuilder.engine.providers import Providers
from flowbuilder.engine.records import Records
from flowbuilder.plan.plan import Binding, Kind, Plan

Sources = tuple[int, dict[str, Sequence[Any]]]
STEP = Kind.STEP


class Values:
    """The arguments of a run's bodies, read in the bodies' threads.

    A unit's value is read only by units that start after it ended, so reading takes no lock.
    """

    def __init__(self, plan: Plan, records: Records, providers: Providers) -> None:
        self._inputs = plan.inputs
        self._steps = plan.steps
        self._index = plan.shape.index
        self._records = records
        self._providers = providers
        self._sources: dict[int, Mapping[str, Sequence[Any]]] = {}

    def expand(self, unit: int, sources: Sources) -> int:
        """Keep what a mapped step is mapped over, and return how many items it has."""
        count, self._sources[unit] = sources
        return count

    def arguments(self, bindings: Sequence[Binding], attempt: Attempt) -> dict[str, Any]:
        """Return the arguments for some bindings of a unit; a parameter whose default stands is left out."""
        values, index = self._records.values, self._index
        found: dict[str, Any] = {}
        for binding in bindings:
            parameter, kind, source, _, wants_result, _ = binding
            is_value = kind is STEP and not wants_result  # as most are
            value = values[index[source]] if is_value else self._value_of(binding, attempt)
            if value is not MISSING:
                found[parameter] = value
        return found

    def values_of(self, bindings: Sequence[Binding]) -> dict[str, Any]:
        """Return the same for bindings that all are values of steps, without defaults."""
        values, index = self._records.values, self._index
        return {one[0]: values[index[one[2]]] for one in bindings}

    def _value_of(self, binding: Binding, attempt: Attempt) -> Any:
        """Return the value of one parameter; MISSING where its default stands."""
        kind = binding.kind
        if kind is STEP:
            unit = self._index[binding.source]
            return self._records.of(unit) if binding.wants_result else self._records.values[unit]
        if kind is Kind.INPUT:
            given = self._inputs[binding.source]
            return MISSING if given.origin == "default" and binding.has_default else given.value
        if kind is Kind.ITEM:
            return self._item(binding, attempt)
        if kind is Kind.PROVIDER:
            return self._providers.value(binding.source, attempt)
        if kind is Kind.RESULT:
            return attempt.value
        if kind is Kind.PREVIOUS:
            return self._previous(binding, attempt)
        if kind is Kind.ERROR:
            return self._records.last_error(attempt.unit)
        return attempt.context if kind is Kind.CONTEXT else binding.value

    def _previous(self, binding: Binding, attempt: Attempt) -> Any:
        """Return what the round before returned; in the first one the parameter's default, or None."""
        if attempt.round > 1:
            return self._records.values[attempt.unit]
        return MISSING if binding.has_default else None

    def _item(self, binding: Binding, attempt: Attempt) -> Any:
        mapped = self._index[attempt.step.name]
        index = attempt.unit - self._records.items(mapped).start
        plain = self._sources[mapped].get(binding.parameter)
        if plain is not None:
            return plain[index]
        source = next(one.source for one in attempt.step.each if one.parameter == binding.parameter)
        return self._records.values[self._records.items(self._index[source])[index]]

    def items_of(self, attempt: Attempt) -> Sources:
        """Return how many items a mapped step has, and the values of those not mapped themselves.

        Raises:
            TypeError, ValueError: when a source is no list, or the lengths differ.
        """
        lengths: dict[str, int] = {}
        plain: dict[str, Sequence[Any]] = {}
        for one in attempt.step.each:
            unit = self._index[one.source] if one.kind is STEP else -1
            if unit >= 0 and self._steps[unit].mapped:
                lengths[one.parameter] = len(self._records.items(unit))
            else:
                plain[one.parameter] = _listed(self._value_of(one, attempt), one)
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
    raise TypeError(
        f"each= maps {binding.parameter!r} over {binding.source or 'a value'!r}, which is no list"
        f" but {type(value).__name__}{_what_to_do(value)}"
    )


def _what_to_do(value: Any) -> str:
    if value is None:
        return ": return a list, an empty one where there is nothing to map over"
    if hasattr(value, "__next__"):
        return ": use list(…), since how many items there are must be known"
    if hasattr(value, "__anext__"):
        return ": use [one async for one in …]"
    hints: dict[Any, str] = {set: ": use sorted(…)", frozenset: ": use sorted(…)", dict: ": use list(….items())"}
    return hints.get(type(value), "")
