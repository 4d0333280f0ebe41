"""Context: what a step's body may ask of its run, and which step a thread or coroutine is in."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Concatenate, NoReturn, Protocol, TypeVar, overload

from flowbuilder.declare.definitions import WorkflowDefinition
from flowbuilder.engine.memory import Memory
from flowbuilder.errors import InnerStepError, StepCancelledError, shown_value

T = TypeVar("T")
R = TypeVar("R")
RECORD_FIELDS = ("run", "step", "attempt")


class Inside(Protocol):
    """What runs inside one body: how its ``ctx`` runs more, and how the run has it end."""

    @property
    def counts(self) -> Mapping[str, int]:
        """How many calls have ended, by status."""

    @property
    def calls(self) -> Sequence[Any]:
        """The runs of what is called and has not ended; under the engine's lock."""

    async def call(self, fn: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Run a function once, and return what it returns."""

    def call_sync(self, fn: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Do so in a thread body."""

    async def map(self, fn: Any, items: Iterable[Any], limit: int | None, fixed: Mapping[str, Any]) -> Any:
        """Run a function once per item, and return the list of what it returned."""

    def map_sync(self, fn: Any, items: Iterable[Any], limit: int | None, fixed: Mapping[str, Any]) -> list[Any]:
        """Do so in a thread body."""

    def refuse(self, *, is_async: bool) -> None:
        """Raise where the body cannot wait in this way."""

    async def end(self) -> None:
        """Leave nothing behind: cancel what still runs, and wait for it."""

    def end_sync(self) -> None:
        """Do so in a thread body."""

    def stop(self) -> None:
        """Cancel what runs here; under the engine's lock."""

    def lose(self, error: BaseException) -> None:
        """Wait for nothing any more, since the engine broke; under its lock."""

    def leave(self) -> None:
        """Do so, and the second time leave behind what still runs; under the engine's lock."""


def _never() -> bool:
    return False


def _nobody(done: float, total: float | None) -> None:
    """Nobody looks."""


def _nowhere() -> NoReturn:
    raise InnerStepError(
        "this step cannot run others: it runs in a worker process",
        allowed="of ctx, a process step has only its data, log and progress",
        hint='run them from an async def, or a plain def with executor="thread"',
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Context:
    """Injected as ``ctx``: the facts of one attempt of one step.

    ``step`` is the step's name (``measure[3]`` for an item), ``attempt`` and ``round`` count from 1, ``item`` is
    the item's index or None, ``params`` are the run's inputs, ``log`` is a stdlib logger.
    """

    run_id: str
    workflow: str
    step: str
    attempt: int = 1
    round: int = 1
    item: int | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    is_over: Callable[[], bool] = field(default=_never, repr=False)
    inside: Callable[[], Inside] = field(default=_nowhere, repr=False)
    memory: Memory | None = field(default=None, repr=False)
    report: Callable[[float, float | None], None] = field(default=_nobody, repr=False)

    def __reduce__(self) -> tuple[object, ...]:
        # What goes to another process are the facts; nobody there can ask whether the attempt is over.
        names = ("run_id", "workflow", "step", "attempt", "round", "item")
        return _context, ({name: getattr(self, name) for name in names} | {"params": dict(self.params)},)

    @property
    def log(self) -> logging.Logger:
        """The logger of this workflow's steps; its records carry run, step and attempt."""
        return logging.getLogger(f"flowbuilder.step.{self.workflow}")

    @property
    def state(self) -> Memory:
        """A mapping that all bodies of the run share; ``update(key, fn)`` changes a value in one go.

        Raises:
            InnerStepError: in a worker process, which shares nothing.
        """
        if self.memory is None:
            raise InnerStepError(
                "this step shares no state: it runs in a worker process",
                allowed="of ctx, a process step has only its data, log and progress",
                hint='return what others need, or use executor="thread"',
            )
        return self.memory

    def progress(self, done: float, total: float | None = None) -> None:
        """Say how far the body is: so much ``done``, of ``total`` where that is known; it is shown while it runs.

        Call it as often as you like: what comes within a tenth of a second is passed over.
        """
        self.report(done, total)

    # Control flow in plain Python.

    @overload
    def run(self, fn: WorkflowDefinition, /, **kwargs: Any) -> Coroutine[Any, Any, Any]: ...

    @overload
    def run(
        self, fn: Callable[..., Coroutine[Any, Any, R]], /, *args: Any, **kwargs: Any
    ) -> Coroutine[Any, Any, R]: ...

    @overload
    def run(self, fn: Callable[..., R], /, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, R]: ...

    def run(self, fn: Any, /, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        """Run a step, any function, or a workflow inside this one, and await what it returns.

        Arguments bind as in a call. What is not given comes from providers, ``ctx`` and inputs, never
        from steps. While the body waits, it lends its slot to what it waits for. When its run is resumed, a call that
        had succeeded with the same arguments returns what it returned, and is not made again.

        A workflow, given as its function or as ``FlowBuilder`` built it, has a nested run of its own, with its own
        resources, priority and time-out; ``kwargs`` are the values of its inputs. Those it is not given, it has from
        this run.

        Raises:
            InnerStepError: for what cannot be run so, or not from here; in a plain ``def`` use ``run_sync``.
            BaseException: what it raised, when its retries are used up.
            ExceptionGroup: every failure of a nested run.
        """
        inside = self.inside()
        inside.refuse(is_async=True)
        return inside.call(fn, args, kwargs)

    @overload
    def run_sync(self, fn: WorkflowDefinition, /, **kwargs: Any) -> Any: ...

    @overload
    def run_sync(self, fn: Callable[..., Coroutine[Any, Any, R]], /, *args: Any, **kwargs: Any) -> R: ...

    @overload
    def run_sync(self, fn: Callable[..., R], /, *args: Any, **kwargs: Any) -> R: ...

    def run_sync(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Do as ``run`` in a plain ``def``, whose thread waits."""
        inside = self.inside()
        inside.refuse(is_async=False)
        return inside.call_sync(fn, args, kwargs)

    @overload
    def map(
        self,
        fn: Callable[Concatenate[T, ...], Coroutine[Any, Any, R]],
        items: Iterable[T],
        /,
        *,
        limit: int | None = None,
        **fixed: Any,
    ) -> Coroutine[Any, Any, list[R]]: ...

    @overload
    def map(
        self, fn: Callable[Concatenate[T, ...], R], items: Iterable[T], /, *, limit: int | None = None, **fixed: Any
    ) -> Coroutine[Any, Any, list[R]]: ...

    def map(
        self, fn: Callable[..., Any], items: Iterable[Any], /, *, limit: int | None = None, **fixed: Any
    ) -> Coroutine[Any, Any, list[Any]]:
        """Run a step or function once per item inside this one, and await the list of what it returned, in order.

        Items may come from any iterable, and are taken from it as slots come free.

        Args:
            fn: its first parameter takes the item.
            items: a list, a generator, whatever can be looped over.
            limit: how many run at once; None for as many as there are slots.
            **fixed: arguments that are the same for all.

        Raises:
            ExceptionGroup: what items raised, when all others have ended too.
            InnerStepError: as ``run``; in a plain ``def`` use ``map_sync``.
        """
        inside = self.inside()
        inside.refuse(is_async=True)
        return inside.map(fn, items, _checked(limit), fixed)

    @overload
    def map_sync(
        self,
        fn: Callable[Concatenate[T, ...], Coroutine[Any, Any, R]],
        items: Iterable[T],
        /,
        *,
        limit: int | None = None,
        **fixed: Any,
    ) -> list[R]: ...

    @overload
    def map_sync(
        self, fn: Callable[Concatenate[T, ...], R], items: Iterable[T], /, *, limit: int | None = None, **fixed: Any
    ) -> list[R]: ...

    def map_sync(
        self, fn: Callable[..., Any], items: Iterable[Any], /, *, limit: int | None = None, **fixed: Any
    ) -> list[Any]:
        """Do as ``map`` in a plain ``def``, whose thread waits."""
        inside = self.inside()
        inside.refuse(is_async=False)
        return inside.map_sync(fn, items, _checked(limit), fixed)

    def check_cancelled(self) -> None:
        """Raise when this attempt has timed out or its run was cancelled; call it in long loops.

        Raises:
            StepCancelledError: when nobody waits for this attempt any more.
        """
        if self.is_over():
            raise StepCancelledError(f"{self.step} is over: it timed out or its run was cancelled")


def _checked(limit: Any) -> int | None:
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
        raise InnerStepError("limit= takes how many run at once", got=shown_value(limit), allowed="1 or more, or None")
    return limit


def _context(facts: Mapping[str, Any]) -> Context:
    return Context(**facts)


class Running(Protocol):
    """What runs in a thread or coroutine: an attempt, which knows its context."""

    @property
    def context(self) -> Context:
        """The facts of the attempt."""


current: ContextVar[Running | None] = ContextVar("flowbuilder_step", default=None)


class Fields(dict[str, Any]):
    """The fields of a log record; ours may be given anew by ``extra=``, which logging refuses for any other."""

    def __contains__(self, name: object) -> bool:
        return name not in RECORD_FIELDS and super().__contains__(name)


def stamp(record: logging.LogRecord, context: Context | None) -> None:
    """Put ``run``, ``step`` and ``attempt`` on a log record, but for what its writer put there."""
    own = (context.run_id, context.step, context.attempt) if context else (None, None, None)
    record.__dict__ = Fields(dict(zip(RECORD_FIELDS, own, strict=True)) | record.__dict__)


def install_log_records() -> None:
    """Let every log record carry ``run``, ``step`` and ``attempt``; None outside a step."""
    made = logging.getLogRecordFactory()
    if getattr(made, "__flowbuilder__", False):
        return

    def record_with_step(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = made(*args, **kwargs)
        running = current.get()
        stamp(record, running.context if running else None)
        return record

    record_with_step.__flowbuilder__ = True  # type: ignore[attr-defined]  # marks the factory as ours
    logging.setLogRecordFactory(record_with_step)
