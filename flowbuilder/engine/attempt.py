"""Attempt: one try of one unit; binds arguments, asks ``when``, calls the body, keeps the outcome."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import Context as Variables
from functools import partial
from types import CoroutineType
from typing import Any, Protocol

from flowbuilder.declare.retry import NO_RETRY
from flowbuilder.declare.signature import default_of
from flowbuilder.declare.switch import Unwanted
from flowbuilder.declare.until import Until
from flowbuilder.engine.cached import Look, Recall
from flowbuilder.engine.call import Call, Wrappers
from flowbuilder.engine.context import Context, Inside, current
from flowbuilder.engine.memory import Memory
from flowbuilder.engine.reports import Reports
from flowbuilder.engine.rest import Rest
from flowbuilder.engine.views import RunInfo, StepInfo
from flowbuilder.errors import (
    StepCancelledError,
    StepLostError,
    StepTimeoutError,
    UntilLimitError,
    WorkerDiedError,
)
from flowbuilder.plan.plan import Binding, PlannedStep
from flowbuilder.results import InnerCounts, Section, Status, StepResult

Invoke = Callable[["Attempt", Callable[..., Any], Mapping[str, Any]], Any]


class Arguments(Protocol):
    """Where an attempt's arguments come from: the run."""

    info: RunInfo
    variables: Variables
    wrappers: Sequence[Any]
    providers: Any
    memory: Memory

    def info_of(self, unit: int) -> StepInfo:
        """Return what hooks see of a unit."""

    def arguments(self, bindings: Sequence[Binding], attempt: Attempt) -> dict[str, Any]:
        """Return the arguments for some bindings of a unit; a parameter whose default stands is left out."""

    def result_of(self, unit: int) -> StepResult[Any]:
        """Return the result of a unit that has ended."""

    def inner_of(self, attempt: Attempt) -> InnerCounts:
        """Return how what the bodies of a unit ran has ended, up to an attempt."""

    def items_of(self, attempt: Attempt) -> Any:
        """Return what a mapped step is mapped over."""

    def begin(self, attempt: Attempt) -> None:
        """Tell that the condition of a step holds, and its body is about to be called."""

    def tell_progress(self, attempt: Attempt, done: float, total: float | None) -> None:
        """Tell how far an attempt's body is."""

    def inside(self, attempt: Attempt) -> Inside:
        """Return what an attempt's body may run things with."""

    def is_over(self, attempt: Attempt) -> bool:
        """Return whether nobody waits for an attempt any more."""


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

    def execute(self, invoke: Invoke | None = None) -> None:
        """Execute a plain body in this thread, in a copy of the run's context variables."""
        self.source.variables.copy().run(self._execute, invoke)
        if self.inner is not None:
            self.inner.end_sync()

    def _execute(self, invoke: Invoke | None) -> None:
        current.set(self)
        try:
            if self.is_plain:
                self.value = value = self._call(invoke, self._arguments())
                if type(value) is CoroutineType:
                    self._refuse_coroutine(value)
            elif self.phase == "expand":
                self.value = self.source.items_of(self)
            elif self.phase == "rescue":
                self.value = self._rescue()
            elif self.phase == "undo":
                self.value = self._undo()
                self._refuse_coroutine(self.value)
            elif self.phase == "lost":
                raise self._lost()
            elif not self.is_conditional or self._wanted():
                self.value = self._called(invoke)
                self._refuse_coroutine(self.value)
                if self.until is not None:
                    self._judge(self.until, self.until.predicate(**self._arguments_beside(self.step.until)))
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
                self.value = await self.step.definition.fn(**self._arguments())  # type: ignore[misc]  # it has one
            elif self.phase == "expand":
                self.value = self.source.items_of(self)
            elif self.phase == "rescue":
                self.value = await _awaited(self._rescue())
            elif self.phase == "undo":
                await _awaited(self._undo())
            elif self.phase == "lost":
                raise self._lost()
            elif not self.is_conditional or await self._wanted_async():
                self.value = await self._called_async()
                if self.until is not None:
                    holds = self.until.predicate(**self._arguments_beside(self.step.until))
                    self._judge(self.until, await _awaited(holds))
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

    # The pieces of an execution.

    def _wanted(self) -> Any:
        """Ask the condition of a step, and tell the start where it holds."""
        predicate: Any = getattr(self.step.definition, "when", None)
        return self._begun(predicate(**self._arguments_beside(self.step.when)))

    async def _wanted_async(self) -> Any:
        predicate: Any = getattr(self.step.definition, "when", None)
        return self._begun(await _awaited(predicate(**self._arguments_beside(self.step.when))))

    def _begun(self, wanted: Any) -> Any:
        if not wanted:
            self.passed = wanted.reason if isinstance(wanted, Unwanted) else "its when was false"
        else:
            if self.source.is_over(self):
                raise StepCancelledError(f"{self.info.name} was cancelled")
            self.has_begun = True
            self.source.begin(self)
        return wanted

    def _judge(self, until: Until, holds: Any) -> None:
        """Say whether another round follows, by what the predicate returned."""
        self.wants_more = not holds
        if self.wants_more and self.round >= until.limit:
            raise UntilLimitError(self.info.name, until.limit)

    def _lost(self) -> StepLostError:
        kept, name = self.source.info.kept, self.info.name
        lost = kept.lost.get(name, name) if kept is not None else name
        return StepLostError(
            f"{lost} was running when its process died, and it is not to be repeated (idempotent=False):"
            " look whether it did its work; resume --rerun-lost does it again"
        )

    def _rescue(self) -> Any:
        rescue: Any = getattr(self.step.definition, "on_error", None)
        return rescue(**self._arguments_beside(self.step.on_error))

    def _undo(self) -> Any:
        undo: Any = getattr(self.step.definition, "undo", None)
        return undo(**self._arguments_beside(self.step.undo))

    def _called(self, invoke: Invoke | None) -> Any:
        kwargs = self._arguments()
        if self.recall is not None and self._is_known(self.recall, kwargs):
            return self.look.value  # type: ignore[union-attr]  # just set
        if not self.source.wrappers:
            return self._call(invoke, kwargs)
        return self._wrappers(kwargs).around(lambda: self._call(invoke, kwargs))

    def _arguments(self) -> dict[str, Any]:
        bindings = self.step.bindings
        return self.source.arguments(bindings, self) if bindings else {}

    def _call(self, invoke: Invoke | None, kwargs: Mapping[str, Any]) -> Any:
        fn: Callable[..., Any] = self.step.definition.fn  # type: ignore[assignment]  # a planned step has a function
        return invoke(self, fn, kwargs) if invoke else fn(**kwargs)

    @staticmethod
    def _refuse_coroutine(value: Any) -> None:
        if type(value) is CoroutineType:
            value.close()
            raise TypeError("this plain def returned a coroutine, which nobody awaits; make the step async def")

    def _called_async(self) -> Awaitable[Any]:
        kwargs = self._arguments()
        return self._call_async(kwargs) if self.recall is None else self._recalled(self.recall, kwargs)

    async def _recalled(self, recall: Recall, kwargs: Mapping[str, Any]) -> Any:
        from anyio import to_thread  # which few need

        # A large argument takes its time, as a slow disk does: neither may hold up the loop.
        if await to_thread.run_sync(self._is_known, recall, kwargs):
            return self.look.value  # type: ignore[union-attr]  # just set
        return await self._call_async(kwargs)

    def _call_async(self, kwargs: Mapping[str, Any]) -> Awaitable[Any]:
        fn: Callable[..., Any] = self.step.definition.fn  # type: ignore[assignment]  # as above
        if not self.source.wrappers:
            return fn(**kwargs)  # type: ignore[no-any-return]  # an async body
        return self._wrappers(kwargs).around_async(lambda: fn(**kwargs))

    def _is_known(self, recall: Recall, kwargs: Mapping[str, Any]) -> bool:
        """Look whether an earlier run has the result, so that the body need not be called."""
        self.look = recall.look_up(self.source.info, self.step, kwargs)
        return self.look.note.is_hit

    def _wrappers(self, kwargs: Mapping[str, Any]) -> Wrappers:
        self.call = Call(kwargs, self.number, self.earlier)
        return Wrappers(self.source.wrappers, {"run": self.source.info, "step": self.info, "call": self.call})

    def _arguments_beside(self, bindings: Sequence[Binding]) -> dict[str, Any]:
        """Return the arguments of a predicate or rescue; the defaults of the body's parameters stand for it too."""
        found = self.source.arguments(bindings, self)
        own = {one.parameter for one in self.step.bindings}
        fn: Any = self.step.definition.fn
        left_out = [one.parameter for one in bindings if one.parameter in own and one.parameter not in found]
        return found | {name: default_of(fn, name) for name in left_out}


async def _awaited(value: Any) -> Any:
    return await value if hasattr(value, "__await__") else value
