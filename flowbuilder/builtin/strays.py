"""Strays: the errors of a run that belong to none of its steps."""

from __future__ import annotations

from typing import Any

from flowbuilder import RunResult


def strays(result: RunResult[Any]) -> list[BaseException]:
    """Return the errors that belong to no step, such as those of a provider's tear-down."""
    known = {id(one.error) for step in result.steps.values() for one in (step, *(step.items or ()))}
    return [error for error in result.errors if id(error) not in known]
