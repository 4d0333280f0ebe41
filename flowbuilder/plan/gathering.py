"""Gathering: the step that stands for a sub-workflow without a body, with its last values."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace
from typing import Any

from flowbuilder.plan.home import Home
from flowbuilder.plan.pieces import Binding, Kind, PlannedStep


def gathering(planned: PlannedStep, home: Home, waited_for: Set[str]) -> PlannedStep:
    """Return a planned body that has no function with one that gives ``{sink: value}``.

    ``waited_for`` are the steps of its home that others of it wait for: all but the last ones.
    """
    sinks = [name for name in planned.after if name not in waited_for]
    return planned._replace(
        definition=replace(home.workflow, fn=_gathered),
        # One that a false ``when`` skipped is left out.
        bindings=tuple(Binding(name.removeprefix(home.prefix), Kind.STEP, name, has_default=True) for name in sinks),
        # All others end before one of these.
        after=(),
        upstream=tuple(sinks),
        executor="inline",
    )


def _gathered(**values: Any) -> dict[str, Any]:
    return values
