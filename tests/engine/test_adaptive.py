"""The limit that is found by measuring settles near the best one, whatever the service is like."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given, strategies as st

from flowbuilder.engine.adaptive import LEAST, MOST, Adaptive

Curve = Callable[[int], float]  # by how much slower steps are with so many at once
START = 6


@dataclass
class Service:
    """Steps that wait in endless number, and share what serves them: a step of work 1 takes ``slowed(n)`` seconds."""

    slowed: Curve
    spread: float = 0.0
    seed: int = 0

    def play(self, adaptive: Adaptive, ends: int) -> tuple[float, float]:
        """Return throughput and mean limit over the second half of so many ends, on a clock of its own."""
        draw = random.Random(self.seed)
        now = served = half = 0.0
        at_work: list[tuple[float, int, float]] = []
        limits: list[int] = []
        for number in range(ends):
            while len(at_work) < adaptive.limit:
                work = draw.lognormvariate(-(self.spread**2) / 2, self.spread)
                heapq.heappush(at_work, (served + work, number * MOST + len(at_work), now))
            done, _, started = heapq.heappop(at_work)
            now += (done - served) * self.slowed(len(at_work) + 1)
            served = done
            adaptive.ended(started, now, len(at_work) + 1)
            limits.append(adaptive.limit)
            half = now if number == ends // 2 else half
        late = limits[ends // 2 :]
        return len(late) / (now - half), sum(late) / len(late)

    @property
    def best(self) -> float:
        """The throughput at the best limit."""
        return max(n / self.slowed(n) for n in range(LEAST, MOST + 1))


def flat(n: int) -> float:
    return 1.0


def linear(n: int) -> float:
    return float(n)


def knee(n: int) -> float:
    return max(1.0, n / 8)


def late_knee(n: int) -> float:
    return max(1.0, n / 32)


def creeping(n: int) -> float:
    return 1 + 0.1 * (n - 1)


def collapsing(n: int) -> float:
    return 1 + 0.02 * (n - 1) + 0.004 * n * (n - 1)  # the most at 16, and less with more


@pytest.mark.parametrize("spread", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(
    ("slowed", "share", "fewest", "most"),
    [(flat, 0.85, 48, 64), (linear, 0.99, 1, 12), (knee, 0.9, 6, 16), (late_knee, 0.9, 24, 52),
     (creeping, 0.7, 12, 64), (collapsing, 0.85, 8, 24)],
)  # fmt: skip
def test_it_settles_near_the_best(slowed: Curve, share: float, fewest: int, most: int, spread: float) -> None:
    for seed in range(3):
        service = Service(slowed, spread, seed)
        throughput, limit = service.play(Adaptive(START), 6_000)
        assert throughput >= share * service.best, (seed, limit)
        assert fewest <= limit <= most, seed


@pytest.mark.parametrize(("slowed", "fewest", "most"), [(flat, 40, 64), (knee, 6, 16)])
def test_it_is_there_after_some_hundred_ends(slowed: Curve, fewest: int, most: int) -> None:
    _, limit = Service(slowed).play(Adaptive(START), 1_000)
    assert fewest <= limit <= most


def test_it_follows_a_service_that_changes() -> None:
    adaptive = Adaptive(START)
    assert Service(flat, 0.5).play(adaptive, 3_000)[1] > 40

    later = Service(knee, 0.5)
    adaptive_later = Shifted(adaptive)
    throughput, limit = later.play(adaptive_later, 8_000)
    assert limit < 20
    assert throughput >= 0.9 * later.best


class Shifted(Adaptive):
    """An Adaptive that goes on under a clock that begins anew."""

    def __init__(self, before: Adaptive) -> None:
        self.__dict__ = before.__dict__
        self._since = -1.0


def test_where_fewer_run_than_may_nothing_is_concluded() -> None:
    adaptive = Adaptive(START)
    for number in range(1_000):
        adaptive.ended(float(number), number + 1.0, START - 1)
    assert adaptive.limit == START


@given(
    st.integers(-5, 200),
    st.integers(2, MOST),
    st.lists(st.tuples(st.floats(0, 1e9), st.integers(0, 100)), max_size=300),
)
def test_the_limit_stays_within_its_bounds_whatever_is_told(
    start: int, most: int, told: list[tuple[float, int]]
) -> None:
    adaptive, now = Adaptive(start, most), 0.0
    for seconds, more in told:
        now += seconds
        for _ in range(40):
            adaptive.ended(now - seconds if more % 3 else now, now, adaptive.limit + more - 1)
        assert LEAST <= adaptive.limit <= most
