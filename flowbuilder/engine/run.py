"""Run: the one owner of a run's mutable state, between the schedule, the lanes and the hooks.

Lanes take attempts and say how they ended, from any thread; every change happens under one lock,
and no user code, hook or I/O under it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import copy_context
from random import Random
from typing import Any

from flowbuilder.engine.attempt import CONTEXT, MISSING, Attempt
from flowbuilder.engine.entries import Edge, Entry, News, State
from flowbuilder.engine.napping_lock import NappingLock
from flowbuilder.engine.records import Records
from flowbuilder.engine.relay import Relay
from flowbuilder.engine.schedule import Schedule
from flowbuilder.engine.timers import Timers
from flowbuilder.engine.views import RunInfo, StepInfo
from flowbuilder.plan.plan import Binding, Kind, PlannedStep
from flowbuilder.results import Status

LaneInfo = tuple[str, int, bool]  # executor, limit, enforces_timeouts


class Run:
    """One run of a plan.

    Args:
        info: what hooks see of the run.
        lanes: for each lane its executor's name, its limit, and whether it enforces time-outs.
        relay: the hook thread.
        wrappers: the implementations of ``flowbuilder_step_call``.
        notify: wakes the loop; safe from any thread.
    """

    def __init__(
        self,
        info: RunInfo,
        lanes: Sequence[LaneInfo],
        relay: Relay,
        wrappers: Sequence[Any],
        notify: Callable[[], None],
        seed: int,
    ) -> None:
        self.info = info
        self.relay = relay
        self.wrappers = wrappers
        self.variables = copy_context()
        self.lock = NappingLock()
        self.cancel_reason = ""
        self.cancel_lanes = False
        self.notes: list[str] = []
        self.to_prepare: deque[Attempt] = deque()
        self.overdue: dict[int, Attempt] = {}
        self.current: dict[int, Attempt] = {}
        self._notify = notify
        self._random = Random(seed)
        self._timers = Timers()
        self._lanes = lanes
        self._lane_numbers = range(len(lanes))
        self._executors = {lane[0]: number for number, lane in enumerate(lanes)}
        self._hears_start = relay.hears("step_start")
        self._hears_finish = relay.hears("step_finish")
        self._wake: list[Callable[[], None]] = []
        self._prepared: list[deque[Attempt]] = [deque() for _ in lanes]
        self._steps = info.plan.steps
        self._index = {step.name: i for i, step in enumerate(self._steps)}
        self._lane_of = [self._lane_number(step) for step in self._steps]
        self._batches = self._cut_batches()
        self.schedule = self._make_schedule()
        self.records = Records(info, self.schedule)
        self._values: list[Any] = [None] * len(self._steps)
        self._sources: dict[int, dict[str, Sequence[Any]]] = {}
        self._tries: dict[int, int] = {}
        self._has_providers = bool(info.plan.providers)
        self.providers: Any = None

    # Making the schedule.

    def _lane_number(self, step: PlannedStep) -> int:
        return self._executors[step.executor]

    def _cut_batches(self) -> list[tuple[str, ...]]:
        config = self.info.config
        if not config.in_batches:
            return []
        size = config.batch_size
        return [
            batch[start : start + (size or len(batch))]
            for batch in self.info.plan.batches
            for start in range(0, len(batch), size or len(batch))
        ]

    def _make_schedule(self) -> Schedule:
        mapped = {step.name for step in self._steps if step.mapped}
        entries = [
            Entry(self._lane_of[i], self._edges(step, mapped), step.mapped) for i, step in enumerate(self._steps)
        ]
        return Schedule(
            entries,
            [lane[1] for lane in self._lanes],
            limit=self.info.config.max_concurrency,
            failures_allowed=self.info.config.failures_allowed,
            batches=[[self._index[name] for name in batch] for batch in self._batches],
        )

    def _edges(self, step: PlannedStep, mapped: set[str]) -> list[tuple[int, Edge]]:
        """Return one edge for each upstream step; the strictest where it is asked for in several ways."""
        found: dict[str, Edge] = dict.fromkeys(step.after, Edge.SOFT)
        items = {one.source for one in step.each if one.kind is Kind.STEP and one.source in mapped}
        for one in (*step.bindings, *step.when, *step.on_error, *step.each):
            if one.kind is not Kind.STEP or (one.source in items and one in step.each):
                continue
            edge = Edge.ANY if one.wants_result else Edge.SOFT if one.has_default else Edge.VALUE
            found[one.source] = min(found.get(one.source, edge), edge)
        edges = [(self._index[name], edge) for name, edge in found.items()]
        return edges + [(self._index[name], Edge.ITEMS) for name in items]

    # What lanes ask and say.

    def attach(self, wake: Sequence[Callable[[], None]]) -> None:
        """Say how each lane is woken."""
        self._wake = list(wake)

    def take(self, lane: int) -> Attempt | None:
        """Return the next attempt of a lane, or None when nothing may start now.

        Where more could start, lanes are woken for one more worker each.
        """
        with self.lock:
            attempt = self._next(lane)
            wake = self._wanted_lanes() if attempt is not None else ()
        self._wake_all(wake)
        return attempt

    def done(self, attempt: Attempt, lane: int | None = None) -> Attempt | None:
        """Record how an attempt ended, start what now may, and return the next one of ``lane``."""
        with self.lock:
            self._settle(attempt)
            if self.schedule.news:
                self.digest()
            following = self._next(lane) if lane is not None else None
            wake = self._wanted_lanes()
        self._wake_all(wake)
        return following

    def _next(self, lane: int) -> Attempt | None:
        if self._prepared[lane]:
            return self._prepared[lane].popleft()
        if self.relay.is_behind:
            return None
        while (unit := self.schedule.take(lane)) is not None:
            attempt = self._start(unit, lane)
            if not self._has_providers or self._is_prepared(attempt):
                return attempt
            self.to_prepare.append(attempt)
            self._notify()
        return None

    def look(self, lane: int) -> None:
        """Wake a lane if it could start something."""
        with self.lock:
            has_work = bool(self._prepared[lane]) or self.schedule.startable(lane)
        if has_work:
            self._wake[lane]()

    def begin(self, attempt: Attempt) -> None:
        """Tell that the body of a step with a ``when`` is about to be called."""
        if getattr(attempt.step.definition, "when", None) is not None and attempt.number == 1:
            self.relay.tell("step_start", run=self.info, step=attempt.info, attempt=1)

    def is_over(self, attempt: Attempt) -> bool:
        """Return whether nobody waits for an attempt any more."""
        return attempt.overdue or bool(self.cancel_reason) or self.schedule.stopped

    def wake_lanes(self) -> None:
        """Wake every lane that could start something, and the loop where it has to act."""
        with self.lock:
            wake = self._wanted_lanes()
        self._wake_all(wake)

    def _wanted_lanes(self) -> Sequence[int]:
        """Return the lanes that could start something; wakes the loop where it has to act."""
        schedule = self.schedule
        if self.cancel_lanes or schedule.ended or schedule.starved:
            self._notify()
        return [lane for lane in self._lane_numbers if schedule.startable(lane) or self._prepared[lane]]

    def _wake_all(self, lanes: Sequence[int]) -> None:
        """Wake lanes; never under the lock."""
        for lane in lanes:
            self._wake[lane]()

    def prepared(self, attempt: Attempt) -> None:
        """Give an attempt whose providers stand (or that goes on to its rescue) to its lane."""
        with self.lock:
            self._prepared[self._lane_of_unit(attempt.unit)].append(attempt)
        self.wake_lanes()

    # Starting.

    def _start(self, unit: int, lane: int) -> Attempt:
        step = self._step_of(unit)
        number = self._tries.get(unit, 0) + 1
        info = self.records.info_of(unit)
        attempt = Attempt(self, unit, step, info, number)
        attempt.start_clock()
        self.current[unit] = attempt
        if step.mapped and self.schedule.parent(unit) < 0:
            attempt.phase = "expand"
            return attempt
        if self._hears_start and (number > 1 or getattr(step.definition, "when", None) is None):
            self.relay.tell("step_start", run=self.info, step=info, attempt=number)
        self._set_limit(attempt, lane)
        return attempt

    def _set_limit(self, attempt: Attempt, lane: int) -> None:
        timeout = getattr(attempt.step.definition, "timeout", None) or self.info.config.step_timeout
        if timeout is None or self._lanes[lane][0] == "inline":
            return
        attempt.timeout = timeout
        attempt.deadline = attempt.started + timeout
        if not self._lanes[lane][2] and self._timers.add(attempt.deadline, lambda: self._overran(attempt)):
            self._notify()

    def _is_prepared(self, attempt: Attempt) -> bool:
        return not attempt.step.providers or (
            self.providers.has(attempt.step.providers) and self.providers.failure(attempt.step.providers) is None
        )

    # Settling: always under the lock.

    def _settle(self, attempt: Attempt) -> None:
        unit = attempt.unit
        if attempt.overdue:
            self._thread_ended(attempt)
            return
        del self.current[unit]
        if attempt.phase == "expand":
            self._settle_expansion(attempt)
        elif attempt.passed:
            self.records.skip(unit, "its when was false")
            self._tell_skip(unit)
            self.schedule.skip(unit)
        elif attempt.status is Status.SUCCESS:
            self._succeed(attempt)
        else:
            self._settle_failure(attempt)

    def _succeed(self, attempt: Attempt) -> None:
        self._values[attempt.unit] = attempt.value
        result = self.records.ended(attempt)
        if self._hears_finish:
            self.relay.tell("step_finish", run=self.info, step=attempt.info, result=result)
        self.schedule.succeed(attempt.unit)

    def _settle_failure(self, attempt: Attempt, *, held: bool = False) -> None:
        definition = attempt.step.definition
        retries = getattr(definition, "retries", None)
        error = attempt.error
        over = self.schedule.stopped or bool(self.cancel_reason)
        if attempt.phase == "rescue":
            self._fail(attempt, held=held)
        elif (
            retries
            and error
            and not over
            and attempt.status is not Status.CANCELLED
            and retries.wants(error, attempt.number)
        ):
            self._retry(attempt, held=held)
        elif attempt.status is Status.CANCELLED or over or getattr(definition, "on_error", "fail") == "fail":
            self._fail(attempt, held=held)
        else:
            self._rescue(attempt, held=held)

    def _retry(self, attempt: Attempt, *, held: bool) -> None:
        unit = attempt.unit
        retries = attempt.step.definition.retries  # type: ignore[union-attr]  # only a step has retries
        delay = retries.seconds_before(attempt.number + 1, self._random)
        self._tries[unit] = attempt.number
        self.records.tried(attempt)
        self.relay.tell(
            "step_retry", run=self.info, step=attempt.info, attempt=attempt.number, error=attempt.error, delay=delay
        )
        self.schedule.wait(unit, held=held)
        # An overdue thread is waited for first: no attempt starts while it lives.
        if not held and self._timers.add(time.monotonic() + delay, lambda: self.schedule.due(unit)):
            self._notify()

    def _rescue(self, attempt: Attempt, *, held: bool) -> None:
        unit, rescue = attempt.unit, attempt.step.definition.on_error  # type: ignore[union-attr]  # only a step has it
        if rescue == "continue":
            result = self.records.ended(attempt, rescued=True)
            self._values[unit] = None
            self.relay.tell("step_finish", run=self.info, step=attempt.info, result=result)
            self.schedule.succeed(unit, held=held)
            return
        again = Attempt(self, unit, attempt.step, attempt.info, attempt.number)
        again.phase = "rescue"
        again.started = attempt.started
        self.records.tried(attempt)
        self.current[unit] = again
        self._prepared[self._lane_of_unit(unit)].append(again)
        if held:
            self.schedule.lend(unit)

    def _fail(self, attempt: Attempt, *, held: bool) -> None:
        result = self.records.ended(attempt)
        self.relay.tell("step_error", run=self.info, step=attempt.info, result=result)
        self.schedule.fail(attempt.unit, held=held)

    def _settle_expansion(self, attempt: Attempt) -> None:
        unit = attempt.unit
        if attempt.status is not Status.SUCCESS:
            self._fail(attempt, held=False)
            return
        count, self._sources[unit] = attempt.value
        self._values += [None] * count
        self.records.expanded(attempt, count)
        info = StepInfo(attempt.info.name, attempt.info.definition, None, count)
        self.relay.tell("step_start", run=self.info, step=info, attempt=1)
        self.schedule.expand(unit, count)
        if not count:
            self._map_ended(unit)

    # Time.

    @property
    def next_timer(self) -> float:
        """When the next timer is due, in seconds of the monotonic clock."""
        return self._timers.next

    def fire_timers(self) -> None:
        """Act on every timer that is due."""
        with self.lock:
            for due in self._timers.pop_due(time.monotonic()):
                due()
            self.digest()
        self.wake_lanes()

    def _overran(self, attempt: Attempt) -> None:
        """The deadline of a body that cannot be interrupted has passed."""
        if self.current.get(attempt.unit) is not attempt or attempt.status is not None or attempt.phase != "body":
            return
        self._abandon(attempt)
        late = Attempt(self, attempt.unit, attempt.step, attempt.info, attempt.number)
        late.started, late.timeout = attempt.started, attempt.timeout
        late.timed_out("; its thread is still running")
        self._settle_failure(late, held=True)

    def abandon_running(self, reason: str) -> None:
        """Give up on bodies that ignored a cancellation for the whole grace period."""
        with self.lock:
            for attempt in list(self.current.values()):
                self._abandon(attempt)
                late = Attempt(self, attempt.unit, attempt.step, attempt.info, attempt.number)
                late.started = attempt.started
                late.cancelled()
                self.notes.append(f"{attempt.info.name} {reason}")
                self._fail(late, held=True)
            self.digest()
        self._notify()

    def _abandon(self, attempt: Attempt) -> None:
        attempt.overdue = True
        del self.current[attempt.unit]
        self.overdue[id(attempt)] = attempt

    def _thread_ended(self, attempt: Attempt) -> None:
        """An overdue thread has really ended: its result is dropped and its slot comes back."""
        del self.overdue[id(attempt)]
        unit = attempt.unit
        self.schedule.release(unit)
        if self.schedule.state(unit) is State.WAITING and self._tries.get(unit) == attempt.number:
            self.schedule.due(unit)

    # Stopping.

    def cancel(self, reason: str) -> None:
        """Start nothing new and cancel what runs; safe from any thread."""
        with self.lock:
            if self.cancel_reason or self.schedule.ended:
                return
            self.cancel_reason = reason
            self.schedule.stop()
            self.digest()
        self._notify()

    def skip_starved(self) -> None:
        """Skip what waits only for overdue threads, naming them."""
        with self.lock:
            names = ", ".join(dict.fromkeys(one.info.name for one in self.overdue.values()))
            self.records.stop_reason = f"it waited for {names}, which overran and still runs"
            self.schedule.stop()
            self.digest()
        self._notify()

    # News of the schedule.

    def digest(self) -> None:
        """Act on what the schedule decided by itself."""
        news = self.schedule.news
        if not news:
            return
        self.schedule.news = []
        for one in news:
            self._digest_one(one)

    def _digest_one(self, one: News) -> None:
        if one.kind == "skip":
            self.records.skip_because(one.unit, one.cause, self.cancel_reason)
            self._tell_skip(one.unit)
        elif one.kind == "end":
            self._map_ended(one.unit)
        elif one.kind == "gave_up":
            result = self.records.gave_up(one.unit)
            self.relay.tell("step_error", run=self.info, step=self.records.info_of(one.unit), result=result)
        elif one.kind == "stop":
            self.cancel_lanes = True
        else:
            self.relay.tell(one.kind, run=self.info, batch=self._batches[one.unit])

    def _map_ended(self, unit: int) -> None:
        result = self.records.map_ended(unit)
        self._values[unit] = result.raw_value
        info = self.records.info_of(unit)
        if result.status is Status.SUCCESS:
            self.relay.tell("step_finish", run=self.info, step=info, result=result)
        elif result.status is Status.SKIPPED:
            self.relay.tell("step_skip", run=self.info, step=info, reason=result.reason)
        else:
            self.relay.tell("step_error", run=self.info, step=info, result=result)

    def _tell_skip(self, unit: int) -> None:
        if self.relay.hears("step_skip"):
            reason = self.records.of(unit).reason
            self.relay.tell("step_skip", run=self.info, step=self.records.info_of(unit), reason=reason)

    # Values.

    def _step_of(self, unit: int) -> PlannedStep:
        parent = self.schedule.parent(unit)
        return self._steps[unit if parent < 0 else parent]

    def _lane_of_unit(self, unit: int) -> int:
        parent = self.schedule.parent(unit)
        return self._lane_of[unit if parent < 0 else parent]

    def value_of(self, binding: Binding, attempt: Attempt) -> Any:
        """Return the value of one parameter; MISSING where the parameter's default stands."""
        kind = binding.kind
        if kind is Kind.STEP:
            unit = self._index[binding.source]
            if binding.wants_result:
                return self.records.of(unit)
            return self._values[unit] if self.schedule.state(unit) is State.SUCCESS else MISSING
        if kind is Kind.INPUT:
            given = self.info.plan.inputs[binding.source]
            return MISSING if given.origin == "default" and binding.has_default else given.value
        if kind is Kind.ITEM:
            return self._item(binding, attempt)
        if kind is Kind.PROVIDER:
            return self.providers.value(binding.source)
        if kind is Kind.ERROR:
            return self.records.last_error(attempt.unit)
        return CONTEXT if kind is Kind.CONTEXT else binding.value

    def _item(self, binding: Binding, attempt: Attempt) -> Any:
        parent, index = self.schedule.parent(attempt.unit), attempt.info.item or 0
        plain = self._sources[parent].get(binding.parameter)
        if plain is not None:
            return plain[index]
        source = next(one.source for one in attempt.step.each if one.parameter == binding.parameter)
        return self._values[self.schedule.items(self._index[source])[index]]

    def items_of(self, attempt: Attempt) -> tuple[int, dict[str, Sequence[Any]]]:
        """Return how many items a mapped step has, and the values of those not mapped themselves.

        Raises:
            TypeError, ValueError: when a source is no list, or the lengths differ.
        """
        lengths: dict[str, int] = {}
        plain: dict[str, Sequence[Any]] = {}
        for one in attempt.step.each:
            if one.kind is Kind.STEP and self._steps[self._index[one.source]].mapped:
                lengths[one.parameter] = len(self.schedule.items(self._index[one.source]))
            else:
                plain[one.parameter] = _listed(self.value_of(one, attempt), one)
                lengths[one.parameter] = len(plain[one.parameter])
        if len(set(lengths.values())) > 1:
            text = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            raise ValueError(f"the sources of each= have different lengths: {text}")
        return next(iter(lengths.values())), plain


def _listed(value: Any, binding: Binding) -> Sequence[Any]:
    if isinstance(value, list | tuple | range):
        return value
    if isinstance(value, set | frozenset | dict) or (hasattr(value, "__len__") and not isinstance(value, str | bytes)):
        return list(value)
    raise TypeError(
        f"each= maps {binding.parameter!r} over {binding.source or 'a value'!r}, which is no list"
        f" but {type(value).__name__}"
    )
