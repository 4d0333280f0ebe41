"""Forecasts: how long steps take and the longest chains behind them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings, strategies as st

from flowbuilder import FlowBuilder, Registry
from flowbuilder.engine.forecast import forecast, forecast_of
from flowbuilder.plan.plan import Plan
from tests.simulation.graph import drawn

#   0 → 1 → 3
#   0 → 2 → 3, and 4 by itself
DIAMOND = [(), (0,), (0,), (1, 2), ()]


def test_remaining_is_the_longest_chain_from_the_start_of_a_step() -> None:
    made = forecast(DIAMOND, [1.0, 2.0, 5.0, 0.5, 3.0])

    assert made.expected == (1.0, 2.0, 5.0, 0.5, 3.0)
    assert made.remaining == (6.5, 2.5, 5.5, 0.5, 3.0)


def test_without_durations_it_is_in_steps() -> None:
    made = forecast(DIAMOND)

    assert made.expected == (1.0,) * 5
    assert made.remaining == (3.0, 2.0, 2.0, 1.0, 1.0)
    assert forecast(DIAMOND, [None] * 5) == made


def test_an_unknown_step_counts_as_the_mean_of_those_known() -> None:
    made = forecast(DIAMOND, [2.0, None, 4.0, None, None])

    assert made.expected == (2.0, 3.0, 4.0, 3.0, 3.0)
    assert made.remaining == (9.0, 6.0, 7.0, 3.0, 3.0)


def test_steps_that_took_no_time_are_known() -> None:
    assert forecast(DIAMOND, [0.0] * 5).remaining == (0.0,) * 5


def test_nothing_has_an_empty_forecast() -> None:
    assert forecast([], []) == ((), ())


def built() -> Plan:
    def extract() -> int:
        return 1

    def clean(extract: int) -> int:
        return extract

    def report(clean: int) -> int:
        return clean

    return Registry().plan(FlowBuilder("etl").step(extract).step(clean).step(report, after=["extract"]).build())


@pytest.mark.parametrize(
    ("durations", "remaining"),
    [
        (None, {"extract": 3.0, "clean": 2.0, "report": 1.0}),
        ({}, {"extract": 3.0, "clean": 2.0, "report": 1.0}),
        ({"extract": 1.0, "report": 5.0, "gone": 99.0}, {"extract": 9.0, "clean": 8.0, "report": 5.0}),
    ],
)
def test_the_forecast_of_a_plan_is_by_names(durations: dict[str, float] | None, remaining: dict[str, float]) -> None:
    plan = built()
    made = forecast_of(plan, durations)

    assert dict(zip([step.name for step in plan.steps], made.remaining, strict=True)) == remaining


@given(seed=st.integers(0, 2**32), size=st.integers(1, 60))
@settings(max_examples=50, deadline=None)
def test_the_longest_of_all_chains_is_the_critical_path(seed: int, size: int) -> None:
    graph = drawn(random.Random(seed), size)

    assert max(forecast(graph.upstream, graph.seconds).remaining) == pytest.approx(graph.critical_path)
