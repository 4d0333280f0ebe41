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
from flowbuilder.errors import PlanError, listed, shown, shown_value
from flowbuilder.plan.annotations import Annotations
from flowbuilder.plan.home import Member
from flowbuilder.plan.homes import Homes
from flowbuilder.plan.inputs import Inputs, Request
from flowbuilder.plan.names import Names
from flowbuilder.plan.overrides import Overrides
from flowbuilder.plan.pieces import Binding, Kind
from flowbuilder.plan.scope import Scope
from flowbuilder.results import Status, StepResult

NOTHING_BESIDE: Mapping[str, Kind] = MappingProxyType({})


# What a workflow declares for its run as a whole; inside another one there is no such run.
RUN_WORDS = ("resources", "timeout", "config")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Known:
    """What one planning knows and finds out, shared by all its binders."""

    scope: Scope
    inputs: Inputs
    overrides: Overrides
    names: Names
    homes: Homes
    annotations: Annotations
    warnings: list[str]


class Binder:
    """Binds the parameters of one definition in its home; ``needed`` are those it waits for."""

    __slots__ = ("_known", "_member", "_requester", "needed")

    def __init__(self, known: Known, member: Member) -> None:
        self._known = known
        self._member = member
        self._requester = member.definition
        self.needed: dict[Member, None] = {}

    def bind(self, parameter: Parameter, fn: Callable[..., Any] | None) -> Binding:
        """Return where the value of a parameter of ``fn`` comes from.

        Raises:
            PlanError: when what has its name cannot be requested.
        """
        known, requester, name = self._known, self._requester, parameter.name
        wired = requester.needs.get(name) if isinstance(requester, StepDefinition) else None
        member = self._member
        found = known.scope.find(name, member) if wired is None else known.scope.step(wired, member)
        if found is not None:
            if wired is None and parameter.has_default and known.scope.is_outer(name, member):
                known.warnings.append(
                    f"{shown(member.label)}: the parameter {name!r} has a default, but is filled by"
                    f" {shown_value(found.name)} of {found.where}"
                )
            return self._bound(parameter, found, fn)
        if name == "ctx":
            return Binding(name, Kind.CONTEXT)
        given_as = known.inputs.request(name, Request(member, fn, name, parameter.has_default))
        return Binding(name, Kind.INPUT, given_as, parameter.has_default)

    def bind_each(self, parameter: str, source: Any) -> Binding:
        """Return where the items of a mapped parameter come from.

        Raises:
            PlanError: when the source can have no items.
        """
        known, requester = self._known, self._requester
        if isinstance(source, tuple):
            return Binding(parameter, Kind.VALUE, value=source)
        found = known.scope.of(source, self._member)
        if found is None:
            given_as = known.inputs.request(source, Request(self._member, requester.fn, parameter, mapped=True))
            return Binding(parameter, Kind.INPUT, given_as)
        if isinstance(found, ProviderDefinition):
            raise PlanError(
                f"each= of {shown_value(self._member.label)} names the provider {shown_value(found.name)}",
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
            one = self._known.scope.step(thing, self._member)
            if self._known.overrides.has(one, self._member.home):
                self._known.overrides.value(one, self._member.home)
                continue
            found[self._request(one)] = None
        return list(found)

    def _bound(self, parameter: Parameter, found: Definition, fn: Callable[..., Any] | None) -> Binding:
        known, name, home = self._known, parameter.name, self._member.home
        wants = wants_result(known.annotations.of(fn, name))
        if known.overrides.has(found, home):
            value = known.overrides.value(found, home)
            settled = StepResult(found.name, Status.SUCCESS, value) if wants else value
            return Binding(name, Kind.VALUE, found.name, value=settled)
        if isinstance(found, ProviderDefinition):
            if found.is_per_step:
                self._refuse_in_a_longer_life(found)
            return Binding(name, Kind.PROVIDER, self._name_of(found))
        return Binding(name, Kind.STEP, self._request(found), parameter.has_default, wants)

    def _request(self, found: Definition) -> str:
        """Note that a step or workflow is waited for, and return its name."""
        requester = self._requester
        if isinstance(found, ProviderDefinition):
            raise PlanError(
                f"{shown_value(self._member.label)} is ordered after the provider {shown_value(found.name)}",
                where=requester.where,
                allowed="steps",
                hint="a provider is there before whoever requests it",
            )
        if isinstance(requester, ProviderDefinition):
            kind = "workflow" if isinstance(found, WorkflowDefinition) else "step"
            raise PlanError(
                f"the provider {shown_value(requester.name)} requests the {kind} {shown_value(found.name)}",
                where=requester.where,
                allowed="a provider may request providers and inputs",
            )
        if isinstance(found, WorkflowDefinition) and self._member.home.enclosing(found) is None:
            self._refuse_a_run_of_its_own(found)
        return self._name_of(found)

    def _name_of(self, found: Definition) -> str:
        """Note that a definition is waited for, and return its name."""
        member = self._known.homes.member(self._member.home, found)
        self.needed[member] = None
        return self._known.names.of(member)

    def _refuse_in_a_longer_life(self, provider: ProviderDefinition) -> None:
        requester = self._requester
        if isinstance(requester, ProviderDefinition) and not requester.is_per_step:
            raise PlanError(
                f'the provider {shown_value(requester.name)} has scope="run" and requests {shown_value(provider.name)}'
                f' ({provider.where}), which has scope="step"',
                where=requester.where,
                hint=f'it would outlive what it requests: give it scope="step", or {shown_value(provider.name)} "run"',
            )

    def _refuse_a_run_of_its_own(self, workflow: WorkflowDefinition) -> None:
        declared = [word for word in RUN_WORDS if getattr(workflow, word)]
        if declared:
            raise PlanError(
                f"{shown_value(self._member.label)} requests the workflow {shown_value(workflow.name)}"
                f" ({workflow.where}), which declares {listed(declared)} for a run of its own",
                where=self._requester.where,
                hint=f"run it so, in the body: ctx.run({shown(workflow.name)})",
            )
