"""Building a plan: resolves every parameter and finds every mistake that can be known before running."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any

from flowbuilder.declare.collection import Collection
from flowbuilder.declare.definitions import ProviderDefinition, StepDefinition, WorkflowDefinition
from flowbuilder.errors import CycleError, PlanError, shown, shown_value
from flowbuilder.plan.beside import bound_beside, given_anew
from flowbuilder.plan.bind import Binder, Known
from flowbuilder.plan.check import Checks
from flowbuilder.plan.garbage import no_garbage_sought
from flowbuilder.plan.gathering import gathering
from flowbuilder.plan.home import Home, Member
from flowbuilder.plan.inner import InnerSteps
from flowbuilder.plan.inputs import Inputs
from flowbuilder.plan.nested import NestedPlans
from flowbuilder.plan.overrides import Overrides
from flowbuilder.plan.pieces import Binding, Kind, PlannedProvider, PlannedStep, new
from flowbuilder.plan.plan import Plan
from flowbuilder.plan.scope import Scope
from flowbuilder.plan.spelling import Spelling

Bindings = tuple[Binding, ...]
BUILT_IN_EXECUTORS = frozenset({"thread", "process", "inline", "loop"})
# Where any step can run that has nothing beside its parameters; to a process it must be sent.
UNCHECKED = BUILT_IN_EXECUTORS - {"process"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """How to plan.

    ``lenient`` leaves missing inputs for a picture to show; ``allow_unknown`` passes over values
    for names that are no input, since they may be another workflow's; ``default_executor`` is
    where plain steps run that name none; ``executors`` are all known names; ``plugins`` are the
    modules of plugins, whose definitions are in scope last.
    """

    lenient: bool = False
    allow_unknown: bool = False
    default_executor: str = "thread"
    executors: frozenset[str] = BUILT_IN_EXECUTORS
    plugins: tuple[str, ...] = ()


@no_garbage_sought()
def make_plan(
    workflow: WorkflowDefinition,
    collection: Collection,
    params: Mapping[str, Any] | None = None,
    overrides: Mapping[Any, Any] | None = None,
    options: PlanOptions | None = None,
) -> Plan:
    """Return the plan of a workflow.

    Raises:
        PlanError, InputError, CycleError, UnknownNameError: for everything that can be known to
            be wrong before running.
    """
    given = options or PlanOptions()
    known = Known.of(
        workflow,
        Scope(collection, given.plugins),
        lambda notes: Inputs(_mapping("params=", params), notes, allow_unknown=given.allow_unknown),
        Overrides(_mapping("overrides=", overrides)),
    )
    return _Builder(workflow, known, given).plan()


def _mapping(word: str, given: Any) -> Mapping[Any, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise PlanError(f"{word} takes a dict", got=shown_value(given), allowed='{"name": value}')
    return given


class _Builder:
    """Owns the state of one planning: what is planned, what is being visited."""

    def __init__(self, workflow: WorkflowDefinition, known: Known, options: PlanOptions) -> None:
        self._workflow = workflow
        self._known = known
        self._options = options
        self._checks = Checks(options.executors, known.annotations)
        self._planned: dict[str, PlannedStep | PlannedProvider] = {}
        self._done = self._planned.keys()
        self._steps: list[PlannedStep] = []
        self._providers: dict[str, PlannedProvider] = {}
        self._waited_for: dict[Home, set[str]] = {}

    def plan(self) -> Plan:
        known = self._known
        for root in self._roots():
            if root.name not in self._planned:
                self._visit(root)
        known.overrides.refuse_unused(known.names, known.inputs)
        if not self._steps:
            raise PlanError(
                f"nothing of {shown_value(self._workflow.name)} is left to run",
                where=self._workflow.where,
                hint="overrides= takes the place of all its steps",
            )
        inputs = known.inputs.finished(known.names)
        if not self._options.lenient:
            known.inputs.refuse_missing(inputs, known.scope.names)
        known.warnings.extend(known.inputs.misspelt(inputs, Spelling(known.scope.names), self._used))
        self._checks.steps(self._steps, self._planned, inputs)
        return Plan(
            workflow=self._workflow,
            steps=tuple(self._steps),
            inputs=MappingProxyType(inputs),
            providers=MappingProxyType(self._providers),
            warnings=tuple(dict.fromkeys(known.warnings)),
            inner=InnerSteps(
                known, inputs, self._providers, self._checks, partial(_executor_of, options=self._options)
            ),
            scope=known.scope,
            nested=NestedPlans(known, inputs, partial(_nested_plan, options=self._options)),
        )

    def _used(self, member: Member) -> list[str]:
        """Return the names of the definitions whose values a member has."""
        planned = self._planned[member.name]
        each = planned.each if isinstance(planned, PlannedStep) else ()
        return [one.source.removeprefix(member.home.prefix) for one in (*planned.bindings, *each)]

    def _roots(self) -> Iterator[Member]:
        body = self._known.homes.root.body
        binder = Binder(self._known, body)
        binder.order(self._workflow.steps)
        yield from binder.needed.values()
        if self._workflow.fn is not None:
            yield body._replace(name=self._known.names.of(body))

    # Visiting: depth first without recursion, so that a chain may have any length.

    def _visit(self, root: Member) -> None:
        planned, waiting = self._plan_one(root)
        if not waiting:  # where steps are written in order there is nothing to walk down to
            self._finish(root, planned)
            return
        path, trail = {root.name: root}, [(planned, waiting)]
        while trail:
            planned, waiting = trail[-1]
            if not waiting:
                trail.pop()
                self._finish(path.popitem()[1], planned)
                continue
            below = waiting.pop()
            if below.name in path:
                raise _circle([*path.values()][[*path].index(below.name) :])
            if below.name not in self._planned:
                path[below.name] = below
                trail.append(self._plan_one(below))

    def _finish(self, member: Member, planned: PlannedStep | PlannedProvider) -> None:
        self._planned[planned.name] = planned
        if isinstance(planned, PlannedProvider):
            self._providers[planned.name] = planned
            return
        home = member.home
        if home.outer is not None:
            # Among the steps of a sub-workflow, these are not its last ones; of its body, the outer one's.
            waiting = home.outer if member.is_body else home
            self._waited_for.setdefault(waiting, set()).update(planned.upstream)
            if member.definition.fn is None:
                self._planned[planned.name] = planned = gathering(planned, home, self._waited_for.get(home, set()))
        self._steps.append(planned)

    # Planning one definition.

    def _plan_one(self, member: Member) -> tuple[PlannedStep | PlannedProvider, list[Member]]:
        """Plan one member; return it with those it waits for that are not done, the first one last."""
        binder, definition = Binder(self._known, member), member.definition
        if not definition.scope and self._checks.is_passed_by(definition):
            self._known.warnings.append(
                f"{shown(member.label)}: a decorator stands above FlowBuilder's own and is passed by; put it below"
                f" ({definition.where})"
            )
        if isinstance(definition, StepDefinition):
            planned: PlannedStep | PlannedProvider = self._step(definition, binder, member.name)
        elif isinstance(definition, ProviderDefinition):
            planned = self._provider(definition, binder, member.name)
        else:
            assert isinstance(definition, WorkflowDefinition)
            planned = self._body(definition, binder, member.name)
        if binder.needed.keys() <= self._done:
            return planned, []
        return planned, [one for name, one in reversed(binder.needed.items()) if name not in self._planned]

    def _provider(self, definition: ProviderDefinition, binder: Binder, name: str) -> PlannedProvider:
        bindings = binder.bind(definition.parameters, definition.fn)
        self._checks.provider(definition, bindings)
        return PlannedProvider(name=name, definition=definition, bindings=bindings)

    def _step(self, definition: StepDefinition, binder: Binder, name: str) -> PlannedStep:
        if definition.has_more_than_parameters:
            planned = self._full_step(definition, binder, name)
        else:
            bindings, needed = binder.bind(definition.parameters, definition.fn), tuple(binder.needed)
            providers = _sources(Kind.PROVIDER, bindings) if binder.has_providers else ()
            upstream = _sources(Kind.STEP, bindings) if providers else needed
            executor = _executor_of(definition, self._options)
            values_only = binder.asks_values_only
            beside = (), (), (), (), (), ()  # of what may stand beside parameters there is nothing
            planned = new(
                PlannedStep, (name, definition, bindings, upstream, providers, executor, values_only, *beside)
            )
            if executor in UNCHECKED:
                return planned
        self._checks.step(planned, definition)
        return planned

    def _full_step(self, definition: StepDefinition, binder: Binder, name: str) -> PlannedStep:
        each = tuple(binder.bind_each(*one) for one in definition.each.items())
        bindings = binder.bind(definition.parameters, definition.fn, given_anew(definition))
        when, until, on_error, undo = bound_beside(definition, binder, bindings)
        after = tuple(binder.order(definition.after))
        used = (*bindings, *each, *when, *until, *on_error, *undo)
        return PlannedStep(
            name=name,
            definition=definition,
            bindings=bindings,
            each=each,
            when=when,
            until=until,
            on_error=on_error,
            undo=undo,
            after=after,
            upstream=_joined(_sources(Kind.STEP, used), after),
            providers=_sources(Kind.PROVIDER, used),
            executor=_executor_of(definition, self._options),
        )

    def _body(self, definition: WorkflowDefinition, binder: Binder, name: str) -> PlannedStep:
        bindings = binder.bind(definition.parameters, definition.fn)
        requested = _sources(Kind.STEP, bindings)
        # A step the body requests is waited for in the way its parameter says, steps= or not.
        after = tuple(one for one in binder.order(definition.steps) if one not in requested)
        return PlannedStep(
            name=name,
            definition=definition,
            bindings=bindings,
            after=after,
            upstream=_joined(requested, after),
            providers=_sources(Kind.PROVIDER, bindings),
            executor="loop" if definition.is_async else "thread",
        )


def _nested_plan(workflow: WorkflowDefinition, known: Known, options: PlanOptions) -> Plan:
    """Return the plan of a workflow that a body runs."""
    return _Builder(workflow, known, replace(options, lenient=False)).plan()


def _executor_of(definition: StepDefinition, options: PlanOptions) -> str:
    default = options.default_executor
    if default == "inline" and definition.timeout:
        default = "thread"  # nothing can watch a step on the loop thread
    return definition.executor or default


def _circle(path: Sequence[Member]) -> CycleError:
    members = (*path, path[0])
    kinds = {type(one.definition) for one in members}
    kind = (
        {ProviderDefinition: "provider", WorkflowDefinition: "workflow"}.get(kinds.pop()) if len(kinds) == 1 else None
    )
    return CycleError([(one.label, one.definition.where) for one in members], kind or "step")


def _sources(kind: Kind, bindings: Sequence[Binding]) -> tuple[str, ...]:
    """Return the names of what some bindings of one kind come from, each once."""
    found = [one.source for one in bindings if one.kind is kind]
    return tuple(dict.fromkeys(found)) if len(found) > 1 else tuple(found)


def _joined(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *second))) if second else first
