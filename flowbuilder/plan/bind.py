"""Bind: finds for each parameter of a definition where its value comes from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

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
from flowbuilder.plan.pieces import Binding, Kind, new
from flowbuilder.plan.scope import Scope
from flowbuilder.results import Status, StepResult

STEP = Kind.STEP  # a member of an enumeration is slow to find
# What a workflow declares for its run as a whole; inside another one there is no such run.
RUN_WORDS = ("resources", "timeout", "config")


class Asked:
    """What was asked for in one home by requesters of one kind: each found out once.

    Most is asked for by name, and what a ``FlowBuilder`` brought along comes before all else: ``own`` has that.
    """

    __slots__ = ("others", "own")

    def __init__(self) -> None:
        self.own: dict[str, Member] = {}
        self.others: dict[Definition, Member] = {}


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
    # What a step may request a provider may not, and one for a whole run less than one for a step.
    asked: defaultdict[tuple[Home, bool | None], Asked]

    @classmethod
    def of(
        cls,
        workflow: WorkflowDefinition,
        scope: Scope,
        inputs: Callable[[Annotations], Inputs],
        overrides: Overrides,
    ) -> Self:
        """Return what the planning of a workflow knows when it begins."""
        annotations, names = Annotations(), Names()
        return cls(
            scope=scope,
            inputs=inputs(annotations),
            overrides=overrides,
            names=names,
            homes=Homes(workflow, names),
            annotations=annotations,
            warnings=[],
            asked=defaultdict(Asked),
        )


class Binder:
    """Binds the parameters of one definition in its home; ``needed`` has those it waits for, by name."""

    __slots__ = ("_asked", "_known", "_member", "_requester", "asks_values_only", "has_providers", "needed")

    def __init__(self, known: Known, member: Member) -> None:
        requester = member.definition
        lives = requester.is_per_step if isinstance(requester, ProviderDefinition) else None
        self._known = known
        self._member = member
        self._requester = requester
        self._asked = known.asked[member.home, lives]
        self.needed: dict[str, Member] = {}
        self.has_providers = False
        self.asks_values_only = True

    def bind(
        self, parameters: Iterable[Parameter], fn: Callable[..., Any] | None, beside: Mapping[str, Kind] = NOTHING
    ) -> tuple[Binding, ...]:
        """Return where the values of parameters of ``fn`` come from; what is ``beside`` goes first.

        Raises:
            PlanError: when what has the name of one cannot be requested.
        """
        requester, own, needed = self._requester, self._asked.own, self.needed
        needs = requester.needs if isinstance(requester, StepDefinition) else NOTHING
        results = self._known.annotations.notes(fn).results
        made = []
        for name, has_default in parameters:
            wired = needs.get(name, name)
            found = None if beside or type(wired) is not str else own.get(wired)
            if found is None or found.kind is not STEP:
                made.append(self._bind_one(Parameter(name, has_default), fn, beside, needs, name in results))
                continue
            wants_result = name in results
            if has_default or wants_result:
                self._note_default(name, has_default and name not in needs)
            source = found.name
            needed[source] = found
            made.append(new(Binding, (name, STEP, source, has_default, wants_result, None)))
        return tuple(made)

    def _bind_one(
        self,
        parameter: Parameter,
        fn: Callable[..., Any] | None,
        beside: Mapping[str, Kind],
        needs: Mapping[str, Any],
        wants_result: bool,
    ) -> Binding:
        """Bind what comes from anywhere."""
        name, has_default = parameter
        if name in beside:
            return Binding(name, beside[name], has_default=has_default)
        scope = self._known.scope
        found = scope.step(needs[name], self._member) if name in needs else scope.find(name, self._member)
        if found is None:
            return self._input(name, fn, has_default=has_default)
        if has_default or wants_result:
            self._note_default(name, has_default and name not in needs)
        return self._bound(name, self._requested(found), has_default, wants_result)

    def _note_default(self, name: str, may_be_outer: bool) -> None:
        """Note that a parameter takes more than a value: the result, or its default in the place of a skipped step."""
        self.asks_values_only = False
        if may_be_outer:
            self._warn_of_outer(name)

    def _bound(self, name: str, found: Member, has_default: bool, wants_result: bool) -> Binding:
        if found.kind is Kind.VALUE:
            settled = StepResult(found.name, Status.SUCCESS, found.value) if wants_result else found.value
            return Binding(name, Kind.VALUE, found.name, value=settled)
        self.needed[found.name] = found
        if found.kind is STEP:
            return Binding(name, STEP, found.name, has_default, wants_result)
        self.has_providers = True
        return Binding(name, Kind.PROVIDER, found.name)

    def _input(self, name: str, fn: Callable[..., Any] | None, *, has_default: bool) -> Binding:
        if name == "ctx":
            return Binding(name, Kind.CONTEXT)
        given_as = self._known.inputs.request(name, Request(self._member, fn, name, has_default))
        return Binding(name, Kind.INPUT, given_as, has_default)

    def _warn_of_outer(self, name: str) -> None:
        scope = self._known.scope
        found = scope.find(name, self._member)
        if found is not None and scope.is_outer(name, self._member):
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
        wants_result = parameter in known.annotations.notes(requester.fn).results
        return self._bound(parameter, self._requested(found), False, wants_result)

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
            member = self._requested(one)
            if member.kind is Kind.PROVIDER:
                raise PlanError(
                    f"{shown_value(self._member.label)} is ordered after the provider {shown_value(one.name)}",
                    where=self._requester.where,
                    allowed="steps",
                    hint="a provider is there before whoever requests it",
                )
            if member.kind is STEP:
                self.needed[member.name] = member
                found[member.name] = None
        return list(found)

    def _requested(self, found: Definition) -> Member:
        """Return what a definition is to all who request it as this one does.

        Raises:
            PlanError: when it may not be requested.
        """
        own, others = self._asked.own, self._asked.others
        member = own.get(found.name)
        if member is not None and member.definition is found:
            return member
        member = others.get(found)
        if member is None:
            member = self._met(found)
            if self._member.home.workflow.own.get(found.name) is found:
                own[found.name] = member
            else:
                others[found] = member
        return member

    def _met(self, found: Definition) -> Member:
        known, home = self._known, self._member.home
        if known.overrides and known.overrides.has(found, home):
            return Member(home, found, found.name, Kind.VALUE, known.overrides.value(found, home))
        if isinstance(found, StepDefinition) and not isinstance(self._requester, ProviderDefinition):
            # All who may request a step in its home do it alike, so this is the only time that it is met.
            return new(Member, (home, found, known.names.new(found, home.prefix), STEP, None))
        self._refuse(found)
        member = known.homes.member(home, found)
        kind = Kind.PROVIDER if isinstance(found, ProviderDefinition) else STEP
        return member._replace(name=known.names.of(member), kind=kind)

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
                hint=f"give it a run of its own, in a body: await ctx.run({shown(workflow.name)})",
            )
