"""Schedule: the pure state machine at the heart of a run.

Steps, edges and limits go in, "start this one now" comes out. No threads, no clock, no I/O, no
hooks: whoever drives it holds one lock around every call. Units are small integers: the steps in
plan order first, the items of mapped steps behind them as they appear. All state is kept in flat
lists, so a unit costs tens of bytes and a transition about a microsecond.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence, Set

from flowbuilder.engine.barriers import Barriers
from flowbuilder.engine.completed import Completed
from flowbuilder.engine.entries import News, State, Wiring
from flowbuilder.engine.items import Items
from flowbuilder.engine.limits import NO_NEEDS, Line, Needs
from flowbuilder.engine.share import Share
from flowbuilder.plan.edges import Edge

PENDING, READY, RUNNING, WAITING, EXPANDED, SUCCESS, FAILED, PASSED, SKIPPED = map(int, State)
SOFT, ANY, ITEMS = int(Edge.SOFT), int(Edge.ANY), int(Edge.ITEMS)
_STOPPING = (FAILED, SKIPPED)  # what keeps all below from running

End = tuple[int, int, int]  # a unit, its state, and the unit that caused it


class Schedule:
    """Decides what may start; every limit is kept here and nowhere else.

    ``left`` is how many steps have not ended, ``live`` how many units run that are not over, ``items`` has the
    items of mapped steps, ``completed`` what can be undone, and ``news`` what the schedule decided by itself.

    Args:
        wiring: the steps, each after its upstream.
        share: where ready units wait for slots and resources.
        failures_allowed: the failure of this many units stops the run; None for never.
        batches: barriers: groups of steps of which none starts before the group before has ended.
        kept: the steps that succeeded before, and are not done again.
        later: those that, once they are ready, wait until they are ``due``.
        undoable: the steps that can be undone.
    """

    def __init__(
        self,
        wiring: Wiring,
        share: Share,
        *,
        failures_allowed: int | None = None,
        batches: Sequence[Sequence[int]] | None = None,
        kept: Collection[int] = (),
        later: Collection[int] = (),
        undoable: Set[int] = frozenset(),
    ) -> None:
        edges, count = wiring.edges, len(wiring.lanes)
        self.news: list[News] = []
        self.stopped = False
        self.failures = 0
        self.share = share
        self._slots = share.slots
        self.live = 0
        self.left = count
        self.items = Items(count)
        self.completed = Completed(undoable, edges, self.items)
        self._failures_allowed = failures_allowed
        self._waiting_retries = 0
        self._state = [PENDING] * count
        self._edges = edges
        self._starts = edges.starts
        self._waits_for = list(edges.waits)
        self._needs = wiring.needs
        self._lines = _lines(wiring, share)
        self._count = count
        self._cause: dict[int, int] = {}
        self._held_waits: set[int] = set()
        self._tried: set[int] = set()
        self._freed: set[int] = set()
        self.later = set(later)
        self._passing: dict[int, int] = {}
        self._barriers = Barriers(batches) if batches else None
        if self._barriers:
            self.news.append(News("batch_start", 0))
        self._keep(kept)
        for unit, waits in enumerate(self._waits_for):
            if not waits and self._state[unit] == PENDING:
                self._make_ready(unit)

    def _keep(self, kept: Collection[int]) -> None:
        for unit in kept:
            self._state[unit] = SUCCESS
            self._complete(unit)
        for unit in kept:
            for coded in self._below(unit):
                self._waits_for[coded >> 2] -= 1
            self.left -= 1
            if self._barriers is not None:
                self._end_in_batch(unit, self._barriers)

    # What a driver asks.

    @property
    def ended(self) -> bool:
        """Whether every step has ended."""
        return not self.left

    @property
    def starved(self) -> bool:
        """Whether steps are left, and none runs or waits for an attempt of its own.

        Then only units that are over, but still hold their slots, stand in the way.
        """
        return self.left > 0 and not self.live and not self._waiting_retries

    def state(self, unit: int) -> State:
        """Return where a unit stands."""
        return State(self._state[unit])

    @property
    def count(self) -> int:
        """How many units there are, steps and the items that are known."""
        return len(self._state)

    def step(self, unit: int) -> int:
        """Return the step of a unit: the unit itself, or the mapped step it is an item of."""
        return unit if unit < self._count else self.items.parent(unit)

    def lane(self, unit: int) -> int:
        """Return the lane a unit runs in."""
        return self._lines[unit].lane

    def needs(self, unit: int) -> Needs:
        """Return what a unit needs beside its slot."""
        return self._needs.get(self.step(unit), NO_NEEDS)

    # What a driver says.

    def start(self, unit: int) -> int:
        """Say that a ready unit was given its slot and starts, and return its step."""
        self._state[unit] = RUNNING
        self.live += 1
        if self._tried:
            self._tried.discard(unit)
        return unit if unit < self._count else self.items.parent(unit)

    def succeed(self, unit: int, *, held: bool = False) -> None:
        """Say that a running unit succeeded; ``held`` keeps its slot until ``release``."""
        self._leave(unit, held=held)
        if self.completed.undoable:
            self._complete(unit)
        if unit >= self._count:
            self._end(unit, SUCCESS, unit)
            return
        self._state[unit] = SUCCESS
        first, last = self._starts[unit], self._starts[unit + 1]
        if first != last:
            self._feed(unit, self._edges.below[first:last])
        self.left -= 1
        if self._barriers is not None:
            self._end_in_batch(unit, self._barriers)

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
        self.later.discard(unit)
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
        self._slots.hold(self._lines[unit])

    def free(self, unit: int) -> None:
        """Say that the body of a running unit has ended: it holds nothing more, though its end is not said yet."""
        self._freed.add(unit)
        self.release(unit)

    def release(self, unit: int) -> None:
        """Give back the slot that a unit kept with ``held``."""
        self._slots.release(self._lines[unit])

    def expand(self, unit: int, count: int, kept: Collection[int] = ()) -> range:
        """Say that a running mapped step has ``count`` items, and return their units.

        An item of a map of a map waits for the item of the same index only. Those of the indices
        ``kept`` succeeded before, and are not done again.
        """
        self._leave(unit)
        self._state[unit] = EXPANDED
        units = self.items.add(unit, count, len(kept))
        maps = self._edges.maps.get(unit, ())
        self._state += [PENDING] * count
        self._lines += [self._lines[unit]] * count
        self._waits_for += [len(maps)] * count
        for index in kept:
            self._state[units[index]] = SUCCESS
            self._complete(units[index])
        for item in units:
            if self._state[item] == PENDING:
                self._place_item(item, self.items.sources(item, maps))
        self._tell_expanded(unit)
        if len(kept) == count:
            self._end(unit, SUCCESS, unit)
        elif self.stopped:
            self._skip_all(units)
        return units

    def undo(self, unit: int) -> list[int]:
        """Say that a unit is undone, and return it and all downstream of it that succeeded and counted so far."""
        return [one for one in self.completed.undo(unit) if self._state[one] == SUCCESS]

    def stop(self) -> None:
        """Start nothing new: everything that has not started is skipped."""
        if self.stopped:
            return
        self.stopped = True
        self.share.close()
        self.news.append(News("stop"))
        self._skip_all(range(len(self._state)))

    # Inside.

    def _complete(self, unit: int) -> None:
        if self.step(unit) in self.completed.undoable:
            self.completed.order.append(unit)

    def _skip_all(self, units: range) -> None:
        for unit in units:
            if unit in self.later and self._state[unit] == WAITING:
                self._stop_waiting(unit)
                self._end(unit, SKIPPED, -1)
            elif self._state[unit] == WAITING or unit in self._tried:
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
        if self._freed and unit in self._freed:
            self._freed.discard(unit)
        elif not held:
            self._slots.release(self._lines[unit])

    def _make_ready(self, unit: int) -> None:
        if self.stopped:
            return
        step = unit if unit < self._count else self.items.parent(unit)
        if self._barriers and unit == step and self._barriers.hold(unit):
            return
        if self.later and unit in self.later:
            self._state[unit] = WAITING
            self._waiting_retries += 1
            return
        self._state[unit] = READY
        self._slots.enqueue(self.share, unit, step, self._lines[unit])

    def _place_item(self, item: int, sources: Iterable[int]) -> None:
        for source in sources:
            state = self._state[source]
            if state < SUCCESS:
                self.items.wait(item, source)
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
        for coded in self._below(unit):
            below = coded >> 2
            if coded & 3 == ITEMS and self._state[below] == PENDING:
                self._waits_for[below] -= 1
                if not self._waits_for[below]:
                    self._decide(below)

    def _decide(self, unit: int) -> None:
        """Make a unit ready whose upstream is there, or pass it over."""
        if unit in self._passing:
            self._end(unit, PASSED, self._passing[unit])
        else:
            self._make_ready(unit)

    def _below(self, unit: int) -> Sequence[int]:
        """Return the units that wait for a unit, each as ``number << 2 | edge``."""
        if unit < self._count:
            return self._edges.below[self._starts[unit] : self._starts[unit + 1]]
        return self.items.waiting(unit)

    def _end(self, unit: int, state: int, cause: int) -> None:
        """End a unit, and with it, without recursion, all that this decides."""
        ends = [(unit, state, cause)]
        for unit, state, cause in ends:  # which grows on the way
            if self._state[unit] >= SUCCESS:
                continue
            self._state[unit] = state
            if state == SKIPPED or (state == PASSED and cause != unit):
                self._cause[unit] = cause
                self.news.append(News("skip", unit, cause))
            if state == SUCCESS:
                self._feed(unit, self._below(unit))
            else:
                self._tell_below(unit, state, cause, ends)
            if unit >= self._count:
                self._item_ended(unit, state, ends)
                continue
            self.left -= 1
            if self._barriers is not None:
                self._end_in_batch(unit, self._barriers)

    def _feed(self, unit: int, below_it: Sequence[int]) -> None:
        """Tell the units that wait for one that it succeeded."""
        waits_for = self._waits_for
        for coded in below_it:
            if coded & 3 == ITEMS and unit in self.items:
                continue
            below = coded >> 2
            left = waits_for[below] = waits_for[below] - 1
            if not left and self._state[below] == PENDING:
                self._decide(below)

    def _tell_below(self, unit: int, state: int, cause: int, ends: list[End]) -> None:
        """Tell the units that wait for one that it did not succeed; those that this ends are added to ``ends``."""
        states, waits_for = self._state, self._waits_for
        for coded in self._below(unit):
            below, edge = coded >> 2, coded & 3
            if states[below] != PENDING or (edge == ITEMS and unit in self.items):
                continue
            if state != PASSED and edge != ANY:
                ends.append((below, SKIPPED, cause))
                continue
            if state == PASSED and edge != SOFT and edge != ANY:
                # Decided when all above it is known: a failure among that would weigh more.
                self._passing.setdefault(below, cause)
            waits_for[below] -= 1
            if waits_for[below]:
                continue
            if below in self._passing:
                ends.append((below, PASSED, self._passing[below]))
            else:
                self._make_ready(below)

    def _item_ended(self, item: int, state: int, ends: list[End]) -> None:
        """Count an item of a mapped step, which ends with its last one."""
        parent = self.items.parent(item)
        if self.items.end(parent, broken=state in _STOPPING):
            self.news.append(News("end", parent))
            ends.append((parent, SUCCESS if self.items.is_whole(parent) else FAILED, parent))

    def _end_in_batch(self, step: int, barriers: Barriers) -> None:
        barriers.end(step)
        while barriers.finished:
            self.news.append(News("batch_finish", barriers.current))
            held = barriers.advance()
            if held is None:
                return
            self.news.append(News("batch_start", barriers.current))
            for one in held:
                if self._state[one] == PENDING:
                    self._make_ready(one)


def _lines(wiring: Wiring, share: Share) -> list[Line]:
    """Return where each step waits for what it needs to start."""
    if wiring.needs:
        return [share.line(lane, wiring.needs.get(unit, NO_NEEDS)) for unit, lane in enumerate(wiring.lanes)]
    lines = {lane: share.line(lane) for lane in set(wiring.lanes)}
    return [lines[lane] for lane in wiring.lanes]
