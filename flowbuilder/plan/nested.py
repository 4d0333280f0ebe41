"""Nested: plans the workflows that bodies run by ``ctx.run``, each for a run of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Generic, TypeVar

from flowbuilder.declare.definitions import WorkflowDefinition
from flowbuilder.errors import InnerStepError, shown, shown_value
from flowbuilder.plan.bind import Known
from flowbuilder.plan.given import Inherited
from flowbuilder.plan.inputs import Inputs
from flowbuilder.plan.pieces import PlannedInput

P = TypeVar("P")  # a plan, which this module does not know
NO_VALUE = ("default", "missing")


class NestedPlans(Generic[P]):
    """Plans workflows for the bodies of one plan, from any thread.

    An input that a body gives no value takes the one that the run around it was given for an input of that name.

    Args:
        outer: what the planning of that plan knew.
        inputs: its inputs.
        make: makes the plan of a workflow.
    """

    def __init__(
        self,
        outer: Known,
        inputs: Mapping[str, PlannedInput],
        make: Callable[[WorkflowDefinition, Known], P],
    ) -> None:
        # Of what that planning found out, nothing is kept.
        self._scope, self._overrides = outer.scope.again(), outer.overrides
        self._inherited = {name: Inherited(one.value) for name, one in inputs.items() if one.origin not in NO_VALUE}
        self._make = make

    def __call__(self, workflow: WorkflowDefinition, args: tuple[Any, ...], params: Mapping[str, Any]) -> P:
        """Return the plan of a workflow with these values of its inputs.

        Raises:
            InnerStepError: for values that are given by place.
            FlowBuilderError: for everything that is wrong with it.
        """
        if args:
            name = shown(workflow.name)
            raise InnerStepError(
                f"the workflow {shown_value(workflow.name)} takes the values of its inputs by keyword",
                where=workflow.where,
                got=f"{len(args)} positional",
                hint=f"ctx.run({name}, name=…)",
            )
        values = {**self._inherited, **params}
        known = Known.of(
            workflow,
            self._scope.again(),
            partial(Inputs, values, is_nested=True),
            self._overrides.again(),
        )
        return self._make(workflow, known)
