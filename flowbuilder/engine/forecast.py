"""Forecasts: how long the steps of a run will take, from what they took before; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from flowbuilder.engine.share import Forecast
from flowbuilder.plan.plan import Plan


def forecast(upstream: Sequence[Iterable[int]], durations: Sequence[float | None] | None = None) -> Forecast:
    """Return the forecast of steps by number.

    Args:
        upstream: the steps each comes after.
        durations: how long each takes, in seconds, for a mapped step how long one item takes; None
            for a step that is not known: it counts as the mean of those that are. Without any known
            each counts as one, and the forecast is in steps.
    """
    durations = durations or ()
    known = [one for one in durations if one is not None]
    usual = sum(known) / len(known) if known else 1.0
    expected = [usual if one is None else one for one in durations] if known else [usual] * len(upstream)
    remaining = [0.0] * len(upstream)
    # From the end: whatever comes after a step is done, so its place holds the longest chain behind it.
    for unit in range(len(upstream) - 1, -1, -1):
        remaining[unit] += expected[unit]
        for above in upstream[unit]:
            remaining[above] = max(remaining[above], remaining[unit])
    return Forecast(tuple(expected), tuple(remaining))


def forecast_of(plan: Plan, durations: Mapping[str, float] | None = None) -> Forecast:
    """Return the forecast of a plan's steps, as ``forecast`` does; ``durations`` are by the steps' names."""
    upstream = [[plan.shape.index[name] for name in step.upstream] for step in plan.steps]
    return forecast(upstream, [durations.get(step.name) for step in plan.steps] if durations else ())
