"""Reach: how far the value of an input goes in a plan."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from flowbuilder.plan.pieces import Binding, Kind, PlannedStep
from flowbuilder.plan.plan import Plan


def steps_made_of(name: str, plan: Plan) -> Iterator[str]:
    """Yield the steps whose results the value of an input may be in, in the order of the plan.

    They take it themselves, from a provider, or from a step. Whoever has ``ctx`` may read any input there.
    """
    providers: set[str] = set()
    steps: set[str] = set()
    for one in plan.providers.values():
        if _reaches(name, one.bindings, providers, steps):
            providers.add(one.name)
    for step in plan.steps:
        if _reaches(name, _bindings(step), providers, steps) or not providers.isdisjoint(step.providers):
            steps.add(step.name)
            yield step.name


def _bindings(step: PlannedStep) -> Iterator[Binding]:
    for bindings in (step.bindings, step.each, step.when, step.until, step.on_error):
        yield from bindings


def _reaches(name: str, bindings: Iterable[Binding], providers: Collection[str], steps: Collection[str]) -> bool:
    return any(
        one.kind is Kind.CONTEXT
        or (one.kind is Kind.INPUT and one.source == name)
        or (one.kind is Kind.PROVIDER and one.source in providers)
        or (one.kind is Kind.STEP and one.source in steps)
        for one in bindings
    )
