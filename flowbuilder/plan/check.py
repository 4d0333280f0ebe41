"""Checks of a plan: plain contradictions that would only show while running."""

from __future__ import annotations

import inspect
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flowbuilder.declare.definitions import ATTRIBUTE, NOTHING, Definition, ProviderDefinition, StepDefinition
from flowbuilder.declare.signature import read_signature, unwrapped
from flowbuilder.declare.words import refuse_uneven
from flowbuilder.errors import PlanError, UnknownNameError, shown_value
from flowbuilder.plan.agree import contradicts, has_no_items, item_of
from flowbuilder.plan.annotations import Annotations, list_of, type_name
from flowbuilder.plan.fits import is_listed
from flowbuilder.plan.pieces import Binding, Kind, PlannedInput, PlannedStep


class Checks:
    """Checks definitions in their places."""

    def __init__(self, executors: frozenset[str], annotations: Annotations) -> None:
        self._executors = executors
        self._annotations = annotations
        self._agreeing: set[tuple[int, int]] = set()

    def provider(self, definition: ProviderDefinition, bindings: Iterable[Binding]) -> None:
        """Refuse a provider that asks for what only a step has."""
        if any(binding.kind is Kind.CONTEXT for binding in bindings):
            raise PlanError(
                f"the provider {shown_value(definition.name)} requests ctx",
                where=definition.where,
                allowed="a provider may request providers and inputs",
            )

    def step(self, planned: PlannedStep, definition: StepDefinition) -> None:
        """Refuse an unknown executor, async functions of a plain step, and what cannot be sent to a worker."""
        if planned.executor not in self._executors:
            raise UnknownNameError("executor", planned.executor, sorted(self._executors - {"loop"}), definition.where)
        if definition.when or definition.until or definition.undo or callable(definition.on_error):
            self._of_one_colour(definition)
        if planned.each and any(one.wants_result for one in planned.each):
            raise PlanError(
                f"each= gives {shown_value(definition.name)} values, not results",
                where=definition.where,
                allowed="StepResult[…] for a parameter that takes a whole step",
            )
        if planned.executor == "process":
            self._sendable(planned, definition)

    def _of_one_colour(self, definition: StepDefinition) -> None:
        beside = {"when": definition.when, "on_error": definition.on_error, "undo": definition.undo}
        beside["until"] = definition.until.predicate if definition.until else None
        for word, fn in beside.items():
            if callable(fn) and not definition.is_async and read_signature(fn, definition.where).is_async:
                raise PlanError(
                    f"{shown_value(definition.name)} is a plain def, but its {word}= is async",
                    where=definition.where,
                    hint="make both async def, or both def",
                )

    def is_passed_by(self, definition: Definition) -> bool:
        """Return whether a decorator stands above FlowBuilder's own, at module level, and so is never called."""
        fn: Any = definition.fn
        if not isinstance(fn, types.FunctionType):
            return False
        found = getattr(sys.modules.get(definition.module), fn.__name__, None)
        return found is not fn and getattr(found, ATTRIBUTE, None) is definition and _is_same(found, fn)

    def _sendable(self, planned: PlannedStep, definition: StepDefinition) -> None:
        why, hint = _unsendable(unwrapped(definition.fn)) if definition.fn else ("", "")
        provided = [one.source for one in planned.bindings if one.kind is Kind.PROVIDER]
        if not why and provided:
            why, hint = f"it requests the provider {shown_value(provided[0])}", "open it in the step"
        if why:
            raise PlanError(
                f"{shown_value(planned.name)} cannot run in a worker process: {why}",
                where=definition.where,
                hint=f'{hint}, or use executor="thread"',
            )

    def steps(
        self, steps: Iterable[PlannedStep], by_name: Mapping[str, Any], inputs: Mapping[str, PlannedInput]
    ) -> None:
        """Refuse edges whose two annotations plainly contradict each other, and sources of uneven length.

        ``by_name`` are the steps, and may have providers among them.
        """
        notes = self._annotations
        for step in steps:
            wanted = notes.notes(step.definition.fn).of if notes.are_any else NOTHING
            for parameter, kind, source, _, wants_result, _ in step.bindings if wanted else ():
                if kind is Kind.STEP and not wants_result and parameter in wanted:
                    self._edge(by_name[source], step, parameter, wanted[parameter])
            if step.each:
                self._each(step, by_name, inputs)

    def _edge(self, source: PlannedStep, target: PlannedStep, parameter: str, wanted: Any) -> None:
        given = self._gives(source)
        # Annotations are kept, so that each stands for its id; but for those that are made for a mapped step.
        pair = (id(given), id(wanted))
        if pair in self._agreeing and not source.mapped:
            return
        if contradicts(given, wanted):
            gives = f"{type_name(given)}, one result for each item" if source.mapped else type_name(given)
            raise PlanError(
                f"{shown_value(target.name)} wants {parameter}: {type_name(wanted)},"
                f" but {shown_value(source.name)} gives {gives}",
                where=target.definition.where,
                allowed=f"{parameter}: {type_name(given)}",
            )
        if not source.mapped:
            self._agreeing.add(pair)

    def _gives(self, source: PlannedStep) -> Any:
        """Return the annotation of what a step gives to whoever takes all of it."""
        definition = source.definition
        given = self._annotations.of(definition.fn, "return")
        if callable(getattr(definition, "on_error", None)):
            given = Any  # what the rescue returns may be of another type
        return list_of(given) if source.mapped else given

    def _each(self, step: PlannedStep, by_name: Mapping[str, PlannedStep], inputs: Mapping[str, PlannedInput]) -> None:
        lengths: dict[str, int] = {}
        for one in step.each:
            if one.kind is Kind.STEP:
                self._items(by_name[one.source], step, one.parameter)
                continue
            value = inputs[one.source].value if one.kind is Kind.INPUT else one.value
            if one.kind is Kind.INPUT and inputs[one.source].origin == "missing":
                continue
            if not is_listed(value):
                raise PlanError(
                    f"{shown_value(step.name)} is called once per item of {shown_value(one.source)}, which is no list",
                    where=step.definition.where,
                    got=shown_value(value),
                    allowed="a list, a tuple, or what else has a length and an order",
                )
            lengths[one.parameter] = len(value)
        refuse_uneven(lengths, step.definition.where)

    def _items(self, source: PlannedStep, target: PlannedStep, parameter: str) -> None:
        given = self._gives(source)
        wanted = self._annotations.of(target.definition.fn, parameter)
        what = f"{shown_value(target.name)} is called once per item of {shown_value(source.name)}"
        if has_no_items(given):
            raise PlanError(
                f"{what}, which gives {type_name(given)}",
                where=target.definition.where,
                allowed=f"a step that returns a list, as in -> list[{type_name(wanted or Any)}]",
            )
        if contradicts(item_of(given), wanted):
            raise PlanError(
                f"{what}, which are {type_name(item_of(given))}, and wants {parameter}: {type_name(wanted)}",
                where=target.definition.where,
                allowed=f"{parameter}: {type_name(item_of(given))}",
            )


def _unsendable(fn: Callable[..., Any]) -> tuple[str, str]:
    """Return why a worker process could not import a function, and what to do; empty where it can."""
    module, qualname = getattr(fn, "__module__", ""), getattr(fn, "__qualname__", "")
    if inspect.ismethod(fn):
        return "it is a method of an object", "make it a function"
    if module == "__main__":
        return "it is defined in __main__", "move it to a module that can be imported"
    if "<lambda>" in qualname:
        return "it is a lambda", "make it a def at the top of its module"
    if "<" in qualname:
        return "it is defined inside a function", "move it to the top of its module"
    found: Any = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    if found is not None and not _is_same(found, fn):
        return f"{module}.{qualname} is another function by now", "give each def a name of its own"
    return "", ""


def _is_same(found: Any, fn: Any) -> bool:
    """Return whether a decorator above ``@step`` may have made ``found`` of ``fn``."""
    while found is not fn and hasattr(found, "__wrapped__"):
        found = found.__wrapped__
    return found is fn
