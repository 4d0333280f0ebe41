"""Attempt: one try of one unit, from its start to its outcome."""

from __future__ import annotations

import time
from contextvars import Context as Variables
from functools import partial
from types import CoroutineType
from typing import Any, Protocol

from flowbuilder.declare.retry import NO_RETRY
from flowbuilder.declare.until import Until
from flowbuilder.engine import body
from flowbuilder.engine.cached import Look, Recall
from flowbuilder.engine.call import Call
from flowbuilder.engine.context import Context, Inside, current
from flowbuilder.engine.memory import Memory
from flowbuilder.engine.reports import Reports
from flowbuilder.engine.rest import Rest
from flowbuilder.engine.views import StepInfo
from flowbuilder.errors import (
    StepCancelledError,
    StepTimeoutError,
    UntilLimitError,
    WorkerDiedError,
)
from flowbuilder.plan.plan import PlannedStep
from flowbuilder.results import InnerCounts, Section, Status, StepResult


class Arguments(body.Source, Protocol):
    """Where an attempt's arguments come from: the run."""

    variables: Variables
    providers: Any
    memory: Memory

    def info_of(self, unit: int) -> StepInfo:
        """Return what hooks see of a unit."""

    def result_of(self, unit: int) -> StepResult[Any]:
        """Return the result of a unit that has ended."""

    def inner_of(self, attempt: Attempt) -> InnerCounts:
        """Return how what the bodies of a unit ran has ended, up to an attempt."""

    def items_of(self, attempt: Attempt) -> Any:
        """Return what a mapped step is mapped over."""

    def tell_progress(self, attempt: Attempt, done: float, total: float | None) -> None:
        """Tell how far an attempt's body is."""

    def inside(self, attempt: Attempt) -> Inside:
        """Return what an attempt's body may run things with."""


MISSING: Any = object()


class DeadlinePassedError(Exception):
    """Raised by a lane in place of the body's outcome: it has ended the body at its deadline."""


