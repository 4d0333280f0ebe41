"""The schedule against a small reference model: any plan, any order of ends, any failure."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from flowbuilder.engine.admission import Admission
from flowbuilder.engine.entries import State
from flowbuilder.engine.policies import Fifo
from flowbuilder.engine.schedule import Schedule
from flowbuilder.engine.share import Share
from flowbuilder.plan.edges import Edge
from tests.entries import Entry, wired

ENDED = {State.SUCCESS, State.FAILED, State.PASSED, State.SKIPPED}
Edges = list[tuple[int, Edge]]


@st.composite
def plans(draw: st.DrawFn) -> tuple[list[Entry], list[int], int | None]:
    """Return entries, lane limits and a common limit of a random plan."""
    count = draw(st.integers(1, 12))
    lanes = draw(st.integers(1, 3))
    entries: list[Entry] = []
    for unit in range(count):
        upstream = draw(st.sets(st.integers(0, unit - 1), max_size=3)) if unit else set()
        edges: Edges = []
        mapped = draw(st.integers(0, 3)) == 0
        for one in sorted(upstream):
            kinds = [Edge.VALUE, Edge.SOFT, Edge.ANY]
            if mapped and entries[one].mapped and not any(edge is Edge.ITEMS for _, edge in edges):
                kinds.append(Edge.ITEMS)
            edges.append((one, draw(st.sampled_from(kinds))))
        entries.append(Entry(draw(st.integers(0, lanes - 1)), edges, mapped))
    limits = draw(st.lists(st.integers(1, 3), min_size=lanes, max_size=lanes))
    return entries, limits, draw(st.none() | st.integers(1, 4))


def admission(limits: list[int], limit: int | None) -> tuple[Admission, Share]:
    """Return what grants slots to the one run of a test."""
    made = Admission(Fifo(), limit)
    for one in limits:
        made.add_lane(one)
    return made, Share(made, 1)


def taken(slots: Admission, schedule: Schedule, lane: int) -> int | None:
    """Return the next unit of a lane, started; None where nothing may start."""
    granted = slots.take(lane)
    if granted is None:
        return None
    schedule.start(granted[1])
    return granted[1]


@dataclass
class Model:
    """What the schedule should do, said the slow and plain way: everything is derived from the states."""

    entries: list[Entry]
    status: dict[int, State] = field(default_factory=dict)

    def wanted(self, unit: int, states: list[State]) -> State | None:
        """Return how a step that has not started ends by its upstream; None where it may still start."""
        verdicts = []
        for upstream, edge in self.entries[unit].edges:
            state = states[upstream]
            if edge is Edge.ANY or state not in ENDED or state is State.SUCCESS:
                continue
            if edge is Edge.ITEMS and state is State.FAILED:
                continue
            if state is State.PASSED and edge is Edge.SOFT:
                continue
            verdicts.append(State.PASSED if state is State.PASSED else State.SKIPPED)
        if State.SKIPPED in verdicts:
            return State.SKIPPED
        return State.PASSED if verdicts and self.is_known(unit, states) else None

    def is_known(self, unit: int, states: list[State]) -> bool:
        """Return whether all upstream has ended, or has its items."""
        return all(
            states[upstream] in ENDED or (edge is Edge.ITEMS and states[upstream] is State.EXPANDED)
            for upstream, edge in self.entries[unit].edges
        )

    def below(self, unit: int, schedule: Schedule) -> set[int]:
        """Return a unit and all downstream of it: of an item, its step and what is made of that or of that item."""
        found = {unit}
        while True:
            more = {two for one in found for two in range(schedule.count) if self.is_below(one, two, schedule)}
            if more <= found:
                return found
            found |= more

    def is_below(self, one: int, two: int, schedule: Schedule) -> bool:
        """Return whether a unit is directly downstream of another."""
        items = schedule.items
        above, below = items.parent(one), items.parent(two)
        if two == above:
            return True
        step = two if below < 0 else below
        edges = [edge for upstream, edge in self.entries[step].edges if upstream == (one if above < 0 else above)]
        if above < 0:
            return any(edge is not Edge.ITEMS for edge in edges)
        is_same = below >= 0 and one - items.of(above).start == two - items.of(below).start
        return is_same and Edge.ITEMS in edges

    def is_ready(self, unit: int, states: list[State]) -> bool:
        """Return whether all that a step waits for is there."""
        return self.is_known(unit, states) and self.wanted(unit, states) is None


class ScheduleMachine(RuleBasedStateMachine):
    """Takes, ends, retries, expands and stops at random, and checks every promise in between."""

    @initialize(plan=plans(), failures=st.none() | st.integers(1, 3), undoable=st.sets(st.integers(0, 11)))
    def build(self, plan: tuple[list[Entry], list[int], int | None], failures: int | None, undoable: set[int]) -> None:
        entries, limits, limit = plan
        self.entries, self.limits, self.limit = entries, limits, limit
        self.admission, share = admission(limits, limit)
        self.schedule = Schedule(wired(entries), share, failures_allowed=failures, undoable=undoable)
        self.undoable = undoable
        self.completed: list[int] = []
        self.model = Model(entries)
        self.running: dict[int, int] = {}
        self.held: dict[int, int] = {}
        self.waiting: set[int] = set()
        self.ends: dict[int, State] = {}
        self.counts: dict[int, int] = {}

    def lane_of(self, unit: int) -> int:
        parent = self.schedule.items.parent(unit)
        return self.entries[unit if parent < 0 else parent].lane

    def is_head(self, unit: int) -> bool:
        return self.schedule.items.parent(unit) < 0 and self.entries[unit].mapped

    def pick(self, data: st.DataObject) -> int:
        return data.draw(st.sampled_from(sorted(self.running)))

    @rule(lane=st.integers(0, 2))
    def take(self, lane: int) -> None:
        if lane >= len(self.limits):
            return
        unit = taken(self.admission, self.schedule, lane)
        if unit is not None:
            assert unit not in self.running
            assert not self.schedule.stopped
            self.running[unit] = lane

    @precondition(lambda self: self.running)
    @rule(data=st.data(), how=st.sampled_from(["succeed", "fail", "skip", "wait", "held", "held_wait"]))
    def end(self, data: st.DataObject, how: str) -> None:
        unit = self.pick(data)
        if self.is_head(unit) and how != "fail":
            return self.expand(unit, data.draw(st.integers(0, 4)))
        lane = self.running.pop(unit)
        if how == "succeed":
            self.succeed(unit)
        elif how == "skip":
            self.schedule.skip(unit)
        elif how == "fail":
            self.schedule.fail(unit)
        elif how == "held":
            self.held[unit] = lane
            self.schedule.fail(unit, held=True)
        elif self.schedule.stopped:
            self.schedule.fail(unit)
        else:
            if how == "held_wait":
                self.held[unit] = lane
            self.schedule.wait(unit, held=how == "held_wait")
            self.waiting.add(unit)
        return None

    def succeed(self, unit: int) -> None:
        self.schedule.succeed(unit)
        parent = self.schedule.items.parent(unit)
        if (unit if parent < 0 else parent) in self.undoable:
            self.completed.append(unit)

    def expand(self, unit: int, count: int) -> None:
        sources = [one for one, edge in self.entries[unit].edges if edge is Edge.ITEMS]
        count = self.counts.get(sources[0], 0) if sources else count
        del self.running[unit]
        self.counts[unit] = count
        assert len(self.schedule.expand(unit, count)) == count

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def thread_ends(self, data: st.DataObject) -> None:
        unit = data.draw(st.sampled_from(sorted(self.held)))
        del self.held[unit]
        self.schedule.release(unit)
        if unit in self.waiting:
            self.waiting.discard(unit)
            self.schedule.due(unit)

    @precondition(lambda self: self.waiting - self.held.keys())
    @rule(data=st.data())
    def retry_is_due(self, data: st.DataObject) -> None:
        unit = data.draw(st.sampled_from(sorted(self.waiting - self.held.keys())))
        self.waiting.discard(unit)
        self.schedule.due(unit)

    @rule(chance=st.integers(0, 30))
    def stop(self, chance: int) -> None:
        if chance == 0:
            self.schedule.stop()

    @invariant()
    def limits_are_kept(self) -> None:
        if not hasattr(self, "schedule"):
            return
        in_use = len(self.running) + len(self.held)
        assert self.admission.held == in_use
        assert self.limit is None or in_use <= self.limit
        for lane, limit in enumerate(self.limits):
            holders = [*self.running.values(), *self.held.values()]
            assert holders.count(lane) <= limit

    @invariant()
    def nothing_ready_waits_while_a_slot_is_free(self) -> None:
        if not hasattr(self, "schedule") or self.schedule.stopped:
            return
        ready = [unit for unit in self.units() if self.schedule.state(unit) is State.READY]
        in_use = len(self.running) + len(self.held)
        startable = [lane for lane in range(len(self.limits)) if self.admission.startable(lane)]
        for unit in ready:
            lane = self.lane_of(unit)
            holders = [*self.running.values(), *self.held.values()].count(lane)
            if holders < self.limits[lane] and (self.limit is None or in_use < self.limit):
                assert startable, "a slot is free, a unit is ready, and no lane may start one"

    @invariant()
    def states_follow_from_upstream(self) -> None:
        if not hasattr(self, "schedule"):
            return
        states = [self.schedule.state(unit) for unit in range(len(self.entries))]
        for unit, state in enumerate(states):
            if state is State.PENDING:
                assert not self.model.is_ready(unit, states)
                assert self.model.wanted(unit, states) is None
            if state is State.READY:
                assert self.model.is_ready(unit, states)

    @invariant()
    def an_end_is_final(self) -> None:
        if not hasattr(self, "schedule"):
            return
        for unit in self.units():
            state = self.schedule.state(unit)
            assert unit not in self.ends or self.ends[unit] is state
            if state in ENDED:
                self.ends[unit] = state

    def units(self) -> range:
        return range(len(self.entries) + sum(self.counts.values()))

    def teardown(self) -> None:
        if not hasattr(self, "schedule"):
            return
        finish(self)
        assert self.schedule.ended
        assert self.admission.held == 0
        assert all(self.schedule.state(unit) in ENDED for unit in self.units())
        skips = [one.unit for one in self.schedule.news if one.kind == "skip"]
        assert len(skips) == len(set(skips))
        self.undo_all()

    def undo_all(self) -> None:
        """Undo in reverse order; each undo reports what no longer counts, and all of it once."""
        assert self.schedule.completed.order == self.completed
        undone: set[int] = set()
        for unit in reversed(self.completed):
            found = self.schedule.undo(unit)
            assert len(found) == len(set(found))
            below = {one for one in self.model.below(unit, self.schedule) if self.schedule.state(one) is State.SUCCESS}
            assert set(found) == below - undone
            undone |= below


def finish(machine: ScheduleMachine) -> None:
    """Let everything end: nothing may be left that neither runs nor can start."""
    for _ in range(10_000):
        for unit in sorted(machine.held):
            del machine.held[unit]
            machine.schedule.release(unit)
            if unit in machine.waiting:
                machine.waiting.discard(unit)
                machine.schedule.due(unit)
        for unit in sorted(machine.waiting):
            machine.waiting.discard(unit)
            machine.schedule.due(unit)
        for lane in range(len(machine.limits)):
            unit_or_none = taken(machine.admission, machine.schedule, lane)
            if unit_or_none is not None:
                machine.running[unit_or_none] = lane
        if not machine.running:
            if machine.schedule.ended:
                return
            continue
        unit = sorted(machine.running)[0]
        if machine.is_head(unit):
            machine.expand(unit, 1)
        else:
            del machine.running[unit]
            machine.succeed(unit)
    raise AssertionError("the schedule never came to its end")


ScheduleMachine.TestCase.settings = settings(
    max_examples=300, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
)
TestScheduleMachine = pytest.mark.timeout(300)(pytest.mark.filterwarnings("ignore")(ScheduleMachine.TestCase))


@given(plan=plans(), seed=st.integers(0, 1000))
@settings(max_examples=200, deadline=None)
def test_batches_are_barriers(plan: tuple[list[Entry], list[int], int | None], seed: int) -> None:
    entries, limits, limit = plan
    level: list[int] = []
    for entry in entries:
        level.append(1 + max((level[one] for one, _ in entry.edges), default=-1))
    batches = [[u for u, at in enumerate(level) if at == number] for number in range(max(level) + 1)]
    slots, share = admission(limits, limit)
    schedule = Schedule(wired(entries), share, batches=batches)
    choose = random.Random(seed)
    running: list[int] = []
    while not schedule.ended:
        running += [unit for lane in range(len(limits)) if (unit := taken(slots, schedule, lane)) is not None]
        unit = running.pop(choose.randrange(len(running)))
        parent = schedule.items.parent(unit)
        batch = level[unit if parent < 0 else parent]
        assert all(schedule.state(one) in ENDED for one, at in enumerate(level) if at < batch)
        if parent < 0 and entries[unit].mapped:
            sources = [one for one, edge in entries[unit].edges if edge is Edge.ITEMS]
            schedule.expand(unit, len(schedule.items.of(sources[0])) if sources else choose.randrange(3))
        else:
            choose.choice([schedule.succeed, schedule.fail, schedule.skip])(unit)
    told = [(one.kind, one.unit) for one in schedule.news if one.kind.startswith("batch")]
    expected = [(kind, number) for number in range(len(batches)) for kind in ("batch_start", "batch_finish")]
    assert told == expected


def test_a_unit_that_does_not_run_cannot_end() -> None:
    _, share = admission([1], None)
    schedule = Schedule(wired([Entry(0)]), share)

    with pytest.raises(RuntimeError, match="unit 0 is READY, not RUNNING"):
        schedule.succeed(0)


def test_a_step_that_a_batch_held_back_stays_skipped_when_the_batch_opens_after_a_stop() -> None:
    slots, share = admission([1], None)
    schedule = Schedule(wired([Entry(0), Entry(0)]), share, batches=[[0], [1]])
    assert taken(slots, schedule, 0) == 0
    schedule.stop()
    schedule.succeed(0)

    assert schedule.state(1) is State.SKIPPED
    assert schedule.ended


def test_an_attempt_that_is_due_after_a_stop_is_not_tried() -> None:
    slots, share = admission([2], None)
    schedule = Schedule(wired([Entry(0), Entry(0)]), share)
    assert [taken(slots, schedule, 0), taken(slots, schedule, 0)] == [0, 1]
    schedule.wait(0)
    schedule.stop()
    schedule.due(0)
    assert schedule.state(0) is State.FAILED
    assert taken(slots, schedule, 0) is None
