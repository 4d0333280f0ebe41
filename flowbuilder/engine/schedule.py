"""Schedule: the pure state machine at the heart of a run.

Steps, edges and limits go in, "start this one now" comes out. No threads, no clock, no I/O, no
hooks: whoever drives it holds one lock around every call. Units are small integers: the steps in
plan order first, the items of mapped steps behind them as they appear. All state is kept in flat
lists, so a unit costs tens of bytes and a transition about a microsecond.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from flowbuilder.engine.barriers import Barriers
from flowbuilder.engine.entries import Entry, News, State
from flowbuilder.engine.limits import NO_NEEDS, Needs
from flowbuilder.engine.share import Share
from flowbuilder.plan.shape import Edge

PENDING, READY, RUNNING, WAITING, EXPANDED, SUCCESS, FAILED, PASSED, SKIPPED = map(int, State)
SOFT, ANY, ITEMS = int(Edge.SOFT), int(Edge.ANY), int(Edge.ITEMS)


class _Items:
    """The items of one mapped step: their units, how many have not ended, whether the list will be whole."""

    __slots__ = ("open", "units", "whole")

    def __init__(self, units: range) -> None:
        self.units = units
        self.open = len(units)
        self.whole = True


class Schedule:
    """Decides what may start; every limit is kept here and nowhere else.

    Args:
        entries: the steps, each after its upstream.
        share: where ready units wait for slots and resources.
        failures_allowed: the failure of this many units stops the run; None for never.
        batches: barriers: groups of steps of which none starts before the group before has ended.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        share: Share,
        *,
        failures_allowed: int | None = None,
        batches: Sequence[Sequence[int]] | None = None,
    ) -> None:
        count = len(entries)
        self.news: list[News] = []
        self.stopped = False
        self.failures = 0
        self._failures_allowed = failures_allowed
        self.share = share
        self._held = 0
        self.live = 0
        self._waiting_retries = 0
        self._open = count
        self._state = [PENDING] * count
        self._waits_for = [len(entry.edges) for entry in entries]
        self._lane = [entry.lane for entry in entries]
        self._needs = {unit: entry.needs for unit, entry in enumerate(entries) if entry.needs}
        self._parent = [-1] * count
        self._downstream: list[list[int] | None] = [None] * count
        self._maps: dict[int, list[int]] = {}
        self._items: dict[int, _Items] = {}
        self._cause: dict[int, int] = {}
        self._held_waits: set[int] = set()
        self._tried: set[int] = set()
        self._passing: dict[int, int] = {}
        for unit, entry in enumerate(entries):
            self._connect(unit, entry.edges)
        self._barriers = Barriers(batches) if batches else None
        if self._barriers:
            self.news.append(News("batch_start", 0))
        for unit in range(count):
            if not self._waits_for[unit]:
                self._make_ready(unit)

    def _connect(self, unit: int, edges: Sequence[tuple[int, Edge]]) -> None:
        for upstream, edge in edges:
            self._edge(upstream, unit, edge)
            if edge == ITEMS:
                self._maps.setdefault(unit, []).append(upstream)

    def _edge(self, upstream: int, unit: int, edge: int) -> None:
        known = self._downstream[upstream]
        coded = unit << 2 | edge
        if known is None:
            self._downstream[upstream] = [coded]
        else:
            known.append(coded)

    # What a driver asks.

    @property
    def ended(self) -> bool:
        """Whether every step has ended."""
        return not self._open

    @property
    def starved(self) -> bool:
        """Whether steps are left, and none runs or waits for an attempt of its own.

        Then only units that are over, but still hold their slots, stand in the way.
        """
        return self._open > 0 and not self.live and not self._waiting_retries

    @property
    def running(self) -> int:
        """How many slots are held."""
        return self._held

    def state(self, unit: int) -> State:
        """Return where a unit stands."""
        return State(self._state[unit])

    def items(self, unit: int) -> range:
        """Return the units of a mapped step's items; empty while they are not known."""
        known = self._items.get(unit)
        return known.units if known else range(0)

    @property
    def count(self) -> int:
        """How many units there are, steps and the items that are known."""
        return len(self._state)

    def parent(self, unit: int) -> int:
        """Return the mapped step an item belongs to, -1 for a step."""
        return self._parent[unit]

    # What a driver says.

    def start(self, unit: int) -> None:
        """Say that a ready unit was given its slot and starts."""
        self._state[unit] = RUNNING
        self._held += 1
        self.live += 1
        if self._tried:
            self._tried.discard(unit)

    def succeed(self, unit: int, *, held: bool = False) -> None:
        """Say that a running unit succeeded; ``held`` keeps its slot until ``release``."""
        self._leave(unit, held=held)
        if self._downstream[unit] is None and self._parent[unit] < 0:
            # Nothing hangs on it.
            self._state[unit] = SUCCESS
            self._step_ended(unit)
        else:
            self._end(unit, SUCCESS, unit)

    def fail(self, unit: int, *, held: bool = False) -> None:
        """Say that a running unit failed for good; ``held`` keeps its slot until ``release``."""
        self._leave(unit, held=held)
        self.failures += 1
        self._end(unit, FAILED, unit)
        if self._failures_allowed is not None and self.failures >= self._failures_allowed:
            self.stop()

    def skip(self, unit: int) -> None:
        """Say that the ``when`` of a running unit is false."""
        self._leave(unit)
        self._end(unit, PASSED, unit)

    def drop(self, unit: int, *, held: bool = False) -> None:
        """Say that a running unit was stopped before it began: it is skipped; ``held`` keeps its slot."""
        self._leave(unit, held=held)
        self._end(unit, SKIPPED, -1)

    def wait(self, unit: int, *, held: bool = False) -> None:
        """Say that a running unit will be tried again; it holds nothing, unless ``held``."""
        self._leave(unit, held=held)
        self._state[unit] = WAITING
        if held:
            self._held_waits.add(unit)
        else:
            self._waiting_retries += 1

    def due(self, unit: int) -> None:
        """Say that a waiting unit may be tried now."""
        if self._state[unit] == WAITING:
            self._stop_waiting(unit)
            self._tried.add(unit)
            self._make_ready(unit)

    def give_up(self, unit: int) -> None:
        """Say that a unit that was tried gets no further attempt: it has failed."""
        if self._state[unit] == WAITING:
            self._stop_waiting(unit)
        self.news.append(News("gave_up", unit))
        self._end(unit, FAILED, unit)

    def lend(self, unit: int) -> None:
        """Count one slot more than the limits for a unit whose own is still held by its overdue body."""
        self._held += 1
        self.share.hold(self._lane[unit], self.needs_of(unit))

    def release(self, unit: int) -> None:
        """Give back the slot that a unit kept with ``held``."""
        self._held -= 1
        self.share.release(self._lane[unit], self.needs_of(unit) if self._needs else NO_NEEDS)

    def expand(self, unit: int, count: int) -> range:
        """Say that a running mapped step has ``count`` items, and return their units.

        An item of a map of a map waits for the item of the same index only.
        """
        self._leave(unit)
        first = len(self._state)
        units = range(first, first + count)
        self._state[unit] = EXPANDED
        self._items[unit] = _Items(units)
        sources = [self._items[source].units.start for source in self._maps.get(unit, ())]
        self._state += [PENDING] * count
        self._waits_for += [len(sources)] * count
        self._lane += [self._lane[unit]] * count
        self._parent += [unit] * count
        self._downstream += [None] * count
        for index in range(count):
            self._place_item(first + index, [source + index for source in sources])
        self._tell_expanded(unit)
        if not count:
            self._end(unit, SUCCESS, unit)
        elif self.stopped:
            self._skip_all(units)
        return units

    def stop(self) -> None:
        """Start nothing new: everything that has not started is skipped."""
        if self.stopped:
            return
        self.stopped = True
        self.share.close()
        self.news.append(News("stop"))
        self._skip_all(range(len(self._state)))

    # Inside.

    def _skip_all(self, units: range) -> None:
        for unit in units:
            if self._state[unit] == WAITING or unit in self._tried:
                self.give_up(unit)
            elif self._state[unit] in (PENDING, READY):
                self._end(unit, SKIPPED, -1)

    def _stop_waiting(self, unit: int) -> None:
        if unit in self._held_waits:
            self._held_waits.discard(unit)
        else:
            self._waiting_retries -= 1

    def _leave(self, unit: int, *, held: bool = False) -> None:
        if self._state[unit] != RUNNING:
            raise RuntimeError(f"unit {unit} is {self.state(unit).name}, not RUNNING")
        self.live -= 1
        if not held:
            self.release(unit)

    def _make_ready(self, unit: int) -> None:
        if self.stopped:
            return
        if self._barriers and self._parent[unit] < 0 and self._barriers.hold(unit):
            return
        self._state[unit] = READY
        parent = self._parent[unit]
        self.share.add(unit, self._lane[unit], unit if parent < 0 else parent, self.needs_of(unit))

    def needs_of(self, unit: int) -> Needs:
        """Return what a unit needs beside its slot."""
        if not self._needs:
            return NO_NEEDS
        parent = self._parent[unit]
        return self._needs.get(unit if parent < 0 else parent, NO_NEEDS)

    def _place_item(self, item: int, sources: list[int]) -> None:
        for source in sources:
            state = self._state[source]
            if state < SUCCESS:
                self._edge(source, item, 0)
                continue
            if state == PASSED:
                self._passing.setdefault(item, self._cause.get(source, source))
            elif state != SUCCESS:
                self._end(item, SKIPPED, self._cause.get(source, source))
                return
            self._waits_for[item] -= 1
        if not self._waits_for[item]:
            self._decide(item)

    def _tell_expanded(self, unit: int) -> None:
        for coded in self._downstream[unit] or ():
            if coded & 3 == ITEMS and self._is_last_for(coded >> 2):
                self._decide(coded >> 2)

    def _decide(self, unit: int) -> None:
        """Make a unit ready whose upstream is there, or pass it over."""
        if unit in self._passing:
            self._end(unit, PASSED, self._passing[unit])
        else:
            self._make_ready(unit)

    def _is_last_for(self, unit: int) -> bool:
        """Count one upstream of a unit as there; return whether that was the last it waited for."""
        self._waits_for[unit] -= 1
        return not self._waits_for[unit] and self._state[unit] == PENDING

    def _end(self, unit: int, state: int, cause: int) -> None:
        """End a unit, and with it, without recursion, all that this decides."""
        work = deque([(unit, state, cause)])
        while work:
            unit, state, cause = work.popleft()
            if self._state[unit] >= SUCCESS:
                continue
            self._state[unit] = state
            if state == SKIPPED or (state == PASSED and cause != unit):
                self._cause[unit] = cause
                self.news.append(News("skip", unit, cause))
            for coded in self._downstream[unit] or ():
                below, edge = coded >> 2, coded & 3
                if self._state[below] != PENDING or (edge == ITEMS and unit in self._items):
                    continue
                decided = self._tell(below, edge, state, cause)
                if decided is not None:
                    work.append(decided)
            parent = self._parent[unit]
            if parent < 0:
                self._step_ended(unit)
            elif (whole := self._item_ended(parent, state)) is not None:
                self.news.append(News("end", parent))
                work.append((parent, whole, parent))

    def _tell(self, below: int, edge: int, state: int, cause: int) -> tuple[int, int, int] | None:
        """Tell a unit that one above it has ended; return the unit, its end and the cause where that ends it."""
        if state in (FAILED, SKIPPED) and edge != ANY:
            return below, SKIPPED, cause
        if state == PASSED and edge not in (SOFT, ANY):
            # Decided when all above it is known: a failure among that would weigh more.
            self._passing.setdefault(below, cause)
        if not self._is_last_for(below):
            return None
        if below in self._passing:
            return below, PASSED, self._passing[below]
        self._make_ready(below)
        return None

    def _item_ended(self, parent: int, state: int) -> int | None:
        """Count an item of a mapped step; return how the step ended when it was the last."""
        items = self._items[parent]
        items.open -= 1
        items.whole = items.whole and state in (SUCCESS, PASSED)
        if items.open:
            return None
        return SUCCESS if items.whole else FAILED

    def _step_ended(self, unit: int) -> None:
        self._open -= 1
        if self._barriers is None:
            return
        self._barriers.end(unit)
        while self._barriers.finished:
            self.news.append(News("batch_finish", self._barriers.current))
            held = self._barriers.advance()
            if held is None:
                return
            self.news.append(News("batch_start", self._barriers.current))
            for step in held:
                if self._state[step] == PENDING:
                    self._make_ready(step)
