"""Forecasts: how long the steps of a run will take, from what they took before; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from flowbuilder.engine.entries import Entry
from flowbuilder.engine.share import Forecast
from flowbuilder.plan.plan import Plan


def forecast(entries: Sequence[Entry], durations: Sequence[float | None] | None = None) -> Forecast:
    """Return the forecast of a run's entries.

    Args:
        entries: the steps, each after its upstream.
        durations: how long each takes, in seconds, for a mapped step how long one item takes; None
            for a step that is not known: it counts as the mean of those that are. Without any known
            each counts as one, and the forecast is in steps.
    """
    return _forecast([[unit for unit, _ in entry.edges] for entry in entries], durations or ())


def forecast_of(plan: Plan, durations: Mapping[str, float] | None = None) -> Forecast:
    """Return the forecast of a plan's steps, as ``forecast`` does; ``durations`` are by the steps' names."""
    index = {step.name: unit for unit, step in enumerate(plan.steps)}
    upstream = [[index[name] for name in step.upstream] for step in plan.steps]
    return _forecast(upstream, [durations.get(step.name) for step in plan.steps] if durations else ())


def _forecast(upstream: Sequence[Iterable[int]], durations: Sequence[float | None]) -> Forecast:
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
