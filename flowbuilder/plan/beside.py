"""Beside: the functions that stand beside a step's body, and the parameters that each call of it fills anew."""

from __future__ import annotations

from collections.abc import Mapping

from flowbuilder.declare.definitions import NOTHING, StepDefinition
from flowbuilder.plan.bind import Binder
from flowbuilder.plan.pieces import Binding, Kind

Bindings = tuple[Binding, ...]


def given_anew(definition: StepDefinition) -> Mapping[str, Kind]:
    """Return the parameters of a step that each call of it fills anew: mapped ones, and the previous result."""
    if not definition.each and definition.until is None:
        return NOTHING
    given = dict.fromkeys(definition.each, Kind.ITEM)
    if definition.until is not None and "previous" not in definition.needs:
        given.setdefault("previous", Kind.PREVIOUS)
    return given


def bound_beside(definition: StepDefinition, binder: Binder, bindings: Bindings) -> tuple[Bindings, ...]:
    """Bind the functions that stand beside the body: ``when``, ``until``, ``on_error`` and ``undo``."""
    rescue = definition.on_error if callable(definition.on_error) else None
    if definition.when is None and definition.until is None and rescue is None and definition.undo is None:
        return (), (), (), ()
    when = binder.bind_function(definition.when, bindings)
    until = _until(definition, binder, bindings)
    on_error = binder.bind_function(rescue, bindings, {"error": Kind.ERROR})
    return when, until, on_error, binder.bind_function(definition.undo, bindings, _result_of(definition))


def _result_of(definition: StepDefinition) -> dict[str, Kind]:
    """Return the names under which a function beside the body finds what it returned."""
    return {definition.name: Kind.RESULT, "result": Kind.RESULT}


def _until(definition: StepDefinition, binder: Binder, bindings: Bindings) -> Bindings:
    if definition.until is None:
        return ()
    beside = _result_of(definition)
    if all(one.parameter != "previous" for one in bindings):
        beside["previous"] = Kind.PREVIOUS
    return binder.bind_function(definition.until.predicate, bindings, beside)
