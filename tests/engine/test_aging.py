"""Who is passed by better ones for long enough has a turn, and the better ones keep nearly all of theirs."""

from __future__ import annotations

import sys
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, strategies as st

from flowbuilder.engine.admission import Admission
from flowbuilder.engine.aging import PATIENCE, STRIDE, Parked, Turns
from flowbuilder.engine.limits import Line, Needs, pool_of
from flowbuilder.engine.policies import POLICIES, Waiting
from flowbuilder.engine.share import Share

CROWD, URGENT = 1, 2


def admission_of(policy: Any = None) -> tuple[Admission, int]:
    admission = Admission(policy or POLICIES["priority"]())
    return admission, admission.add_lane(1)


def started(admission: Admission, lane: int, lines: dict[int, Line]) -> tuple[int, int]:
    """Start the next unit and end it; return the number of its run and its own."""
    taken = admission.take(lane)
    assert taken is not None
    share, unit = taken
    admission.release(lines[share.number])
    return share.number, unit


def crowded(count: int, needs: Needs = ()) -> tuple[Admission, list[tuple[int, int]]]:
    """Let so many wait, and better ones come as fast as they start; return who started, in order."""
    admission, lane = admission_of()
    crowd, urgent = Share(admission, CROWD), Share(admission, URGENT, priority=1)
    lines = {CROWD: crowd.line(lane, needs), URGENT: urgent.line(lane)}
    for unit in range(count):
        admission.enqueue(crowd, unit, 0, lines[CROWD])
    order = []
    for unit in range(PATIENCE + STRIDE * (count + 2)):
        admission.enqueue(urgent, unit, 0, lines[URGENT])
        order.append(started(admission, lane, lines))
    return admission, order


@given(st.integers(1, 40), st.booleans())
def test_each_of_a_crowd_starts_within_the_bound_in_the_order_they_came(count: int, needs_some: bool) -> None:
    _, order = crowded(count, ((pool_of({"db": 1})["db"], 1),) if needs_some else ())
    places = [place for place, (run, _) in enumerate(order) if run == CROWD]

    assert [order[place][1] for place in places] == list(range(count))
    assert all(place <= PATIENCE + STRIDE * (older + 1) for older, place in enumerate(places))
    assert places[0] >= PATIENCE
    assert all(later - earlier >= STRIDE for earlier, later in pairwise(places))


@pytest.mark.parametrize("crowd", [100, 5_000])
def test_who_comes_late_and_is_better_hardly_waits_for_an_aged_crowd(crowd: int) -> None:
    admission, lane = admission_of()
    waiting, late = Share(admission, CROWD), Share(admission, URGENT, priority=1)
    lines = {CROWD: waiting.line(lane), URGENT: late.line(lane)}
    for unit in range(crowd + PATIENCE + 100):
        admission.enqueue(waiting, unit, 0, lines[CROWD])
    for _ in range(PATIENCE + 50):
        started(admission, lane, lines)

    passed = 0
    for unit in range(50):
        admission.enqueue(late, unit, 0, lines[URGENT])
        while started(admission, lane, lines)[0] == CROWD:
            passed += 1
    assert passed <= 50 / (STRIDE - 1) + 1


def test_one_taken_out_of_turn_is_not_taken_again() -> None:
    class Newest:
        """The last one first, so that the one that is aged lies behind all others of its line."""

        def key(self, waiting: Waiting) -> int:
            return -waiting.starts

        def started(self, key: object) -> None: ...

    admission, lane = admission_of(Newest())
    share = Share(admission, CROWD)
    line = share.line(lane)
    taken: list[int] = []
    for unit in range(3 * PATIENCE):
        admission.enqueue(share, unit, 0, line)
        admission.enqueue(share, 10_000 + unit, 0, line)
        taken.append(started(admission, lane, {CROWD: line})[1])
    while admission.startable(lane):
        taken.append(started(admission, lane, {CROWD: line})[1])
    assert taken.index(0) <= PATIENCE + STRIDE
    assert len(taken) == len(set(taken)) == 6 * PATIENCE
    assert list(line) == []


def test_nothing_is_kept_of_a_run_that_is_closed() -> None:
    admission, lane = admission_of()
    share = Share(admission, CROWD)
    for unit in range(100):
        admission.enqueue(share, unit, 0, share.line(lane))
    share.close()
    assert not admission._aging.waiting


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_policies_under_which_nobody_is_passed_for_ever_pay_for_no_turns(policy: str) -> None:
    kind = type(Admission(POLICIES[policy]())._aging)
    assert kind is (Parked if policy in ("fifo", "fair") else Turns)


@pytest.mark.parametrize("policy", ["priority", "shortest", "critical-path"])
def test_calls_grow_no_faster_than_what_waits(policy: str) -> None:
    def calls(count: int) -> int:
        admission = Admission(POLICIES[policy]())
        lane = admission.add_lane(4)
        shares = [Share(admission, number, priority=number % 7) for number in range(count // 50)]
        for unit in range(count):
            share = shares[unit % len(shares)]
            admission.enqueue(share, unit, 0, share.line(lane))
        counted = 0

        def count_call(frame: object, kind: str, what: object) -> None:
            nonlocal counted
            counted += kind in ("call", "c_call")

        before = sys.getprofile()
        sys.setprofile(count_call)
        try:
            while (taken := admission.take(lane)) is not None:
                admission.release(taken[0].line(lane))
        finally:
            sys.setprofile(before)
        return counted

    assert calls(5_000) <= 10.5 * calls(500)
