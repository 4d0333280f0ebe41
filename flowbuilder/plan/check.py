"""Checks of a plan: plain contradictions that would only show while running."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from flowbuilder.declare.definitions import Definition, ProviderDefinition, StepDefinition
from flowbuilder.declare.signature import annotations_of, unwrapped
from flowbuilder.errors import PlanError, UnknownNameError, shown
from flowbuilder.plan.pieces import Binding, Kind, PlannedStep

# Types that plainly are, or are not, one another; any other annotation is left to run time.
PLAIN = frozenset({int, float, bool, str, bytes, list, dict, tuple, set, Path})


class Checks:
    """Checks definitions in their places; reads each function's annotations once."""

    def __init__(self, executors: frozenset[str]) -> None:
        self._executors = executors
        self._annotations: dict[int, dict[str, Any]] = {}

    def annotation(self, definition: Definition, name: str) -> Any:
        """Return the annotation of one parameter, or of ``return``; None where there is none."""
        if definition.fn is None:
            return None
        fn = unwrapped(definition.fn)
        if not getattr(fn, "__annotations__", None) and not hasattr(fn, "__wrapped__"):
            return None
        known = self._annotations.get(id(fn))
        if known is None:
            known = self._annotations[id(fn)] = annotations_of(fn)
        return known.get(name)

    def provider(self, definition: ProviderDefinition, bindings: Iterable[Binding]) -> None:
        """Refuse a provider that asks for what only a step has."""
        for binding in bindings:
            if binding.kind is Kind.CONTEXT:
                raise PlanError(
                    f"the provider {shown(definition.name)!r} requests ctx",
                    where=definition.where,
                    allowed="a provider may request providers and inputs",
                )

    def colour(self, definition: StepDefinition, fn: Callable[..., Any], is_async: bool) -> None:
        """Refuse an async predicate or rescue of a plain step."""
        if is_async and not definition.is_async:
            raise PlanError(
                f"{shown(definition.name)!r} is a plain def, but {getattr(fn, '__name__', 'its predicate')!r} is async",
                where=definition.where,
                hint="make both async def, or both def",
            )

    def step(self, planned: PlannedStep) -> None:
        """Refuse an unknown executor and a process step that cannot be sent."""
        if planned.executor not in self._executors:
            raise UnknownNameError("executor", planned.executor, self._executors - {"loop"}, planned.definition.where)
        if planned.executor == "process":
            self._sendable(planned)

    def _sendable(self, planned: PlannedStep) -> None:
        fn = unwrapped(planned.definition.fn) if planned.definition.fn else None
        qualname, module = getattr(fn, "__qualname__", ""), getattr(fn, "__module__", "")
        if module == "__main__":
            raise self._not_sent(planned, "it is defined in __main__", "move it to a module that can be imported")
        if "<" in qualname:
            raise self._not_sent(planned, "it is defined inside a function", "move it to the top of its module")
        if planned.providers:
            raise self._not_sent(planned, f"it requests the provider {planned.providers[0]!r}", "open it in the step")

    @staticmethod
    def _not_sent(planned: PlannedStep, why: str, hint: str) -> PlanError:
        return PlanError(
            f"{shown(planned.name)!r} cannot run in a worker process: {why}",
            where=planned.definition.where,
            hint=f'{hint}, or use executor="thread"',
        )

    def edges(self, steps: Iterable[PlannedStep]) -> None:
        """Refuse edges whose two annotations plainly contradict each other."""
        by_name = {step.name: step for step in steps}
        for step in by_name.values():
            for binding in step.bindings:
                if binding.kind is Kind.STEP and not binding.wants_result:
                    self._edge(by_name[binding.source], step, binding.parameter)

    def _edge(self, source: PlannedStep, target: PlannedStep, parameter: str) -> None:
        wanted = self.annotation(target.definition, parameter)
        plain = typing.get_origin(wanted) or wanted
        if not isinstance(plain, type):
            return
        if source.mapped:
            if plain in (PLAIN - {list}) or _holds_no_list(plain):
                raise self._contradiction(source, target, parameter, "a list, one result for each item", "list[…]")
            return
        given = self.annotation(source.definition, "return")
        given = typing.get_origin(given) or given
        if plain not in PLAIN or given not in PLAIN or issubclass(given, plain):
            return
        if not (plain is float and given is int):
            raise self._contradiction(source, target, parameter, given.__name__, given.__name__)

    def _contradiction(
        self, source: PlannedStep, target: PlannedStep, parameter: str, gives: str, allowed: str
    ) -> PlanError:
        wanted = self.annotation(target.definition, parameter)
        return PlanError(
            f"{shown(target.name)!r} wants {parameter}: {getattr(wanted, '__name__', wanted)},"
            f" but {shown(source.name)!r} gives {gives}",
            where=target.definition.where,
            allowed=f"{parameter}: {allowed}",
        )


def _holds_no_list(plain: type) -> bool:
    """Return whether a list can never be an instance of this ordinary class."""
    if plain is object or getattr(plain, "_is_protocol", False):
        return False
    try:
        return not issubclass(list, plain)
    except TypeError:
        return False
