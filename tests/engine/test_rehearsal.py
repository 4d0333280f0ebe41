"""How long a run is expected to take, played through with past durations."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from flowbuilder.engine.rehearsal import Rehearsal

DIAMOND = [[], [0], [0], [1, 2]]
THREADS = ["thread"] * 4


def test_the_critical_path_is_the_longest_in_seconds_and_not_in_steps() -> None:
    rehearsal = Rehearsal([[], [0], [1], []], [1.0, 1.0, 1.0, 9.0], [1] * 4)
    assert (rehearsal.critical_path, rehearsal.least) == ((3,), 9.0)


def test_a_step_that_is_not_known_counts_as_the_mean() -> None:
    rehearsal = Rehearsal(DIAMOND, [1.0, 3.0, None, 2.0], [1] * 4)
    assert rehearsal.expected == (1.0, 3.0, 2.0, 2.0)


@pytest.mark.parametrize(("slots", "total"), [(1, 8.0), (2, 6.0), (None, 6.0)])
def test_slots_decide_what_runs_side_by_side(slots: int | None, total: float) -> None:
    rehearsal = Rehearsal(DIAMOND, [1.0, 3.0, 2.0, 2.0], [1] * 4)
    assert rehearsal.total(slots, THREADS, {}) == total


@pytest.mark.parametrize(("slots", "total"), [(1, 20.0), (4, 6.0), (100, 2.0)])
def test_items_share_the_slots(slots: int, total: float) -> None:
    assert Rehearsal([[]], [2.0], [10]).total(slots, ["thread"], {}) == total


def test_a_lane_has_a_limit_of_its_own() -> None:
    rehearsal = Rehearsal([[], []], [2.0, 2.0], [4, 4])
    assert rehearsal.total(None, ["inline", "thread"], {"inline": 1, "thread": 4}) == 8.0


def test_nothing_takes_no_time() -> None:
    rehearsal = Rehearsal([], [], [])
    assert (rehearsal.critical_path, rehearsal.least, rehearsal.total(1, [], {})) == ((), 0.0, 0.0)


@st.composite
def plans(draw: st.DrawFn) -> tuple[list[list[int]], list[float | None], list[int]]:
    size = draw(st.integers(1, 12))
    upstream = [sorted(draw(st.sets(st.integers(0, step - 1), max_size=3))) if step else [] for step in range(size)]
    seconds: list[float | None] = [float(draw(st.integers(1, 50))) for _ in range(size)]
    return upstream, seconds, [draw(st.integers(1, 6)) for _ in range(size)]


@given(plans(), st.integers(1, 8))
def test_no_run_is_shorter_than_its_critical_path_or_its_work_nor_longer_than_both(
    plan: tuple[list[list[int]], list[float | None], list[int]], slots: int
) -> None:
    rehearsal = Rehearsal(*plan)
    work = sum(one * items for one, items in zip(rehearsal.expected, plan[2], strict=True))
    total = rehearsal.total(slots, ["thread"] * len(plan[0]), {})
    assert max(rehearsal.least, work / slots) - 1e-6 <= total <= rehearsal.least + work / slots + 1e-6
    path = rehearsal.critical_path
    assert sum(rehearsal.expected[step] for step in path) == pytest.approx(rehearsal.least)
    assert all(above in plan[0][step] for above, step in pairwise(path))
