"""Bind: finds for each parameter of a definition where its value comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from flowbuilder.declare.definitions import (
    Definition,
    ProviderDefinition,
    StepDefinition,
    WorkflowDefinition,
)
from flowbuilder.declare.signature import Parameter, read_signature, wants_result
from flowbuilder.errors import PlanError, shown, shown_value
from flowbuilder.plan.annotations import Annotations
from flowbuilder.plan.inputs import Inputs, Request
from flowbuilder.plan.names import Names
from flowbuilder.plan.overrides import Overrides
from flowbuilder.plan.pieces import Binding, Kind
from flowbuilder.plan.scope import Scope
from flowbuilder.results import Status, StepResult

NOTHING_BESIDE: Mapping[str, Kind] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Known:
    """What one planning knows and finds out, shared by all its binders."""

    scope: Scope
    inputs: Inputs
    overrides: Overrides
    names: Names
    annotations: Annotations
    warnings: list[str]


class Binder:
    """Binds the parameters of one definition; ``needed`` are the definitions it waits for."""

    __slots__ = ("_known", "_requester", "needed")

    def __init__(self, known: Known, requester: Definition) -> None:
        self._known = known
        self._requester = requester
        self.needed: dict[Definition, None] = {}

    def bind(self, parameter: Parameter, fn: Callable[..., Any] | None) -> Binding:
        """Return where the value of a parameter of ``fn`` comes from.

        Raises:
            PlanError: when what has its name cannot be requested.
        """
        known, requester, name = self._known, self._requester, parameter.name
        wired = requester.needs.get(name) if isinstance(requester, StepDefinition) and fn is requester.fn else None
        found = known.scope.find(name, requester) if wired is None else known.scope.step(wired, requester)
        if found is not None:
            if wired is None and parameter.has_default and known.scope.is_outer(name, requester):
                known.warnings.append(
                    f"{shown(requester.name)}: the parameter {name!r} has a default, but is filled by"
                    f" {shown_value(found.name)} of {found.where}"
                )
            return self._bound(parameter, found, fn)
        if name == "ctx":
            return Binding(name, Kind.CONTEXT)
        known.inputs.request(name, Request(requester, fn, name, parameter.has_default))
        return Binding(name, Kind.INPUT, name, parameter.has_default)

    def bind_each(self, parameter: str, source: Any) -> Binding:
        """Return where the items of a mapped parameter come from.

        Raises:
            PlanError: when the source can have no items.
        """
        known, requester = self._known, self._requester
        if isinstance(source, tuple):
            return Binding(parameter, Kind.VALUE, value=source)
        found = known.scope.of(source, requester)
        if found is None:
            known.inputs.request(source, Request(requester, requester.fn, parameter, mapped=True))
            return Binding(parameter, Kind.INPUT, source)
        if isinstance(found, ProviderDefinition):
            raise PlanError(
                f"each= of {shown_value(requester.name)} names the provider {shown_value(found.name)}",
                where=requester.where,
                allowed="a step, an input, or a list",
            )
        return self._bound(Parameter(parameter, False), found, requester.fn)

    def bind_function(
        self, fn: Callable[..., Any] | None, own: Iterable[Binding], beside: Mapping[str, Kind] = NOTHING_BESIDE
    ) -> tuple[Binding, ...]:
        """Bind a function that stands beside a step's body, such as its predicate or rescue.

        What only such a function has, ``beside``, goes first; then the step's own parameters; the rest is as a step's.
        """
        if fn is None:
            return ()
        by_parameter = {one.parameter: one for one in own}
        return tuple(
            Binding(name, beside[name], has_default=has_default)
            if name in beside
            else by_parameter.get(name) or self.bind(Parameter(name, has_default), fn)
            for name, has_default in read_signature(fn, self._requester.where).parameters
        )

    def order(self, things: Iterable[Any]) -> list[str]:
        """Return the names of the steps that end first; overridden ones need no waiting for.

        Raises:
            UnknownNameError: for a name that nothing has.
            PlanError: for what is no step.
        """
        found: dict[str, None] = {}
        for thing in things:
            one = self._known.scope.step(thing, self._requester)
            if self._known.overrides.has(one):
                self._known.overrides.value(one)
                continue
            found[self._request(one)] = None
        return list(found)

    def _bound(self, parameter: Parameter, found: Definition, fn: Callable[..., Any] | None) -> Binding:
        known, name = self._known, parameter.name
        wants = wants_result(known.annotations.of(fn, name))
        if known.overrides.has(found):
            value = known.overrides.value(found)
            settled = StepResult(found.name, Status.SUCCESS, value) if wants else value
            return Binding(name, Kind.VALUE, found.name, value=settled)
        if isinstance(found, ProviderDefinition):
            self.needed[found] = None
            return Binding(name, Kind.PROVIDER, known.names.of(found))
        return Binding(name, Kind.STEP, self._request(found), parameter.has_default, wants)

    def _request(self, found: Definition) -> str:
        """Note that a step is waited for, and return its name."""
        requester = self._requester
        if isinstance(found, WorkflowDefinition) and found is not requester:
            raise PlanError(
                f"{shown_value(requester.name)} requests the workflow {shown_value(found.name)}:"
                " only steps and providers can be requested",
                where=requester.where,
                hint="request the steps of that workflow",
            )
        if isinstance(found, ProviderDefinition):
            raise PlanError(
                f"{shown_value(requester.name)} is ordered after the provider {shown_value(found.name)}",
                where=requester.where,
                allowed="steps",
                hint="a provider is there before whoever requests it",
            )
        if isinstance(requester, ProviderDefinition):
            raise PlanError(
                f"the provider {shown_value(requester.name)} requests the step {shown_value(found.name)}",
                where=requester.where,
                allowed="a provider may request providers and inputs",
            )
        self.needed[found] = None
        return self._known.names.of(found)
