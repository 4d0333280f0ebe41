"""Lending against random trees of bodies and runs: limits hold at every moment, depths are bounded, and all ends."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings, strategies as st

from flowbuilder.engine.admission import Admission
from flowbuilder.engine.lending import Taker
from flowbuilder.engine.limits import Limit, Line, Needs, pool_of
from flowbuilder.engine.policies import POLICIES
from flowbuilder.engine.share import Share

SEEDS = st.integers(0, 10**9)


@dataclass(eq=False)
class Body:
    """A unit: in which lane, holding what; which others it will run, one group after another, and who waits for it."""

    lane: int
    needs: Needs
    share: Share
    groups: list[int]
    outer: Body | None = None
    pool: dict[str, Limit] = field(default_factory=dict)
    whole: Whole | None = None
    open: int = 0
    taker: Taker | None = None
    is_back: bool = True


@dataclass(eq=False)
class Whole:
    """A run that holds something from start to end: in which body, and how many of its units are left."""

    share: Share
    needs: Needs
    pool: dict[str, Limit]
    left: int
    outer: Body | None = None

    @property
    def line(self) -> Line:
        return self.share.line(HOLDERS, self.needs)


HOLDERS = 0


class Play:
    """Random bodies and runs over an admission, driven until nothing is left."""

    def __init__(self, seed: int, policy: str, *, has_resources: bool) -> None:
        self.random = random.Random(seed)
        self.limits = [self.random.randint(1, 3) for _ in range(self.random.randint(1, 3))]
        self.limit = self.random.choice([None, 1, 2, 4])
        self.admission = Admission(POLICIES[policy](), self.limit)
        self.admission.add_lane(1_000_000, takes_slots=False)
        for one in self.limits:
            self.admission.add_lane(one)
        self.shares: dict[Whole, Share] = {}
        self.pool = pool_of({"db": 2, "gpu": 1} if has_resources else {})
        self.number = 0
        self.waiting: dict[tuple[Share, int], Body] = {}
        self.held_back: dict[Share, Whole] = {}
        self.active: list[Body] = []
        self.bodies: list[Body] = []
        self.left = 0
        for n in range(self.random.randint(1, 4)):
            share = Share(self.admission, n, priority=self.random.randint(-2, 2), limit=self.random.choice([None, 1]))
            self.begin_run(share, None, self.random.randint(1, 2))

    def wanted(self, pool: dict[str, Limit]) -> tuple[dict[str, int], Needs]:
        found = {name: self.random.randint(1, one.capacity) for name, one in pool.items() if self.random.random() < 0.3}
        return found, tuple((pool[name], amount) for name, amount in sorted(found.items()))

    def begin_run(self, share: Share, outer: Body | None, count: int) -> None:
        """Begin a run of so many units, in a body or in none; where it holds something, when it has that."""
        pool = outer.pool if outer is not None else self.pool
        wanted, needs = self.wanted(pool)
        whole = Whole(share, needs, pool_of(wanted) if wanted else pool, count, outer)
        if needs:
            self.left += 1
            waits = share.of_whole()
            self.held_back[waits] = whole
            self.admission.enqueue(waits, 0, 0, waits.line(HOLDERS, needs))
            whole.share = waits
        self.shares[whole] = share
        if not needs:
            self.start_run(whole)

    def start_run(self, whole: Whole) -> None:
        for _ in range(whole.left):
            self.begin(self.shares[whole], whole.outer, whole)

    def end_run(self, whole: Whole) -> None:
        if whole.needs:
            self.left -= 1
            self.admission.release(whole.line)
        if whole.outer is not None:
            self.ended_in(whole.outer)

    def ended_in(self, outer: Body) -> None:
        outer.open -= 1
        if not outer.open:
            assert outer.taker is not None
            self.admission.loans.take_back(outer.taker)

    def begin(self, share: Share, outer: Body | None, whole: Whole | None = None) -> None:
        pool = whole.pool if whole is not None else outer.pool if outer is not None else self.pool
        wanted, needs = self.wanted(pool)
        depth = share.depth
        groups = [self.random.randint(1, 4) for _ in range(self.random.randint(0, 2))] if depth < 4 else []
        body = Body(self.random.randrange(len(self.limits)) + 1, needs, share, groups, outer, whole=whole)
        # What it holds is what those inside may have.
        body.pool = pool_of(wanted) if wanted else pool
        self.number += 1
        self.left += 1
        self.waiting[share, self.number] = body
        self.admission.enqueue(share, self.number, 0, share.line(body.lane, needs))

    def move(self) -> bool:
        """Make one of the moves that are possible, and return whether there was any."""
        lanes = range(len(self.limits) + 1)
        moves = [lambda lane=lane: self.take(lane) for lane in lanes if self.admission.startable(lane)]
        moves += [lambda body=body: self.go_on(body) for body in self.active]
        if not moves:
            return False
        self.random.choice(moves)()
        return True

    def take(self, lane: int) -> None:
        taken = self.admission.take(lane)
        assert taken is not None
        if lane == HOLDERS:
            self.start_run(self.held_back.pop(taken[0]))
            return
        body = self.waiting.pop(taken)
        self.active.append(body)
        self.bodies.append(body)

    def go_on(self, body: Body) -> None:
        self.active.remove(body)
        if body.groups:
            body.is_back = False
            body.taker = body.share.lend(body.lane, lambda: self.back(body))
            count = body.groups.pop()
            if self.random.random() < 0.5:
                body.open = count
                share = body.share.inside(0)
                for _ in range(count):
                    self.begin(share, body)
                return
            body.open = 1
            share = body.share.nested(0, self.random.randint(-2, 2), self.random.choice([None, 1, 2]), None)
            self.begin_run(share, body, self.random.randint(1, 2))
            return
        self.left -= 1
        self.bodies.remove(body)
        self.admission.release(body.share.line(body.lane, body.needs))
        if body.whole is not None:
            body.whole.left -= 1
            if not body.whole.left:
                self.end_run(body.whole)
        elif body.outer is not None:
            self.ended_in(body.outer)

    def back(self, body: Body) -> None:
        assert not body.is_back
        body.is_back = True
        self.active.append(body)

    def check(self) -> None:
        active = Counter(body.lane for body in self.active)
        assert all(active[lane] <= limit for lane, limit in enumerate(self.limits, 1))
        assert self.limit is None or len(self.active) <= self.limit
        assert self.admission.held == len(self.active)
        for limit in self.pool.values():
            assert limit.held <= limit.capacity
        if not self.pool:
            self.check_depths()

    def check_depths(self) -> None:
        opened = Counter((body.lane, body.share.depth) for body in self.bodies)
        assert all(count <= self.limits[lane - 1] for (lane, _), count in opened.items())
        depths = Counter(body.share.depth for body in self.bodies)
        assert self.limit is None or all(count <= self.limit for count in depths.values())

    def run(self) -> None:
        while self.left:
            assert self.move(), "something waits for ever"
            self.check()
        assert self.admission.held == 0
        assert all(limit.held == 0 for limit in self.pool.values())


@pytest.mark.parametrize("has_resources", [False, True])
@pytest.mark.parametrize("policy", sorted(POLICIES))
@given(seed=SEEDS)
@settings(max_examples=6, deadline=None)
def test_limits_hold_every_depth_is_bounded_and_all_ends(policy: str, has_resources: bool, seed: int) -> None:
    Play(seed, policy, has_resources=has_resources).run()


@pytest.mark.deep
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("has_resources", [False, True])
@pytest.mark.parametrize("policy", sorted(POLICIES))
@given(seed=SEEDS)
@settings(max_examples=400, deadline=None)
def test_limits_hold_in_many_more_trees(policy: str, has_resources: bool, seed: int) -> None:
    Play(seed, policy, has_resources=has_resources).run()
