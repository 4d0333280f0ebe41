"""Building a plan: resolves every parameter and finds every mistake that can be known before running."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flowbuilder.declare.collection import Collection
from flowbuilder.declare.definitions import (
    Definition,
    ProviderDefinition,
    StepDefinition,
    WorkflowDefinition,
    definition_of,
)
from flowbuilder.declare.signature import Parameter, read_signature, wants_result
from flowbuilder.errors import CycleError, PlanError, UnknownNameError, Where, shown, shown_value
from flowbuilder.plan.check import Checks
from flowbuilder.plan.inputs import Inputs
from flowbuilder.plan.pieces import Binding, Kind, PlannedProvider, PlannedStep
from flowbuilder.plan.plan import Plan
from flowbuilder.plan.scope import Scope

BUILT_IN_EXECUTORS = frozenset({"thread", "process", "inline", "loop"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """How to plan.

    ``lenient`` leaves missing inputs for a picture to show; ``allow_unknown`` passes over values
    for names that are no input, since they may be another workflow's; ``default_executor`` takes
    the place of "thread"; ``executors`` are all known names.
    """

    lenient: bool = False
    allow_unknown: bool = False
    default_executor: str = "thread"
    executors: frozenset[str] = BUILT_IN_EXECUTORS


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
    return _Builder(workflow, collection, params or {}, overrides or {}, options or PlanOptions()).plan()


class _Builder:
    """Owns the state of one planning: what is planned, what is being visited."""

    def __init__(
        self,
        workflow: WorkflowDefinition,
        collection: Collection,
        params: Mapping[str, Any],
        overrides: Mapping[Any, Any],
        options: PlanOptions,
    ) -> None:
        self._workflow = workflow
        self._options = options
        self._scope = Scope(collection, workflow)
        self._checks = Checks(options.executors)
        self._inputs = Inputs(params, lenient=options.lenient, allow_unknown=options.allow_unknown)
        self._overrides = {_override_name(key): value for key, value in overrides.items()}
        self._used_overrides: set[str] = set()
        self._names: dict[Definition, str] = {}
        self._taken: dict[str, Definition] = {}
        self._resolved: dict[Definition, tuple[PlannedStep | PlannedProvider, list[Definition]]] = {}
        self._steps: list[PlannedStep] = []
        self._providers: dict[str, PlannedProvider] = {}
        self._warnings: list[str] = []

    def plan(self) -> Plan:
        roots = [self._step(one, self._workflow) for one in self._workflow.steps]
        if self._workflow.fn is not None:
            roots.append(self._workflow)
        for root in roots:
            self._visit(root)
        if unknown := set(self._overrides) - self._used_overrides:
            name = sorted(unknown)[0]
            raise UnknownNameError("step or provider to override", name, [*self._taken, *self._providers])
        steps = tuple(self._steps)
        self._checks.edges(steps)
        known_names = [*self._taken, *self._providers]
        inputs = self._inputs.finished(known_names)
        return Plan(
            workflow=self._workflow,
            steps=steps,
            inputs=inputs,
            providers=self._providers,
            warnings=tuple(dict.fromkeys(self._warnings)),
        )

    # Visiting: depth first without recursion, so that a chain may have any length.

    def _visit(self, root: Definition) -> None:
        if root in self._resolved:
            return
        path: dict[Definition, None] = {root: None}
        trail = [iter(self._resolve(root))]
        while trail:
            below = next((one for one in trail[-1] if one in path or one not in self._resolved), None)
            if below is None:
                trail.pop()
                done, _ = path.popitem()
                self._finish(done)
            elif below in path:
                raise self._cycle([*[*path][[*path].index(below) :], below])
            else:
                path[below] = None
                trail.append(iter(self._resolve(below)))

    def _finish(self, definition: Definition) -> None:
        planned, _ = self._resolved[definition]
        if isinstance(planned, PlannedStep):
            self._steps.append(planned)
        else:
            self._providers[planned.name] = planned

    def _cycle(self, path: list[Definition]) -> CycleError:
        return CycleError([(one.name, one.where) for one in path])

    # Resolving one definition.

    def _resolve(self, definition: Definition) -> list[Definition]:
        needed: dict[Definition, None] = {}
        if isinstance(definition, ProviderDefinition):
            bindings = tuple(self._bind(p, definition, needed) for p in definition.parameters)
            self._checks.provider(definition, bindings)
            planned: PlannedStep | PlannedProvider = PlannedProvider(
                name=self._name(definition), definition=definition, bindings=bindings
            )
        else:
            assert isinstance(definition, StepDefinition | WorkflowDefinition)
            planned = self._planned_step(definition, needed)
        self._resolved[definition] = (planned, list(needed))
        return list(needed)

    def _planned_step(
        self, definition: StepDefinition | WorkflowDefinition, needed: dict[Definition, None]
    ) -> PlannedStep:
        each: tuple[Binding, ...] = ()
        if isinstance(definition, StepDefinition) and definition.each:
            each = tuple(self._bind_each(name, source, definition, needed) for name, source in definition.each.items())
        items = {one.parameter for one in each}
        bindings = tuple(
            Binding(p.name, Kind.ITEM, has_default=p.has_default)
            if p.name in items
            else self._bind(p, definition, needed)
            for p in definition.parameters
        )
        extra: dict[str, tuple[Binding, ...]] = {}
        if isinstance(definition, StepDefinition):
            extra["when"] = self._bind_function(definition.when, definition, bindings, needed)
            rescue = definition.on_error if callable(definition.on_error) else None
            extra["on_error"] = self._bind_function(rescue, definition, bindings, needed, error=True)
        orders = definition.after if isinstance(definition, StepDefinition) else definition.steps
        after = [self._step(one, definition) for one in orders]
        after = [one for one in after if not self._overridden(one)]
        needed.update(dict.fromkeys(after))
        used = [*bindings, *each, *(one for group in extra.values() for one in group)]
        executor = self._executor(definition)
        planned = PlannedStep(
            name=self._name(definition),
            definition=definition,
            bindings=bindings,
            each=each,
            after=tuple(dict.fromkeys(self._name(one) for one in after)),
            upstream=tuple(
                dict.fromkeys(
                    [*(one.source for one in used if one.kind is Kind.STEP), *(self._name(one) for one in after)]
                )
            ),
            providers=tuple(dict.fromkeys(one.source for one in used if one.kind is Kind.PROVIDER)),
            executor=executor,
            **extra,
        )
        self._checks.step(planned)
        return planned

    def _bind(self, parameter: Parameter, requester: Definition, needed: dict[Definition, None]) -> Binding:
        name = parameter.name
        wired = requester.needs.get(name) if isinstance(requester, StepDefinition) else None
        if wired is not None:
            return self._bound(parameter, self._step(wired, requester), requester, needed)
        found = self._scope.find(name, requester)
        if (found is not None and found is not requester) or (found is requester and not parameter.has_default):
            if parameter.has_default and self._scope.is_outer(found, requester):
                self._warnings.append(
                    f"{shown(requester.name)}: the parameter {name!r} has a default, but is filled by"
                    f" {shown(found.name)!r} of {found.where}"
                )
            return self._bound(parameter, found, requester, needed)
        if name in self._overrides:
            self._used_overrides.add(name)
            return Binding(name, Kind.VALUE, source=name, value=self._overrides[name])
        if name == "ctx":
            return Binding(name, Kind.CONTEXT)
        self._inputs.request(name, requester, parameter.has_default, self._scope.names)
        return Binding(name, Kind.INPUT, source=name, has_default=parameter.has_default)

    def _bound(
        self, parameter: Parameter, found: Definition, requester: Definition, needed: dict[Definition, None]
    ) -> Binding:
        if self._overridden(found):
            return Binding(parameter.name, Kind.VALUE, source=found.name, value=self._overrides[found.name])
        if isinstance(found, WorkflowDefinition):
            raise PlanError(
                f"{shown(requester.name)!r} requests the workflow {shown(found.name)!r}: only steps and providers"
                " can be requested",
                where=requester.where,
                hint="request the steps of that workflow",
            )
        needed[found] = None
        if isinstance(found, ProviderDefinition):
            return Binding(parameter.name, Kind.PROVIDER, source=self._name(found))
        if isinstance(requester, ProviderDefinition):
            raise PlanError(
                f"the provider {shown(requester.name)!r} requests the step {shown(found.name)!r}",
                where=requester.where,
                allowed="a provider may request providers and inputs",
            )
        wants = wants_result(self._checks.annotation(requester, parameter.name))
        return Binding(parameter.name, Kind.STEP, self._name(found), parameter.has_default, wants)

    def _bind_each(
        self, parameter: str, source: Any, requester: StepDefinition, needed: dict[Definition, None]
    ) -> Binding:
        if isinstance(source, list | tuple):
            return Binding(parameter, Kind.VALUE, value=tuple(source))
        found = definition_of(source) if not isinstance(source, str) else self._scope.find(source, requester)
        if found is None:
            if source in self._overrides:
                self._used_overrides.add(source)
                return Binding(parameter, Kind.VALUE, source=source, value=self._overrides[source])
            self._inputs.request(source, requester, False, self._scope.names, mapped=True)
            return Binding(parameter, Kind.INPUT, source=source)
        return self._bound(Parameter(parameter, False), found, requester, needed)

    def _bind_function(
        self,
        fn: Callable[..., Any] | None,
        definition: StepDefinition,
        bindings: Iterable[Binding],
        needed: dict[Definition, None],
        *,
        error: bool = False,
    ) -> tuple[Binding, ...]:
        """Bind the parameters of a step's predicate or rescue: its own parameters first, then as a step's."""
        if fn is None:
            return ()
        signature = read_signature(fn, definition.where)
        self._checks.colour(definition, fn, signature.is_async)
        own = {one.parameter: one for one in bindings}
        bound = []
        for parameter in signature.parameters:
            if error and parameter.name == "error":
                bound.append(Binding("error", Kind.ERROR))
            elif parameter.name in own:
                bound.append(own[parameter.name])
            else:
                bound.append(self._bind(parameter, definition, needed))
        return tuple(bound)

    # Names.

    def _step(self, thing: Any, requester: Definition) -> Definition:
        """Return the step that a function, definition or name stands for."""
        found = self._scope.find(thing, requester) if isinstance(thing, str) else definition_of(thing)
        if found is None:
            where: Where = requester.where
            name = thing if isinstance(thing, str) else shown_value(thing)
            raise UnknownNameError("step", name, self._scope.names(requester), where)
        if not isinstance(found, StepDefinition | ProviderDefinition | WorkflowDefinition):
            raise PlanError(f"{shown(found.name)!r} is no step", where=requester.where)
        return found

    def _name(self, definition: Definition) -> str:
        """Return the name of a definition in this plan, qualified where two modules share one."""
        known = self._names.get(definition)
        if known is None:
            known = definition.name
            if self._taken.get(known, definition) is not definition:
                known = f"{definition.module}.{definition.name}"
            self._names[definition] = known
            self._taken[known] = definition
        return known

    def _overridden(self, definition: Definition) -> bool:
        if definition.name not in self._overrides:
            return False
        self._used_overrides.add(definition.name)
        return True

    def _executor(self, definition: StepDefinition | WorkflowDefinition) -> str:
        if isinstance(definition, WorkflowDefinition):
            return "loop" if definition.is_async else "thread"
        replaced = definition.executor == "thread" and not (
            self._options.default_executor == "inline" and definition.timeout
        )
        return self._options.default_executor if replaced else definition.executor


def _override_name(key: Any) -> str:
    definition = definition_of(key)
    if definition is not None:
        return definition.name
    if isinstance(key, str):
        return key
    raise PlanError("overrides= takes steps, providers or their names", got=shown_value(key))
