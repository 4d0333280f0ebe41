"""Arguments: what an item of a mapped step was called with, found in the plan and the results of its run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from flowbuilder import Plan, RunResult
from flowbuilder.errors import MASK, is_secret, shown, shown_value

LENGTH = 200


def arguments_of(item: str, plan: Plan, result: RunResult[Any]) -> Iterator[str]:
    """Yield "path = PosixPath('a.txt')" for each mapped parameter of an item; a secret is not shown."""
    name, _, number = item.removesuffix("]").rpartition("[")
    step = plan.by_name.get(name)
    for one in step.each if step is not None else ():
        values = _source(one, plan, result)
        if values is not None and int(number) < len(values):
            text = MASK if is_secret(one.parameter) else shown_value(values[int(number)], LENGTH)
            yield f"{shown(one.parameter)} = {text}"


def _source(binding: Any, plan: Plan, result: RunResult[Any]) -> Sequence[Any] | None:
    """Return what a parameter was mapped over; None where that has no order to look into."""
    if binding.kind.value == "step":
        upstream = result.steps[binding.source]
        found = upstream.raw_value if upstream.items is None else [item.raw_value for item in upstream.items]
    elif binding.kind.value == "input":
        found = plan.inputs[binding.source].value
    else:
        found = binding.value
    return found if isinstance(found, list | tuple | range) else None
