"""Inputs: the values of a run's inputs as they are kept and as they are shown; a secret is neither."""

from __future__ import annotations

from collections.abc import Iterator

from flowbuilder.errors import RunRefusedError, shown_value
from flowbuilder.plan.given import holds_secret
from flowbuilder.plan.plan import Plan, PlannedInput
from flowbuilder.secret import MASK
from flowbuilder.store.rows import Encoded, RunRow
from flowbuilder.store.values import encode


def kept_inputs(plan: Plan) -> dict[str, Encoded]:
    """Return the values that were given for inputs, encoded; a secret, and what cannot be stored, is left out."""
    found = {}
    for name, one in _given(plan):
        if holds_secret(name, one.annotation):
            continue
        try:
            found[name] = encode(one.value)
        except ValueError:
            continue
    return found


def shown_inputs(plan: Plan) -> dict[str, str]:
    """Return the values of inputs as text, secrets masked."""
    return {
        name: MASK if holds_secret(name, one.annotation) else shown_value(one.value, 300) for name, one in _given(plan)
    }


def _given(plan: Plan) -> Iterator[tuple[str, PlannedInput]]:
    return ((name, one) for name, one in plan.inputs.items() if one.origin not in ("default", "missing"))


def refuse_other_inputs(row: RunRow, plan: Plan) -> None:
    """Refuse to go on with other values than a run began with: what has finished was made of those.

    Raises:
        RunRefusedError: naming the first input that has another value.
    """
    now = kept_inputs(plan)
    for name, encoded in row.params.items():
        if name in now and now[name] != encoded:
            raise RunRefusedError(
                f"the run {row.run_id} began with another value of {shown_value(name)}",
                got=shown_inputs(plan)[name],
                allowed=row.shown.get(name, ""),
                hint="start a new run, or resume with --accept-changes",
            )
