"""Bind: finds for each parameter of a definition where its value comes from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from flowbuilder.declare.definitions import (
    NOTHING,
    Definition,
    ProviderDefinition,
    StepDefinition,
    WorkflowDefinition,
)
from flowbuilder.declare.signature import Parameter, read_signature
from flowbuilder.errors import PlanError, listed, shown, shown_value
from flowbuilder.plan.annotations import Annotations
from flowbuilder.plan.home import Home, Member
from flowbuilder.plan.homes import Homes
from flowbuilder.plan.inputs import Inputs, Request
from flowbuilder.plan.names import Names
from flowbuilder.plan.overrides import Overrides
from flowbuilder.plan.pieces import Binding, Kind
from flowbuilder.plan.scope import Scope
from flowbuilder.results import Status, StepResult

# What a workflow declares for its run as a whole; inside another one there is no such run.
RUN_WORDS = ("resources", "timeout", "config")


class Offer(NamedTuple):
    """What a definition is to all who request it in one home: what they get, and who is waited for.

    ``value`` is that of an overridden one, for which nobody waits.
    """

    kind: Kind
    source: str
    member: Member | None = None
    value: Any = None


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
    offers: defaultdict[tuple[Home, bool | None], dict[Definition, Offer]]


class Binder:
    """Binds the parameters of one definition in its home; ``needed`` has those it waits for, by name."""

    __slots__ = ("_known", "_member", "_offers", "_requester", "has_providers", "needed")

    def __init__(self, known: Known, member: Member) -> None:
        self._known = known
        self._member = member
        self._requester = member.definition
        # What a step may request a provider may not, and one for a whole run less than one for a step.
        self._offers = known.offers[member.home, getattr(member.definition, "is_per_step", None)]
        self.needed: dict[str, Member] = {}
        self.has_providers = False

    def bind(
        self, parameters: Iterable[Parameter], fn: Callable[..., Any] | None, beside: Mapping[str, Kind] = NOTHING
    ) -> tuple[Binding, ...]:
        """Return where the values of parameters of ``fn`` come from; what is ``beside`` goes first.

        Raises:
            PlanError: when what has the name of one cannot be requested.
        """
        requester, own = self._requester, self._member.home.workflow.own
        needs = requester.needs if isinstance(requester, StepDefinition) else NOTHING
        results = self._known.annotations.notes(fn).results
        made = []
        for name, has_default in parameters:
            if name in beside:
                made.append(Binding(name, beside[name], has_default=has_default))
                continue
            wired = needs.get(name, name)
            # What a FlowBuilder brought along comes before all else.
            found = own.get(wired) if type(wired) is str else None
            if found is None:
                found = self._looked_up(name, needs)
            if found is None:
                made.append(self._input(name, fn, has_default=has_default))
                continue
            if has_default and name not in needs:
                self._warn_of_outer(name, found)
            made.append(self._bound(name, found, has_default, name in results))
        return tuple(made)

    def _looked_up(self, name: str, needs: Mapping[str, Any]) -> Definition | None:
        scope = self._known.scope
        return scope.step(needs[name], self._member) if name in needs else scope.find(name, self._member)

    def _bound(self, name: str, found: Definition, has_default: bool, wants_result: bool) -> Binding:
        kind, source, member, value = self._offers.get(found) or self._offer(found)
        if member is None:
            settled = StepResult(source, Status.SUCCESS, value) if wants_result else value
            return Binding(name, kind, source, value=settled)
        self.needed[source] = member
        if kind is Kind.STEP:
            return Binding(name, kind, source, has_default, wants_result)
        self.has_providers = True
        return Binding(name, kind, source)

    def _input(self, name: str, fn: Callable[..., Any] | None, *, has_default: bool) -> Binding:
        if name == "ctx":
            return Binding(name, Kind.CONTEXT)
        given_as = self._known.inputs.request(name, Request(self._member, fn, name, has_default))
        return Binding(name, Kind.INPUT, given_as, has_default)

    def _warn_of_outer(self, name: str, found: Definition) -> None:
        if self._known.scope.is_outer(name, self._member):
            self._known.warnings.append(
                f"{shown(self._member.label)}: the parameter {name!r} has a default, but is filled by"
                f" {shown_value(found.name)} of {found.where}"
            )

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
        return self._bound(parameter, found, False, parameter in known.annotations.notes(requester.fn).results)

    def bind_function(
        self, fn: Callable[..., Any] | None, own: Iterable[Binding], beside: Mapping[str, Kind] = NOTHING
    ) -> tuple[Binding, ...]:
        """Bind a function that stands beside a step's body, such as its predicate or rescue.

        What only such a function has, ``beside``, goes first; then the step's own parameters; the rest is as a step's.
        """
        if fn is None:
            return ()
        wanted = read_signature(fn, self._requester.where).parameters
        known = {one.parameter: one for one in own if one.parameter not in beside}
        rest = self.bind([one for one in wanted if one.name not in known], fn, beside)
        known |= {one.parameter: one for one in rest}
        return tuple(known[one.name] for one in wanted)

    def order(self, things: Iterable[Any]) -> list[str]:
        """Return the names of the steps that end first; overridden ones need no waiting for.

        Raises:
            UnknownNameError: for a name that nothing has.
            PlanError: for what is no step.
        """
        found: dict[str, None] = {}
        for thing in things:
            one = self._known.scope.step(thing, self._member)
            kind, name, member, _ = self._offers.get(one) or self._offer(one)
            if kind is Kind.PROVIDER:
                raise PlanError(
                    f"{shown_value(self._member.label)} is ordered after the provider {shown_value(one.name)}",
                    where=self._requester.where,
                    allowed="steps",
                    hint="a provider is there before whoever requests it",
                )
            if member is not None:
                self.needed[name] = member
                found[name] = None
        return list(found)

    def _offer(self, found: Definition) -> Offer:
        """Return what a definition is to all like this one in this home; it is found out once.

        Raises:
            PlanError: when it may not be requested.
        """
        known, home = self._known, self._member.home
        if known.overrides.has(found, home):
            made = Offer(Kind.VALUE, found.name, value=known.overrides.value(found, home))
        else:
            self._refuse(found)
            member = known.homes.member(home, found)
            kind = Kind.PROVIDER if isinstance(found, ProviderDefinition) else Kind.STEP
            made = Offer(kind, known.names.of(member), member)
        self._offers[found] = made
        return made

    def _refuse(self, found: Definition) -> None:
        """Refuse what may not be requested."""
        requester = self._requester
        if isinstance(requester, ProviderDefinition) and not isinstance(found, ProviderDefinition):
            kind = "workflow" if isinstance(found, WorkflowDefinition) else "step"
            raise PlanError(
                f"the provider {shown_value(requester.name)} requests the {kind} {shown_value(found.name)}",
                where=requester.where,
                allowed="a provider may request providers and inputs",
            )
        if isinstance(found, ProviderDefinition) and found.is_per_step:
            self._refuse_in_a_longer_life(found)
        if isinstance(found, WorkflowDefinition) and self._member.home.enclosing(found) is None:
            self._refuse_a_run_of_its_own(found)

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
                hint="give it a run of its own, beside this one: WorkflowScheduler.submit",
            )
