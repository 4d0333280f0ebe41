"""NestedRun: a workflow that a body runs by ``ctx.run``, a whole run of its own that the body waits for."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Protocol

from flowbuilder.declare.config import ParallelConfig
from flowbuilder.engine.attempt import Attempt
from flowbuilder.engine.calls import Calls, Nested
from flowbuilder.engine.limits import Limit
from flowbuilder.engine.outcome import remarks_of
from flowbuilder.engine.run import Run
from flowbuilder.engine.views import Parent, RunInfo
from flowbuilder.engine.waiter import Waiter
from flowbuilder.errors import InnerStepError, StepCancelledError, listed
from flowbuilder.plan.plan import Plan
from flowbuilder.results import Status

DEEPEST = 50


class Asker(Protocol):
    """The body that runs it."""

    attempt: Attempt
    run: Run
    resources: Mapping[str, Limit]
    counts: Counter[str]


class NestedRun:
    """One run of a workflow inside a body; what it says of itself needs the engine's lock.

    Args:
        body: the body that waits for it.
        info: what hooks see of it.
        engine: what all runs share.
        waiter: is woken when it has ended.
    """

    has_overdue = False

    def __init__(self, body: Asker, info: RunInfo, engine: Calls, waiter: Waiter) -> None:
        assert info.parent is not None
        self.name = info.parent.name
        self.info = info
        self.body = body
        self.waiters = [waiter]
        self.is_done = self.is_stopped = False
        self.conduct: Nested | None = None
        self.mark: Any = None  # by which its value is kept, where it can be
        self._engine = engine
        self._error: BaseException | None = None

    @property
    def priority(self) -> int:
        """Its workflow's own, else that of the run around it."""
        return self.info.definition.priority or self.body.run.schedule.share.priority

    # What the body asks and says; under the lock.

    def stop(self, reason: str) -> None:
        """Cancel it for good, unless the run around it is stopped: that may go on one day, and with it this one."""
        self.is_stopped = True
        if self.conduct is not None and not self.conduct.stop_reason:
            self.conduct.cancel(reason)

    def leave(self) -> None:
        """Wait for nothing any more: the run has a grace period of its own."""

    def lose(self, error: BaseException) -> None:
        """Wait for nothing any more, since the engine broke."""
        self._wake()

    def close(self) -> None:
        """Let go of nothing: it is no longer needed when it has ended."""

    def tell_cancelled(self) -> None:
        """Tell nothing: its last hook was told when it ended."""

    def value(self) -> Any:
        """Return what its workflow returned.

        Raises:
            ExceptionGroup: every failure of the run.
            NotRunError: where the body of the workflow was skipped.
        """
        if self._error is not None:
            raise self._error
        assert self.conduct is not None
        return self.conduct.result.raise_for_errors().value

    # On the loop.

    def begin(self) -> None:
        """Begin the run, unless nobody waits for it any more."""
        if self.is_stopped or self.body.run.is_over(self.body.attempt):
            self._error = StepCancelledError(f"{self.name} was not started: {self.body.attempt.info.name} is over")
            self._end()
            return
        self.conduct = self._engine.nest(self)
        self.body.run.state.nested[self.conduct] = None

    def ended(self, conduct: Nested) -> None:
        """Hear that the run is over: what it says of itself as a whole, the run around it says, too."""
        state, own = self.body.run.state, conduct.run.state
        del state.nested[conduct]
        self.has_overdue = bool(own.overdue)
        with self._engine.lock:
            self.body.counts[conduct.result.status] += 1
        said = (f"{self.info.workflow}: {one}" for one in remarks_of(own))
        state.notes += [one for one in said if one not in state.notes]
        if self.mark is not None and conduct.result.status is Status.SUCCESS:
            self._engine.journal.keep_call(self.body.run.info, self.mark, conduct.result.value, self._end)
        else:
            self._end()

    def _end(self) -> None:
        with self._engine.lock:
            self.is_done = True
            self._wake()

    def _wake(self) -> None:
        for waiter in self.waiters:
            waiter.wake()


def nested_info(plan: Plan, body: Asker, name: str) -> RunInfo:
    """Return what hooks see of a run that a body asked for under a name.

    What the workflow's config leaves open of time-outs and the grace period is as in the run around it.

    Raises:
        InnerStepError: where it would be too deep.
    """
    outer = body.run.info
    _refuse_depth(plan, outer)
    around = ParallelConfig(step_timeout=outer.config.step_timeout, grace=outer.config.grace)
    return RunInfo(
        run_id=uuid.uuid4().hex[:12],
        workflow=plan.name,
        definition=plan.workflow,
        plan=plan,
        params=MappingProxyType(plan.params),
        config=plan.workflow.config.over(around) if plan.workflow.config is not None else around,
        started_at=time.time(),
        seed=outer.seed,
        parent=Parent(outer, body.attempt.info, name),
    )


def _refuse_depth(plan: Plan, outer: RunInfo) -> None:
    names = [plan.name, outer.workflow]
    while outer.parent is not None:
        outer = outer.parent.run
        names.append(outer.workflow)
    if len(names) > DEEPEST:
        raise InnerStepError(
            f"more than {DEEPEST} workflows would run inside one another",
            where=plan.workflow.where,
            got=listed(reversed(names)),
            hint="does one of them run itself without an end?",
        )
