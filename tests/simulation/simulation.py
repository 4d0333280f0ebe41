"""Simulation: replays runs, each on a schedule of its own, with one admission and a virtual clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from heapq import heappop, heappush

from flowbuilder.engine.admission import Admission
from flowbuilder.engine.forecast import forecast
from flowbuilder.engine.limits import NO_NEEDS, Limit, Needs, pool_of
from flowbuilder.engine.policies import POLICIES
from flowbuilder.engine.schedule import Schedule
from flowbuilder.engine.share import Share
from flowbuilder.plan.edges import Edge
from tests.entries import Entry, wired
from tests.simulation.graph import Amounts, Graph

AT_ONCE = 1_000_000_000


class Run:
    """One run of a graph: when it was submitted, and when each of its steps started and ended."""

    def __init__(self, graph: Graph, share: Share, submitted: float) -> None:
        self.graph = graph
        self.share = share
        self.submitted = submitted
        self.starts: dict[int, float] = {}
        self.ends: dict[int, float] = {}
        self.running: set[int] = set()
        self.holding: Share | None = None
        self.schedule: Schedule | None = None
        share.owner = self

    @property
    def duration(self) -> float:
        """Return the time from its submission to the end of its last step."""
        return max(self.ends.values()) - self.submitted

    @property
    def is_going_on(self) -> bool:
        """Whether it has what it holds from its start to its end."""
        return self.schedule is not None and not self.schedule.ended


class Simulation:
    """Replays runs as the engine would, but that every step takes exactly its seconds.

    Args:
        policy: its name.
        slots: how many steps run at once.
        lanes: how many of each lane run at once; left out, there is one with all slots.
        resources: the capacities.
    """

    def __init__(self, policy: str, slots: int, lanes: Sequence[int] = (), resources: Amounts | None = None) -> None:
        self.now = 0.0
        self.runs: list[Run] = []
        self.started: list[Run] = []
        self.admission = Admission(POLICIES[policy](), slots)
        self.pool = pool_of(resources or {})
        self._lanes = [self.admission.add_lane(limit) for limit in lanes or (slots,)]
        self._gate = self.admission.add_lane(AT_ONCE, takes_slots=False)
        self._moments: list[tuple[float, int, Callable[[], None]]] = []
        self._order = 0

    def submit(
        self,
        graph: Graph,
        *,
        at: float = 0.0,
        priority: int = 0,
        limit: int | None = None,
        durations: Sequence[float] | None = (),
    ) -> Run:
        """Add a run that comes ``at`` a time.

        ``durations`` are what the policy believes that the steps take; left out, what they do take;
        None where nothing is known.
        """
        known = graph.seconds if durations == () else durations
        share = Share(
            self.admission,
            len(self.runs),
            priority=priority,
            limit=limit,
            forecast=forecast(graph.upstream, known),
        )
        run = Run(graph, share, at)
        self.runs.append(run)
        self._at(at, partial(self._come, run))
        return run

    def play(self) -> float:
        """Go on until nothing is left to happen, and return when that was."""
        while self.turn():
            pass
        return self.now

    def turn(self) -> bool:
        """Go on to the next moment and do all that happens then; return whether there was one."""
        if not self._moments:
            return False
        self.now = self._moments[0][0]
        while self._moments and self._moments[0][0] <= self.now:
            heappop(self._moments)[2]()
        while any(self._start(lane) for lane in (self._gate, *self._lanes)):
            pass
        return True

    def _at(self, when: float, call: Callable[[], None]) -> None:
        heappush(self._moments, (when, self._order, call))
        self._order += 1

    def _come(self, run: Run) -> None:
        if run.graph.holds:
            # A share of its own: it does not count as one of the run's steps.
            run.holding = Share(self.admission, run.share.number, priority=run.share.priority)
            run.holding.owner = run
            self.admission.enqueue(run.holding, 0, 0, run.holding.line(self._gate, _needs(run.graph.holds, self.pool)))
        else:
            self._begin(run, self.pool)

    def _begin(self, run: Run, pool: dict[str, Limit]) -> None:
        run.schedule = Schedule(wired(self._entries(run.graph, pool)), run.share)

    def _entries(self, graph: Graph, pool: dict[str, Limit]) -> list[Entry]:
        lanes, needs = graph.lanes or (0,) * len(graph), graph.needs if pool else ()
        return [
            Entry(
                self._lanes[lanes[unit]],
                [(one, Edge.VALUE) for one in above],
                needs=_needs(needs[unit], pool) if needs else NO_NEEDS,
            )
            for unit, above in enumerate(graph.upstream)
        ]

    def _start(self, lane: int) -> bool:
        taken = self.admission.take(lane)
        if taken is None:
            return False
        run: Run = taken[0].owner
        if lane == self._gate:
            # Inside, only what the run itself holds can be needed.
            self._begin(run, pool_of(run.graph.holds or {}))
        else:
            self._start_step(run, taken[1])
        return True

    def _start_step(self, run: Run, unit: int) -> None:
        assert run.schedule is not None
        run.schedule.start(unit)
        run.starts[unit] = self.now
        run.running.add(unit)
        self.started.append(run)
        self._at(self.now + run.graph.seconds[unit], partial(self._end, run, unit))

    def _end(self, run: Run, unit: int) -> None:
        assert run.schedule is not None
        run.ends[unit] = self.now
        run.running.remove(unit)
        run.schedule.succeed(unit)
        if run.schedule.ended and run.holding:
            self.admission.release(run.holding.line(self._gate, _needs(run.graph.holds or {}, self.pool)))


def _needs(amounts: Amounts, pool: dict[str, Limit]) -> Needs:
    # In the order of names, so that equal needs are equal.
    return tuple((pool[name], amounts[name]) for name in sorted(amounts))


def makespan(graph: Graph, policy: str, slots: int, durations: Sequence[float] | None = ()) -> float:
    """Return how long one run of a graph takes with nothing beside it."""
    simulation = Simulation(policy, slots)
    simulation.submit(graph, durations=durations)
    return simulation.play()
