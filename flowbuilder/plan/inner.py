"""Inner: what a body runs by ``ctx.run`` and ``ctx.map``, each function bound as a step is, but for steps."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from flowbuilder.declare.decorators import make_step
from flowbuilder.declare.definitions import Definition, ProviderDefinition, StepDefinition, WorkflowDefinition
from flowbuilder.declare.signature import Parameter, read_signature, unwrapped
from flowbuilder.errors import InnerStepError, did_you_mean, listed, shown, shown_value
from flowbuilder.plan.bind import Known
from flowbuilder.plan.check import Checks
from flowbuilder.plan.home import Member
from flowbuilder.plan.pieces import Binding, Kind, PlannedInput, PlannedProvider, PlannedStep
from flowbuilder.plan.shape import Shape, shape_of

CACHED = 512
# What is said in Python itself inside a body.
NOT_INSIDE = {"each": "ctx.map", "when": "if", "until": "while", "undo": "try … except", "cache": "ctx.state"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InnerStep:
    """A function as a body may run it.

    ``names`` are the parameters that positional arguments fill, ``provided`` the providers it requests, each
    after those that it requests itself. ``is_declared`` says that it was there as a step before any body ran.
    """

    step: PlannedStep
    names: tuple[str, ...]
    provided: tuple[PlannedProvider, ...]
    shape: Shape
    is_declared: bool = False


def as_call(workflow: WorkflowDefinition) -> InnerStep | None:
    """Return a workflow as what a body calls, by which the call is known in another process.

    None for one that was made while the program ran: it is known by nothing but its name.
    """
    if workflow.fn is None or workflow.scope or workflow.own:
        return None
    step = PlannedStep(workflow.name, workflow)
    return InnerStep(step=step, names=(), provided=(), shape=shape_of((step,)), is_declared=True)


class InnerSteps:
    """Plans inner steps for the bodies of one plan, from any thread; what is asked for again is remembered.

    Args:
        known: what the planning knew; of what it found out for each step, nothing is kept.
        inputs: the plan's inputs.
        providers: the plan's providers.
        checks: what steps are checked with.
        executor_of: returns where a step runs.
    """

    def __init__(
        self,
        known: Known,
        inputs: Mapping[str, PlannedInput],
        providers: Mapping[str, PlannedProvider],
        checks: Checks,
        executor_of: Callable[[StepDefinition], str],
    ) -> None:
        self._scope = known.scope
        self._overrides = known.overrides
        self._home = known.homes.root
        self._inputs = inputs
        self._names: dict[Definition, str] = {one.definition: name for name, one in providers.items()}
        self._checks = checks
        self._executor_of = executor_of
        self._lock = threading.Lock()
        self._planned = lru_cache(CACHED)(self._plan)

    def __call__(self, fn: Callable[..., Any], positional: int, keywords: frozenset[str]) -> InnerStep:
        """Return a function as an inner step that is given so many positional arguments and these keywords.

        Raises:
            InnerStepError: for arguments that do not fit it, or what would have to come from a step.
            FlowBuilderError: for what can be no step.
        """
        with self._lock:
            return self._planned(fn, positional, keywords)

    def _plan(self, fn: Callable[..., Any], positional: int, keywords: frozenset[str]) -> InnerStep:
        definition = self._definition(fn)
        member = Member(self._home, definition)
        given = _given(definition, positional, keywords)
        provided: dict[str, PlannedProvider] = {}
        bindings = {name: Binding(name, Kind.ARGUMENT) for name in given}
        for parameter in definition.parameters:
            if parameter.name not in bindings:
                binding = self._bind(parameter, member, provided)
                if binding is not None:
                    bindings[parameter.name] = binding
        on_error = self._rescue(definition, member, bindings, provided)
        step = PlannedStep(
            name=definition.name,
            definition=definition,
            bindings=tuple(bindings.values()),
            on_error=on_error,
            providers=tuple(provided),
            executor=self._executor_of(definition),
        )
        self._checks.step(step, definition)
        return InnerStep(
            step=step,
            names=given[:positional],
            provided=tuple(provided.values()),
            shape=shape_of((step,)),
            is_declared=self._own(fn) is definition or (self._declared(fn) is definition and not definition.scope),
        )

    def _own(self, fn: Any) -> Definition | None:
        return next((one for one in self._home.workflow.own.values() if one.fn is not None and one.fn is fn), None)

    def _declared(self, fn: Any) -> Definition | None:
        return self._own(fn) or self._scope.of(fn, self._home.body)

    def _definition(self, fn: Any) -> StepDefinition:
        found = self._declared(fn)
        if found is None:
            # For a lambda or a partial any name will do: it is shown, and nobody asks for it.
            name = getattr(unwrapped(fn), "__name__", "")
            return make_step(fn, name="lambda" if name == "<lambda>" else name or None)
        if not isinstance(found, StepDefinition):
            is_workflow = isinstance(found, WorkflowDefinition)
            raise InnerStepError(
                f"ctx cannot {'map' if is_workflow else 'run'} the {'workflow' if is_workflow else 'provider'}"
                f" {shown_value(found.name)}",
                where=found.where,
                allowed="a step, or any function",
                hint=f"map a function that does ctx.run({shown(found.name)}, …)" if is_workflow else "",
            )
        _refuse_words(found)
        return found

    def _bind(self, parameter: Parameter, member: Member, provided: dict[str, PlannedProvider]) -> Binding | None:
        """Return where a parameter that is not given comes from; None where its default stands."""
        name = parameter.name
        found = self._scope.find(name, member)
        if isinstance(found, ProviderDefinition):
            return self._provider(name, found, member, provided)
        if found is not None and not parameter.has_default:
            kind = "workflow" if isinstance(found, WorkflowDefinition) else "step"
            raise InnerStepError(
                f"{shown_value(member.label)} needs {shown_value(name)}, which is a {kind}",
                where=member.definition.where,
                hint=f"what a body runs gets nothing from steps; request it and pass it on: {shown(name)}=…",
            )
        if name == "ctx" and found is None:
            return Binding(name, Kind.CONTEXT)
        if found is None and (given := self._inputs.get(name)) is not None and given.origin != "missing":
            return Binding(name, Kind.INPUT, name, parameter.has_default)
        if parameter.has_default:
            return None
        raise InnerStepError(
            f"{shown_value(member.label)} needs {shown_value(name)}, which is not given,"
            " and is no provider or input of this run",
            where=member.definition.where,
            allowed=listed(self._inputs) and f"inputs: {listed(self._inputs)}",
            hint=did_you_mean(name, self._inputs) or f"pass it: {shown(name)}=…",
        )

    def _provider(
        self, name: str, found: ProviderDefinition, member: Member, provided: dict[str, PlannedProvider]
    ) -> Binding:
        if self._overrides.has(found, self._home):
            return Binding(name, Kind.VALUE, found.name, value=self._overrides.value(found, self._home))
        place = Member(self._home, found)
        planned = self._name_of(found)
        if planned not in provided:
            # Those that it requests stand before it.
            bindings = [self._bind(one, place, provided) for one in found.parameters]
            known_ones = tuple(one for one in bindings if one is not None)
            self._checks.provider(found, known_ones)
            provided[planned] = PlannedProvider(name=planned, definition=found, bindings=known_ones)
        return Binding(name, Kind.PROVIDER, planned)

    def _name_of(self, provider: ProviderDefinition) -> str:
        if provider not in self._names:
            is_taken = provider.name in self._names.values()
            self._names[provider] = f"{provider.module}.{provider.name}" if is_taken else provider.name
        return self._names[provider]

    def _rescue(
        self,
        definition: StepDefinition,
        member: Member,
        own: Mapping[str, Binding],
        provided: dict[str, PlannedProvider],
    ) -> tuple[Binding, ...]:
        if not callable(definition.on_error):
            return ()
        found: list[Binding | None] = []
        defaults = {one.name for one in definition.parameters}
        for name, has_default in read_signature(definition.on_error, definition.where).parameters:
            if name == "error":
                found.append(Binding(name, Kind.ERROR, has_default=has_default))
            elif name in own:
                found.append(own[name])
            elif name not in defaults:
                found.append(self._bind(Parameter(name, has_default), member, provided))
        return tuple(one for one in found if one is not None)


def _given(definition: StepDefinition, positional: int, keywords: frozenset[str]) -> tuple[str, ...]:
    """Return the parameters that a call gives, those that are given by place first."""
    signature = inspect.signature(definition.fn)  # type: ignore[arg-type]  # a step has a function
    try:
        bound = signature.bind_partial(*[None] * positional, **dict.fromkeys(keywords))
    except TypeError as error:
        raise InnerStepError(
            f"{shown_value(definition.name)} cannot be called so: {error}",
            where=definition.where,
            got=_call(positional, keywords),
            allowed=shown(str(signature), 500),
        ) from None
    by_place = tuple(signature.parameters)[:positional]
    return by_place + tuple(name for name in bound.arguments if name not in by_place)


def _call(positional: int, keywords: frozenset[str]) -> str:
    parts = [f"{positional} positional"] if positional else []
    return ", ".join([*parts, *(f"{shown(name)}=" for name in sorted(keywords))]) or "no arguments"


def _refuse_words(definition: StepDefinition) -> None:
    words = [word for word in NOT_INSIDE if getattr(definition, word, None)]
    if words:
        raise InnerStepError(
            f"{shown_value(definition.name)} has {words[0]}=, which is for steps of a plan",
            where=definition.where,
            hint=f"a body says it in Python: {NOT_INSIDE[words[0]]}",
        )
