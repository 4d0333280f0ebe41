"""Inputs: the values of a run's inputs as they are kept and as they are shown; a secret is neither."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from flowbuilder.durable.resumption import NAMED, Resumption
from flowbuilder.errors import RunRefusedError, listed, shown, shown_value
from flowbuilder.plan.given import holds_secret
from flowbuilder.plan.plan import Plan, PlannedInput
from flowbuilder.plan.reach import steps_made_of
from flowbuilder.secret import MASK
from flowbuilder.store.rows import NOT_STORED, Encoded, RunRow
from flowbuilder.store.values import decode, encode


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


def refuse_other_inputs(row: RunRow, plan: Plan, resumption: Resumption, *, is_accepted: bool) -> None:
    """Refuse to go on with other values than a run began with: what is kept was made of those.

    Where nothing that is kept has such an input, its new value may be accepted.

    Raises:
        RunRefusedError: naming the first input that has another value.
    """
    for name, before in _changed(row, plan):
        stale = _first_made_of(name, plan, resumption)
        if stale or not is_accepted:
            raise RunRefusedError(
                f"the run {row.run_id} began with another value of {shown_value(name)}"
                + (f", which may be in what is kept of {listed(stale, NAMED)}" if stale else ""),
                got=shown_inputs(plan).get(name, "its default"),
                allowed=before,
                hint=_how_else(row, name, stale),
            )


def _changed(row: RunRow, plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield the inputs that have other values than a run began with, and those as text; a secret is not known."""
    for name, one in plan.inputs.items():
        if one.origin == "missing" or holds_secret(name, one.annotation):
            continue
        if name in row.params:
            if not _is_same(row.params[name], one.value):
                yield name, row.shown.get(name, "")
        elif name not in row.shown and one.has_default and not _is_default(one):
            yield name, f"its default, {shown_value(one.default, 300)}"


def _is_default(one: PlannedInput) -> bool:
    return one.origin == "default" or _is_same(_encoded(one.default), one.value)


def _is_same(kept: Encoded, value: Any) -> bool:
    """Return whether a value is the one that is kept; the pickles of equal ones may differ, such as those of sets."""
    now = _encoded(value)
    if not now.format:
        return False
    if now == kept:
        return True
    try:
        before = decode(kept)
        return now == _encoded(before) or _canonical(before) == _canonical(value)
    except ValueError:
        return False


def _canonical(value: Any) -> bytes:
    from flowbuilder.store.canonical import Canonical  # which a value that is plainly the same does not need

    return Canonical(_name_of).of(value)


def _name_of(thing: Any) -> bytes | None:
    return f"{thing.__module__}.{thing.__qualname__}".encode() if isinstance(thing, type) else None


def _encoded(value: Any) -> Encoded:
    try:
        return encode(value)
    except ValueError:
        return NOT_STORED


def _first_made_of(name: str, plan: Plan, resumption: Resumption) -> list[str]:
    """Return the steps of which something is kept that may have been made of an input, but for what follows them."""
    kept = {one.partition("[")[0] for one in (*resumption.kept.results, *resumption.inside)}
    made = set(steps_made_of(name, plan)) & kept
    return [step.name for step in plan.steps if step.name in made and made.isdisjoint(step.upstream)]


def _how_else(row: RunRow, name: str, stale: Sequence[str]) -> str:
    if not row.source:
        return "start a new run"
    new = f"flowbuilder run {shown(row.source, 500)} -P {shown(name)}=… begins a new run"
    again = "".join(f" --rerun {shown(step)}" for step in stale[:NAMED])
    return f"{new}; resume --accept-changes{again} goes on with this value"