class Attempt:
    """One try of one unit, from ``take`` to ``done``.

    One that ``is_plain``, as most are, is a first try of a body that is just called: there is nothing else to it.
    ``status`` is None until it ended; ``passed`` says why its ``when`` was false, which only an
    attempt that ``is_conditional`` asks. ``wants_more`` says that its ``until`` does not hold yet.
    ``number`` counts from 1, through all rounds of a step with ``until``; ``earlier`` are the attempts of those
    before ``round``. ``overdue`` is set by the run when the deadline of a body that cannot
    be interrupted has passed.
    """

    # Most attempts never differ from these, and so do not carry them.
    timeout: float | None = None
    deadline: float | None = None
    ended: float | None = None  # only where something is to be torn down before it is settled
    status: Status | None = None
    value: Any = None
    error: BaseException | None = None
    call: Call | None = None
    is_conditional = False
    has_begun = True
    is_worth_another = False
    passed = ""
    until: Until | None = None
    round = 1
    earlier = 0
    wants_more = False
    overdue = False
    is_handed_over = False  # to the journal, which writes its outcome before it is settled
    is_plain = False
    remark = "overran and its thread still runs"  # of one that is overdue
    phase = "body"
    recall: Recall | None = None  # only of a step with ``cache``
    look: Look | None = None
    inner: Inside | None = None  # what runs inside the body
    mark: Any = None  # by which a journal keeps what runs inside a body
    _reports: Reports | None = None
    _info: StepInfo | None = None
    _rest: Rest | None = None

    def __init__(self, source: Arguments, unit: int, step: PlannedStep, number: int) -> None:
        self.source = source
        self.unit = unit
        self.step = step
        self.number = number
        self.started = time.monotonic()

    @property
    def info(self) -> StepInfo:
        """What hooks see of the unit."""
        if self._info is None:
            self._info = self.source.info_of(self.unit)
        return self._info

    @property
    def sections(self) -> tuple[Section, ...]:
        """Text that belongs to the attempt, such as what it has printed so far."""
        return self.call.sections if self.call is not None else ()

    @property
    def is_untimed(self) -> bool:
        """Whether no time-out applies any more."""
        return self.call is not None and self.call.is_untimed

    @property
    def context(self) -> Context:
        """What the body gets as ``ctx``."""
        run = self.source.info
        return Context(
            run_id=run.run_id,
            workflow=run.workflow,
            step=self.info.name,
            attempt=self.number,
            round=self.round,
            item=self.info.item,
            params=run.params,
            is_over=lambda: self.source.is_over(self),
            inside=lambda: self.source.inside(self),
            memory=self.source.memory,
            report=self.report,
        )

    def fact(self, name: str) -> Any:
        """Return what hooks are told of this attempt, by the name of the argument, and its ``status``."""
        if name == "step":
            return self.info
        if name == "attempt":
            return self.number
        if name == "status":
            return self.status
        return self.source.info if name == "run" else self.source.result_of(self.unit)

    def report(self, done: float, total: float | None) -> None:
        """Tell how far the body says it is, now and then."""
        if self._reports is None:
            self._reports = Reports(partial(self.source.tell_progress, self))
        self._reports(done, total)

    # Executing.

    def execute(self, invoke: body.Invoke | None = None) -> None:
        """Execute a plain body in this thread, in a copy of the run's context variables."""
        self.source.variables.copy().run(self._execute, invoke)
        if self.inner is not None:
            self.inner.end_sync()

    def _execute(self, invoke: body.Invoke | None) -> None:
        current.set(self)
        try:
            if self.is_plain:
                self.value = value = body.call(self, invoke, body.arguments(self))
                if type(value) is CoroutineType:
                    body.refuse_coroutine(value)
            elif self.phase == "expand":
                self.value = self.source.items_of(self)
            elif self.phase == "rescue":
                self.value = body.rescued(self)
            elif self.phase == "undo":
                self.value = body.undone(self)
                body.refuse_coroutine(self.value)
            elif self.phase == "lost":
                raise body.lost(self)
            elif not self.is_conditional or body.begun(self, body.wanted(self)):
                self.value = body.called(self, invoke)
                body.refuse_coroutine(self.value)
                if self.until is not None:
                    body.judge(self, self.until, body.holds(self, self.until))
            self.status = Status.SUCCESS
        except BaseException as error:  # around a user's step anything may come, SystemExit included
            self.fail(error)

    def begin(self) -> Rest | None:
        """Execute an async body up to its first wait, in a copy of the run's context variables; return what is left."""
        variables = self.source.variables.copy()
        execution = self._execute_async()
        try:
            first = variables.run(execution.send, None)
        except StopIteration:
            # Most short bodies wait for nothing, and are over already.
            return None
        self._rest = Rest(execution, first, variables)
        return self._rest

    async def _execute_async(self) -> None:
        current.set(self)
        try:
            if self.is_plain:
                self.value = await self.step.definition.fn(**body.arguments(self))  # type: ignore[misc]  # it has one
                body.refuse_coroutine(self.value, body.ASYNC)
            elif self.phase == "expand":
                self.value = self.source.items_of(self)
            elif self.phase == "rescue":
                self.value = await body.awaited(body.rescued(self))
            elif self.phase == "undo":
                await body.awaited(body.undone(self))
            elif self.phase == "lost":
                raise body.lost(self)
            elif not self.is_conditional or body.begun(self, await body.awaited(body.wanted(self))):
                self.value = await body.called_async(self)
                body.refuse_coroutine(self.value, body.ASYNC)
                if self.until is not None:
                    body.judge(self, self.until, await body.awaited(body.holds(self, self.until)))
            self.status = Status.SUCCESS
        except BaseException as error:  # around a user's step; the loop lane re-raises what is its own
            self.fail(error)
        if self.inner is not None:
            await self.inner.end()

    def fail(self, error: BaseException) -> None:
        """Note what the body raised. It is user code that is asked here, so never under the engine's lock."""
        self.error, self.value = error, None
        if isinstance(error, DeadlinePassedError):
            self.timed_out()
            return
        is_cancelled = isinstance(error, StepCancelledError) and self.source.is_over(self)
        self.status = Status.CANCELLED if is_cancelled else Status.FAILED
        retries = getattr(self.step.definition, "retries", NO_RETRY)
        # After the last round there is nothing that another attempt could be of.
        is_retriable = not isinstance(error, UntilLimitError)
        self.is_worth_another = is_retriable and retries.wants(error, self.number - self.earlier)
        self.note(error)

    def cancelled(self) -> None:
        """Note that the engine cancelled this attempt, whatever the body made of it."""
        self.status = Status.CANCELLED
        self.value = None
        if not isinstance(self.error, StepCancelledError):
            self.error = StepCancelledError(f"{self.info.name} was cancelled")
            self.note(self.error)

    def note(self, error: BaseException) -> None:
        """Note on an error of whose attempt it is."""
        what = "undo of step" if self.phase == "undo" else "step"
        # What has no frame of the user's says where the step is.
        place = (
            f" ({self.info.definition.where})"
            if isinstance(error, StepTimeoutError | UntilLimitError | WorkerDiedError)
            else ""
        )
        note = f"{what} {self.info.name}{place}, attempt {self.number}, run {self.source.info.run_id}"
        notes = getattr(error, "__notes__", [])
        if isinstance(notes, list) and note not in notes:
            error.add_note(note)

    @property
    def is_left(self) -> bool:
        """Whether the body was left behind."""
        return self._rest is not None and self._rest.is_left

    def leave(self) -> None:
        """Stop awaiting a body that swallows its cancellation: the next one passes it by."""
        if self.inner is not None:
            self.inner.leave()
        if self._rest is not None:
            self._rest.is_left = True

    def timed_out(self, note: str = "") -> None:
        """Note that this attempt overran its limit."""
        self.value = None
        cause = None if isinstance(self.error, DeadlinePassedError) else self.error
        self.error = StepTimeoutError(self.info.name, self.timeout or 0.0, note)
        self.error.__context__ = cause
        self.status = Status.TIMED_OUT
        self.note(self.error)
