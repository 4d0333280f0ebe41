"""FlowBuilder: workflows put together from code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Self, Unpack

from flowbuilder.declare.config import ParallelConfig, checked_config
from flowbuilder.declare.decorators import caller, make_step
from flowbuilder.declare.definitions import StepDefinition, WorkflowDefinition, definition_of
from flowbuilder.declare.validate import checked_name
from flowbuilder.declare.words import StepWords
from flowbuilder.errors import DefinitionError, DuplicateNameError, Where, shown_value

Added = StepDefinition | WorkflowDefinition


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

    def _definition(self, fn: Callable[..., Any] | WorkflowDefinition, words: StepWords) -> Added:
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
        assert not isinstance(fn, WorkflowDefinition)
        settled: dict[str, Any] = {**words}
        for word in ("needs", "each"):
            if isinstance(given := settled.get(word), Mapping):
                settled[word] = {name: self._settled(source) for name, source in given.items()}
        if isinstance(given := settled.get("after"), list | tuple):
            settled["after"] = tuple(map(self._settled, given))
        return make_step(fn, caller(), **settled)

    def _settled(self, thing: Any) -> Any:
        """Return the step that a function already stands for in this builder."""
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
