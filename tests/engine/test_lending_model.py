"""Lending against random trees of bodies: limits hold at every moment, each depth is bounded, and all ends."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings, strategies as st

from flowbuilder.engine.admission import Admission
from flowbuilder.engine.lending import Taker
from flowbuilder.engine.limits import Limit, Needs, pool_of
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
    open: int = 0
    taker: Taker | None = None
    is_back: bool = True


class Play:
    """Random bodies over an admission, driven until nothing is left."""

    def __init__(self, seed: int, policy: str, *, has_resources: bool) -> None:
        self.random = random.Random(seed)
        self.limits = [self.random.randint(1, 3) for _ in range(self.random.randint(1, 3))]
        self.limit = self.random.choice([None, 1, 2, 4])
        self.admission = Admission(POLICIES[policy](), self.limit)
        for one in self.limits:
            self.admission.add_lane(one)
        self.pool = pool_of({"db": 2, "gpu": 1} if has_resources else {})
        self.number = 0
        self.waiting: dict[tuple[Share, int], Body] = {}
        self.active: list[Body] = []
        self.bodies: list[Body] = []
        self.left = 0
        for n in range(self.random.randint(1, 6)):
            share = Share(self.admission, n, priority=self.random.randint(-2, 2), limit=self.random.choice([None, 1]))
            self.begin(share, None)

    def begin(self, share: Share, outer: Body | None) -> None:
        pool = outer.pool if outer is not None else self.pool
        wanted = {
            name: self.random.randint(1, one.capacity) for name, one in pool.items() if self.random.random() < 0.3
        }
        needs = tuple((pool[name], amount) for name, amount in sorted(wanted.items()))
        depth = share.depth
        groups = [self.random.randint(1, 4) for _ in range(self.random.randint(0, 2))] if depth < 4 else []
        body = Body(self.random.randrange(len(self.limits)), needs, share, groups, outer)
        # What it holds is what those inside may have.
        body.pool = pool_of(wanted) if wanted else pool
        self.number += 1
        self.left += 1
        self.waiting[share, self.number] = body
        self.admission.enqueue(share, self.number, 0, share.line(body.lane, needs))

    def move(self) -> bool:
        """Make one of the moves that are possible, and return whether there was any."""
        moves = [
            lambda lane=lane: self.take(lane) for lane in range(len(self.limits)) if self.admission.startable(lane)
        ]
        moves += [lambda body=body: self.go_on(body) for body in self.active]
        if not moves:
            return False
        self.random.choice(moves)()
        return True

    def take(self, lane: int) -> None:
        taken = self.admission.take(lane)
        assert taken is not None
        body = self.waiting.pop(taken)
        self.active.append(body)
        self.bodies.append(body)

    def go_on(self, body: Body) -> None:
        self.active.remove(body)
        if body.groups:
            body.is_back = False
            body.taker = body.share.lend(body.lane, lambda: self.back(body))
            body.open = body.groups.pop()
            share = body.share.inside(0)
            for _ in range(body.open):
                self.begin(share, body)
            return
        self.left -= 1
        self.bodies.remove(body)
        self.admission.release(body.share.line(body.lane, body.needs))
        if body.outer is not None:
            body.outer.open -= 1
            if not body.outer.open:
                assert body.outer.taker is not None
                self.admission.take_back(body.outer.taker)

    def back(self, body: Body) -> None:
        assert not body.is_back
        body.is_back = True
        self.active.append(body)

    def check(self) -> None:
        active = Counter(body.lane for body in self.active)
        assert all(active[lane] <= limit for lane, limit in enumerate(self.limits))
        assert self.limit is None or len(self.active) <= self.limit
        assert self.admission.held == len(self.active)
        for limit in self.pool.values():
            assert limit.held <= limit.capacity
        if not self.pool:
            self.check_depths()

    def check_depths(self) -> None:
        opened = Counter((body.lane, body.share.depth) for body in self.bodies)
        assert all(count <= self.limits[lane] for (lane, _), count in opened.items())
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
