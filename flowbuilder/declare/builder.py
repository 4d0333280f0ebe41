"""FlowBuilder: workflows put together from code."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain, count
from types import MappingProxyType
from typing import Any, Self, Unpack

from flowbuilder.declare.config import ParallelConfig, checked_config
from flowbuilder.declare.decorators import caller, make_step
from flowbuilder.declare.definitions import Definition, StepDefinition, WorkflowDefinition, definition_of
from flowbuilder.declare.switch import (
    OTHER,
    checked_cases,
    grouped,
    is_one_of,
    joining,
    name_of,
    only_where,
    routing,
    same,
    unconditional,
)
from flowbuilder.declare.validate import checked_name
from flowbuilder.declare.words import StepWords, checked_function
from flowbuilder.errors import DefinitionError, DuplicateNameError, UnknownNameError, Where, shown_value

Added = StepDefinition | WorkflowDefinition
Source = Callable[..., Any] | Definition | str


class FlowBuilder:
    """Builds one workflow from plain functions, step by step.

    Methods return ``self``, so calls chain; chaining does not order, ``then`` does::

        flow = FlowBuilder("etl").step(load).step(clean, needs={"rows": load}).build()
    """

    def __init__(self, name: str) -> None:
        frame = caller()
        self._where = Where(frame.f_code.co_filename, frame.f_lineno) if frame else Where("<unknown>", 0)
        self._module = frame.f_globals.get("__name__", "") if frame else ""
        self._name = checked_name(name, self._where)
        self._steps: dict[str, Added] = {}
        self._by_function: dict[int, list[Added]] = {}
        self._last: list[Added] = []
        self._config: ParallelConfig | None = None

    def step(self, fn: Callable[..., Any] | WorkflowDefinition, /, **words: Unpack[StepWords]) -> Self:
        """Add a step; takes the words of ``@step``, and functions decorated by it as they are.

        A workflow, decorated or built, is added as a sub-workflow, without words.

        Raises:
            DefinitionError: for each wrong argument.
            DuplicateNameError: when the workflow already has a step of this name.
        """
        self._last.append(self._add(self._definition(fn, words)))
        return self

    def then(self, fn: Callable[..., Any], /, **words: Unpack[StepWords]) -> Self:
        """Add a step that runs after all steps added so far."""
        made = self._definition(fn, words)
        if isinstance(made, WorkflowDefinition):
            raise DefinitionError(
                f"the workflow {shown_value(made.name)} has steps of its own, which wait for none of this one",
                where=self._place(),
                hint="add it by .step(), and what comes after it by .then()",
            )
        # What was added before the last ``then`` ends before it, so a long chain of them stays cheap.
        self._last = [self._add(replace(made, after=(*made.after, *self._last)))]
        return self

    def parallel(self, *fns: Callable[..., Any]) -> Self:
        """Add several steps without order between them."""
        for fn in fns:
            self.step(fn)
        return self

    def step_if(self, condition: Source, fn: Callable[..., Any], /, **words: Unpack[StepWords]) -> Self:
        """Add a step that runs only where a condition holds, as ``when=`` says it.

        Args:
            condition: a function, which takes what it names as a step does, or a step, whose value decides.
            fn: the step; as for ``step``.
            **words: the words of ``@step``.

        Raises:
            DefinitionError: when the step has a condition already, or is a workflow.
        """
        made, source = unconditional(self._definition(fn, words), self._place()), self._source(condition)
        if source is None:
            made = replace(made, when=checked_function("step_if()", condition, self._place()))
        else:
            made = only_where(made, source, name_of(source), bool)
        self._last.append(self._add(made))
        return self

    def switch(
        self,
        selector: Source,
        cases: Mapping[Any, Source],
        /,
        default: Source | None = None,
        *,
        name: str | None = None,
    ) -> Self:
        """Add several steps, of which the one runs that the value of a selector says; the others are skipped.

        A value that is none of the cases runs ``default``; without one, that is a failure which names the cases.

        Args:
            selector: a function, which becomes a step that takes what it names, or a step.
            cases: a step for each value: a function, a decorated one, or a step added before, by name or function.
            default: the step for every other value.
            name: the name of one more step, whose value is that of the step that ran.

        Raises:
            DefinitionError: for a step that is mapped, is a workflow, or has a condition already.
        """
        place = self._place()
        known = [(case, self._known(one)) for case, one in checked_cases(cases, place).items()]
        known += [(OTHER, self._known(default))] if default is not None else []
        branches = grouped(known, place)
        router, label = self._router(selector, None if default is not None else tuple(cases))
        self._last.append(self._add(router))
        steps = [
            self._put(branch, only_where(branch, router, label, partial(is_one_of, tuple(mine), tuple(cases))))
            for branch, mine in branches
        ]
        if name is not None:
            fn, is_there, parameters = joining(len(steps))
            joined = self._made(fn, checked_name(name, place), dict(zip(parameters, steps, strict=True)))
            self._last.append(self._add(replace(joined, when=is_there)))
        return self

    def with_config(self, config: ParallelConfig) -> Self:
        """Set the limits the workflow runs with."""
        self._config = checked_config(config, self._where)
        return self

    def build(self) -> WorkflowDefinition:
        """Return the workflow, as decorators give it; the builder may go on adding to the next one.

        Raises:
            DefinitionError: when it has no step.
        """
        if not self._steps:
            raise DefinitionError(
                f"the workflow {shown_value(self._name)} has no step", where=self._where, hint="add one: .step(fn)"
            )
        return WorkflowDefinition(
            fn=None,
            name=self._name,
            where=self._where,
            module=self._module,
            steps=tuple(self._steps.values()),
            config=self._config,
            own=MappingProxyType(dict(self._steps)),
        )

    def _definition(self, fn: Callable[..., Any] | Definition, words: StepWords) -> Added:
        decorated = definition_of(fn)
        if isinstance(decorated, StepDefinition) and not words:
            return decorated
        if isinstance(decorated, WorkflowDefinition):
            if words:
                raise DefinitionError(
                    "a workflow is added as it is", where=self._place(), got=", ".join(f"{word}=" for word in words)
                )
            return decorated
        if decorated is not None and not words:
            raise DefinitionError("only steps and workflows can be added", where=self._place(), got=shown_value(fn))
        settled: dict[str, Any] = {**words}
        for word in ("needs", "each"):
            if isinstance(given := settled.get(word), Mapping):
                settled[word] = {name: self._settled(source) for name, source in given.items()}
        if isinstance(given := settled.get("after"), list | tuple):
            settled["after"] = tuple(map(self._settled, given))
        function: Any = fn
        return make_step(function, caller(), **settled)

    def _source(self, thing: Source) -> Any:
        """Return the step that something stands for, a name as it is, and None for a function that is no step."""
        if isinstance(thing, str):
            return thing
        return self._settled(thing) if id(thing) in self._by_function else definition_of(thing)

    def _known(self, thing: Source) -> Added:
        """Return a step that was added before, by its name or function, or a new one."""
        if isinstance(thing, str):
            if thing not in self._steps:
                raise UnknownNameError("step", thing, self._steps, self._place())
            return self._steps[thing]
        known: Added = self._settled(thing) if id(thing) in self._by_function else self._definition(thing, {})
        return known

    def _router(self, selector: Source, cases: Sequence[Any] | None) -> tuple[Added, str]:
        """Return the step by whose value a switch goes, and what it is called where it is told of."""
        source = self._source(selector)
        if source is not None:
            label = name_of(source)
            return self._made(routing(same, label, cases), self._free(f"switch_{label}"), {"value": source}), label
        fn: Any = checked_function("switch()", selector, self._place())
        name = getattr(fn, "__name__", "")
        label = name if name.isidentifier() else self._free("switch")
        router = make_step(routing(fn, label, cases), caller(), name=label)
        self._by_function[id(fn)] = [router]
        return router, label

    def _made(self, fn: Callable[..., Any], name: str, needs: Mapping[str, Any]) -> StepDefinition:
        """Return a step that is no code of the user's, and was written where the builder was asked for it."""
        made = make_step(fn, caller(), name=name, needs=needs, executor="inline")
        return replace(made, where=self._place(), module=self._module, scope="")

    def _free(self, name: str) -> str:
        """Return a name that no step has yet."""
        return next(one for one in chain([name], (f"{name}_{n}" for n in count(2))) if one not in self._steps)

    def _put(self, before: Added, made: StepDefinition) -> StepDefinition:
        """Add a step, or put it in the place of the one it was before it got its condition."""
        if self._steps.get(made.name) is not before:
            self._last.append(self._add(made))
            return made
        self._steps[made.name] = made
        for known in (*self._by_function.values(), self._last):
            known[:] = [made if one is before else one for one in known]
        return made

    def _settled(self, thing: Any) -> Any:
        """Return the step that a function already stands for in this builder, and a name as it is."""
        if isinstance(thing, str):
            # One text for all who name it: made-up names are most of what many steps keep.
            return self._steps[thing].name if thing in self._steps else thing
        known = self._by_function.get(id(thing), [])
        if len(known) == 1:
            return known[0]
        if not known and (not callable(thing) or definition_of(thing) is not None):
            return thing
        raise DefinitionError(
            f"{shown_value(getattr(thing, '__name__', thing))} is {'more than one' if known else 'no'} step of"
            f" {shown_value(self._name)}",
            where=self._place(),
            hint="say which one by its name: " + ", ".join(shown_value(one.name) for one in known)
            if known
            else "add it first: .step(fn)",
        )

    def _add(self, definition: Added) -> Added:
        before = self._steps.get(definition.name)
        if before is not None:
            raise DuplicateNameError(definition.name, before.where, definition.where)
        self._steps[definition.name] = definition
        if definition.fn is not None:
            self._by_function.setdefault(id(definition.fn), []).append(definition)
        return definition

    def _place(self) -> Where:
        frame = caller()
        return Where(frame.f_code.co_filename, frame.f_lineno) if frame else self._where
