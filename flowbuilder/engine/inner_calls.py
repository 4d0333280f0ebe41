"""InnerCalls: the calls of one body, from their opening to their end; the body lends them its slot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from flowbuilder.declare.definitions import WorkflowDefinition, definition_of
from flowbuilder.engine.attempt import Attempt
from flowbuilder.engine.calls import Calls
from flowbuilder.engine.inner_run import InnerRun
from flowbuilder.engine.lent_slot import LentSlot
from flowbuilder.engine.limits import Limit, pool_of
from flowbuilder.engine.nested_run import NestedRun, nested_info
from flowbuilder.engine.outside import needs_inside, refuse_needs, refused
from flowbuilder.engine.pulling import Fed, Pulling
from flowbuilder.engine.recollection import UNKNOWN
from flowbuilder.engine.remembering import Remembering
from flowbuilder.engine.run import Run
from flowbuilder.engine.views import StepInfo
from flowbuilder.engine.waiter import Waiter, Waiting
from flowbuilder.errors import StepCancelledError
from flowbuilder.plan.inner import InnerStep, as_call
from flowbuilder.results import Status


class InnerCalls:
    """The calls of one body, and how it waits for them.

    Its slot is lent from the first call that waits to the last one that has ended.

    Args:
        attempt: the attempt whose body it is.
        run: the run, or the call of another body, that the attempt belongs to.
        engine: what all runs share.
    """

    def __init__(self, attempt: Attempt, run: Run, engine: Calls) -> None:
        self.attempt = attempt
        self.run = run
        self._engine = engine
        self._held = {} if attempt.step.is_body else getattr(attempt.step.definition, "resources", {})
        # What it holds itself goes to what it runs, and else what the nearest body around it holds.
        self.resources: Mapping[str, Limit] = pool_of(self._held) if self._held else run.state.resources
        self.counts: Counter[str] = Counter()  # of what has ended, by status
        self._names: Counter[str] = Counter()
        self._open: dict[InnerRun | NestedRun, Waiter] = {}
        self._slot = LentSlot(run.schedule.share, run.schedule.lane(attempt.unit))
        self.remembering = Remembering(attempt, run, engine)
        self._is_stopped = False
        self._lost: BaseException | None = None

    @property
    def calls(self) -> Sequence[InnerRun | NestedRun]:
        """The runs of what is called and has not ended; under the engine's lock."""
        return list(self._open)

    # What the run says; under the lock.

    def stop(self) -> None:
        """Cancel what runs here: nobody waits for the body any more."""
        self._is_stopped = True
        for call in list(self._open):
            call.stop(f"{self.attempt.info.name} was cancelled")
        if not self._open:
            self._slot.take_back(at_once=True)

    def leave(self) -> None:
        """Do so, and the second time leave behind what still runs."""
        if not self._is_stopped:
            self.stop()
            return
        for call in list(self._open):
            call.leave()

    def lose(self, error: BaseException) -> None:
        """Wait for nothing any more, since the engine broke."""
        self._lost, self._is_stopped = error, True
        for call in self._open:
            call.lose(error)
        self._slot.wake()

    # How a body waits; each yields whenever it has to, without the lock.

    def _running(self, waiter: Waiter, fn: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Waiting[Any]:
        definition = definition_of(fn)
        if isinstance(definition, WorkflowDefinition):
            return self._nesting(waiter, definition, args, kwargs)
        return self._calling(waiter, fn, args, kwargs)

    def _nesting(
        self, waiter: Waiter, workflow: WorkflowDefinition, args: tuple[Any, ...], params: Mapping[str, Any]
    ) -> Waiting[Any]:
        planned = as_call(workflow)
        known = self.remembering.of(planned, {})(params) if planned is not None else UNKNOWN
        if known.is_kept:
            yield from self._passed_by(workflow.name, waiter)
            return known.value
        call = self._opened_nested(workflow, waiter, args, params)
        call.mark = known.mark
        self._engine.attend(call.begin)
        yield from self._until_done(call)
        yield from self._returned(call, waiter)
        return call.value()

    def _calling(self, waiter: Waiter, fn: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Waiting[Any]:
        planned = self._planned(fn, len(args), frozenset(kwargs))
        given = {**dict(zip(planned.names, args, strict=True)), **kwargs}
        known = self.remembering.of(planned, given)({})
        if known.is_kept:
            yield from self._passed_by(planned.step.definition.name, waiter)
            return known.value
        call = self._opened(planned, waiter)
        self._feed(call, [(given, known)], is_last=True, is_map=False)
        yield from self._until_done(call)
        yield from self._returned(call, waiter)
        if call.errors:
            raise call.errors[0]
        return call.results[0]

    def _mapping(
        self, waiter: Waiter, fn: Any, items: Iterable[Any], limit: int | None, fixed: Mapping[str, Any]
    ) -> Waiting[list[Any]]:
        planned = self._planned(fn, 1, frozenset(fixed))
        pulling = Pulling(items, planned.names[0], fixed)
        look = self.remembering.of(planned, fixed)
        call = self._opened(planned, waiter, pulling.total)
        window = min(limit or call.window, call.window)
        call.tell_start()
        while True:
            with self._engine.lock:
                is_done, room = self._is_over(call), window - call.schedule.busy
            if is_done:
                break
            if room <= 0 or pulling.is_over:
                yield
            elif not pulling.fill(room, look, partial(self._feed, call)):
                waiter.wake()
                yield
        yield from self._returned(call, waiter)
        return call.outcome(pulling.error)

    def _until_done(self, call: InnerRun | NestedRun) -> Waiting[None]:
        while True:
            with self._engine.lock:
                if self._is_over(call):
                    return
            yield

    def _is_over(self, call: InnerRun | NestedRun) -> bool:
        return call.is_done or self._lost is not None

    def _returned(self, call: InnerRun | NestedRun, waiter: Waiter) -> Waiting[None]:
        """End a call: the slot comes back, unless others that are open still need it lent."""
        with self._engine.lock:
            del self._open[call]
            call.close()
            self._slot.wait(waiter)
            if not self._open:
                # Not even an overdue thread, which keeps its slot, may keep the body from going on.
                self._slot.take_back(at_once=call.has_overdue)
        while True:
            with self._engine.lock:
                if self._slot.is_back or self._open or self._lost is not None:
                    self._slot.wait_no_more(waiter)
                    break
            yield
        if self._lost is not None:
            raise RuntimeError(f"{call.name} was lost: its engine broke") from self._lost
        if call.is_stopped:
            raise StepCancelledError(f"{self.attempt.info.name} was cancelled, and with it {call.name}")

    def _breaking_off(self, waiter: Waiter) -> Waiting[None]:
        """Cancel what a body waits for, which is cancelled itself there, and take the slot back at once."""
        call = next((one for one, own in self._open.items() if own is waiter), None)
        if call is not None:
            with self._engine.lock:
                call.stop(f"{self.attempt.info.name} was cancelled")
            yield from self._until_done(call)
            call.tell_cancelled()
        with self._engine.lock:
            if call is not None:
                del self._open[call]
                call.close()
            self._slot.wait_no_more(waiter)
            if not self._open:
                self._slot.take_back(at_once=True)

    def _ending(self, waiter: Waiter) -> Waiting[None]:
        with self._engine.lock:
            left = list(self._open)
            for call in left:
                call.waiters.append(waiter)
            self.stop()
        for call in left:
            yield from self._until_done(call)
        with self._engine.lock:
            self._slot.take_back(at_once=True)

    # Its parts.

    def _planned(self, fn: Any, positional: int, keywords: frozenset[str]) -> InnerStep:
        plan = self.run.info.plan
        if not callable(fn) or plan.inner is None:
            raise refused(fn)
        planned = plan.inner(fn, positional, keywords)
        self.run.state.providers.know(planned.provided)
        return planned

    def _passed_by(self, name: str, waiter: Waiter) -> Waiting[None]:
        """Count a call that is kept, and not made again."""
        with self._engine.lock:
            self._refuse_over()
            self._name(name)
            self.counts[Status.SUCCESS] += 1
        # A body that makes nothing but such calls lets others have the loop, too.
        waiter.wake()
        yield

    def _opened(self, planned: InnerStep, waiter: Waiter, total: int | None = None) -> InnerRun:
        definition = planned.step.definition
        needs = needs_inside(planned.step, self.resources, holds=bool(self._held))
        lane = self._engine.lane_anywhere(planned.step.executor)
        with self._engine.lock:
            self._refuse_over()
            whole = StepInfo(self._name(definition.name), definition, None, total, self.attempt.info.name)
            call = InnerRun(self, planned, whole, lane=lane, needs=needs, waiter=waiter)
            call.window = self._engine.window(lane)
            self._slot.lend()
            self._open[call] = waiter
        return call

    def _opened_nested(
        self, workflow: WorkflowDefinition, waiter: Waiter, args: tuple[Any, ...], params: Mapping[str, Any]
    ) -> NestedRun:
        make = self.run.info.plan.nested
        assert make is not None, "a plan that no planner made has no bodies that ask"
        plan = make(workflow, args, params)
        refuse_needs(plan, self.resources, holds=bool(self._held))
        for executor in plan.shape.executors:
            self._engine.lane_anywhere(executor)
        with self._engine.lock:
            self._refuse_over()
            info = nested_info(plan, self, self._name(plan.name))
            call = NestedRun(self, info, self._engine, waiter)
            self._slot.lend()
            self._open[call] = waiter
        return call

    def _refuse_over(self) -> None:
        if self._is_stopped or self.run.is_over(self.attempt):
            raise StepCancelledError(f"{self.attempt.info.name} is over: it timed out or its run was cancelled")

    def _name(self, name: str) -> str:
        """Return what a call is named: which one it is, of those of this name in this body."""
        self._names[name] += 1
        count = self._names[name]
        return f"{self.attempt.info.name}/{name}" + (f"~{count}" if count > 1 else "")

    def _feed(self, call: InnerRun, calls: Sequence[Fed], *, is_last: bool, is_map: bool = True) -> None:
        with self._engine.lock:
            call.feed(calls, is_last=is_last, is_map=is_map)
        self._engine.wake_lanes()
