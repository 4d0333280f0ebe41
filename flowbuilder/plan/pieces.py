"""Pieces: the frozen parts a plan is made of, steps and inputs and providers each in its place."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

from flowbuilder.declare.definitions import StepDefinition, WorkflowDefinition
from flowbuilder.errors import Where

new = tuple.__new__  # makes a NamedTuple of all its fields, as it does itself, but for a call in between


class Kind(Enum):
    """Where the value of a parameter comes from."""

    STEP = "step"
    INPUT = "input"
    PROVIDER = "provider"
    CONTEXT = "ctx"
    VALUE = "value"
    ITEM = "item"
    RESULT = "result"
    PREVIOUS = "previous"
    ERROR = "error"
    ARGUMENT = "argument"  # of a step that a body runs by itself


class Binding(NamedTuple):
    """One parameter and its source.

    ``source`` is the name of the step, input or provider; ``value`` is a settled value for
    ``Kind.VALUE``. ``wants_result`` asks for the ``StepResult`` instead of the value.
    """

    parameter: str
    kind: Kind
    source: str = ""
    has_default: bool = False
    wants_result: bool = False
    value: Any = None


class PlannedStep(NamedTuple):
    """A step in its place: its definition and where each parameter comes from; equal to itself alone.

    ``each`` has the bindings of the mapped parameters, ``when``, ``until``, ``on_error`` and ``undo`` those of the
    step's own functions. ``upstream`` names every step that ends before this one
    starts, ``after`` those among them that only order; with ``values_only`` it asks for the value of each, once.
    """

    name: str
    definition: StepDefinition | WorkflowDefinition
    bindings: tuple[Binding, ...] = ()
    upstream: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    executor: str = "thread"
    values_only: bool = False
    after: tuple[str, ...] = ()
    each: tuple[Binding, ...] = ()
    when: tuple[Binding, ...] = ()
    until: tuple[Binding, ...] = ()
    on_error: tuple[Binding, ...] = ()
    undo: tuple[Binding, ...] = ()

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other

    def __hash__(self) -> int:
        return object.__hash__(self)

    @property
    def is_body(self) -> bool:
        """Whether this is the body of the workflow, or of one that is requested in it."""
        return isinstance(self.definition, WorkflowDefinition)

    @property
    def mapped(self) -> bool:
        """Whether the step is called once per item."""
        return bool(self.each)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedInput:
    """An input of the plan: its value and where that came from ("missing" where there is none).

    ``default`` is its value where none is given, if it ``has_default``. ``qualified`` are the names that give a
    value to a sub-workflow alone, as ``sales.path`` does beside ``path``.
    """

    name: str
    value: Any = None
    origin: str = "default"
    annotation: Any = None
    where: Where | None = None
    requested_by: tuple[str, ...] = ()
    has_default: bool = False
    default: Any = None
    qualified: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlannedProvider:
    """A provider of the plan and where its own parameters come from."""

    name: str
    definition: Any
    bindings: tuple[Binding, ...] = ()
