"""Home: the workflow that is planned, or one requested in it, as the home of steps of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from flowbuilder.declare.definitions import Definition, WorkflowDefinition
from flowbuilder.plan.pieces import Kind


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Home:
    """A workflow in its place: the one that is planned, or a sub-workflow, requested in it or further in.

    ``name`` is what a sub-workflow is called in the plan, "sales" or "month.sales"; "" for the planned one.
    ``prefix`` is what leads the names of its steps.
    """

    workflow: WorkflowDefinition
    name: str = ""
    outer: Home | None = None
    prefix: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "prefix", f"{self.name}." if self.name else "")

    @property
    def body(self) -> Member:
        """Its body."""
        return Member(self, self.workflow)

    def enclosing(self, workflow: WorkflowDefinition) -> Home | None:
        """Return the home, itself or one around it, that a workflow has here already."""
        home: Home | None = self
        while home is not None and home.workflow is not workflow:
            home = home.outer
        return home


class Member(NamedTuple):
    """A definition in its home. Each home has steps of its own, also where two use one function.

    ``name`` is what it is called in the plan, once it has been requested; ``kind`` is what its requesters
    get: the value of a step or of a provider, or ``value`` in the place of an overridden one.
    """

    home: Home
    definition: Definition
    name: str = ""
    kind: Kind = Kind.STEP
    value: Any = None

    @property
    def is_body(self) -> bool:
        """Whether it is the body of its home."""
        return self.definition is self.home.workflow

    @property
    def label(self) -> str:
        """What messages call it: its name in the plan, unless several ask for that one."""
        return self.home.name if self.is_body and self.home.name else self.home.prefix + self.definition.name
