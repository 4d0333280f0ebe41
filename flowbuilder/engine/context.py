"""Context: what a step's body may ask of its run, and which step a thread or coroutine is in."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol

from flowbuilder.errors import StepCancelledError

RECORD_FIELDS = ("run", "step", "attempt")


def _never() -> bool:
    return False


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

    def __reduce__(self) -> tuple[object, ...]:
        # What goes to another process are the facts; nobody there can ask whether the attempt is over.
        facts = (self.run_id, self.workflow, self.step, self.attempt, self.round, self.item, dict(self.params))
        return _context, facts

    @property
    def log(self) -> logging.Logger:
        """The logger of this workflow's steps; its records carry run, step and attempt."""
        return logging.getLogger(f"flowbuilder.step.{self.workflow}")

    def check_cancelled(self) -> None:
        """Raise when this attempt has timed out or its run was cancelled; call it in long loops.

        Raises:
            StepCancelledError: when nobody waits for this attempt any more.
        """
        if self.is_over():
            raise StepCancelledError(f"{self.step} is over: it timed out or its run was cancelled")


def _context(
    run_id: str, workflow: str, step: str, attempt: int, number: int, item: int | None, params: Mapping[str, Any]
) -> Context:
    return Context(run_id=run_id, workflow=workflow, step=step, attempt=attempt, round=number, item=item, params=params)


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
