"""Homes: the home of each definition in one plan."""

from __future__ import annotations

from flowbuilder.declare.definitions import Definition, StepDefinition, WorkflowDefinition
from flowbuilder.plan.home import Home, Member
from flowbuilder.plan.names import Names


class Homes:
    """The homes of one plan; providers are shared by all of them, and belong to the planned workflow."""

    def __init__(self, workflow: WorkflowDefinition, names: Names) -> None:
        self.root = Home(workflow=workflow)
        self._names = names
        self._inner: dict[Member, Home] = {}

    def member(self, home: Home, definition: Definition) -> Member:
        """Return what a definition is that something in ``home`` requests.

        A workflow that is requested inside itself is that same one, so that the circle is found.
        """
        if isinstance(definition, StepDefinition):
            return Member(home, definition)
        if isinstance(definition, WorkflowDefinition):
            return (home.enclosing(definition) or self._sub(home, definition)).body
        return Member(self.root, definition)

    def _sub(self, outer: Home, workflow: WorkflowDefinition) -> Home:
        place = Member(outer, workflow)
        found = self._inner.get(place)
        if found is None:
            name = self._names.new(workflow, outer.prefix)
            found = self._inner[place] = Home(workflow=workflow, name=name, outer=outer)
        return found
