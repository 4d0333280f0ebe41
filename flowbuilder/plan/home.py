"""Home: the workflow that is planned, or one requested in it, as the home of steps of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from flowbuilder.declare.definitions import Definition, WorkflowDefinition


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Home:
    """A workflow in its place: the one that is planned, or a sub-workflow, requested in it or further in.

    ``name`` is what a sub-workflow is called in the plan, "sales" or "month.sales"; "" for the planned one.
    """

    workflow: WorkflowDefinition
    name: str = ""
    outer: Home | None = None

    @property
    def prefix(self) -> str:
        """What leads the names of its steps."""
        return f"{self.name}." if self.name else ""

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
    """A definition in its home. Each home has steps of its own, also where two use one function."""

    home: Home
    definition: Definition

    @property
    def is_body(self) -> bool:
        """Whether it is the body of its home."""
        return self.definition is self.home.workflow

    @property
    def label(self) -> str:
        """What messages call it: its name in the plan, unless several ask for that one."""
        return self.home.name if self.is_body and self.home.name else self.home.prefix + self.definition.name
