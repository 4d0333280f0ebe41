"""Results: how a step and a run ended, as frozen data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Generic, Self, TypeVar

from flowbuilder.errors import NotRunError, StepSkippedError
from flowbuilder.plain import error_dict, plain

T = TypeVar("T")
R = TypeVar("R")


class Status(StrEnum):
    """How a step or a run ended."""

    SUCCESS = "success"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


FAILURES = frozenset({Status.FAILED, Status.TIMED_OUT})


@dataclass(frozen=True, slots=True)
class Section:
    """Text that belongs to a step, such as its captured stdout."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class CacheNote:
    """Whether a result came from the cache; ``reason`` says from which run, or why it did not."""

    is_hit: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InnerCounts:
    """How many calls ended with which status, of those that a body made by ``ctx.run`` and ``ctx.map`` itself.

    Each item of a ``ctx.map`` is a call. All attempts and rounds of the body are added up.
    """

    success: int = 0
    failed: int = 0
    timed_out: int = 0
    cancelled: int = 0
    skipped: int = 0

    @property
    def total(self) -> int:
        """How many there were."""
        return self.success + self.failed + self.timed_out + self.cancelled + self.skipped

    def __add__(self, other: InnerCounts) -> InnerCounts:
        return InnerCounts(**{one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(self)})

    def to_dict(self) -> dict[str, int]:
        """Return the numbers by status, without those that are 0."""
        return {one.name: number for one in fields(self) if (number := getattr(self, one.name))}


NO_INNER = InnerCounts()


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class StepResult(Generic[T]):
    """How one step, or one item of a mapped step, ended.

    ``started_at`` is seconds since the epoch, ``duration`` seconds; both are None for a step that
    never started. ``items`` holds the results of a mapped step's items in order and is None for
    any other step. ``error`` is kept also by a success that ``on_error`` rescued. ``rounds`` counts those
    of a step with ``until``, and is 0 for any other.
    ``undone`` says of a success that it no longer counts, since it, or what it came from, was undone; ``reason`` says
    which. ``cache`` says of a step with ``cache=`` what was found, and is None for any other. ``inner`` counts what its
    body ran by ``ctx.run`` and ``ctx.map``; of a mapped step what the bodies of all items ran.
    """

    name: str
    status: Status
    raw_value: Any = None
    error: BaseException | None = None
    attempts: int = 0
    started_at: float | None = None
    duration: float | None = None
    reason: str = ""
    items: tuple[StepResult[Any], ...] | None = None
    sections: tuple[Section, ...] = ()
    rounds: int = 0
    undone: bool = False
    cache: CacheNote | None = None
    inner: InnerCounts = NO_INNER

    @property
    def value(self) -> T:
        """What the step returned.

        Raises:
            BaseException: the step's own error where it failed, timed out or was cancelled.
            StepSkippedError: where it was skipped, with the reason.
        """
        if self.status is Status.SUCCESS:
            return self.raw_value  # type: ignore[no-any-return]  # the engine stores what the typed function returned
        if self.status is Status.SKIPPED or self.error is None:
            raise StepSkippedError(f"{self.name}: {self.status}: {self.reason}")
        raise self.error

    @property
    def is_completed(self) -> bool:
        """Whether the step succeeded and was not undone."""
        return self.status is Status.SUCCESS and not self.undone

    def to_dict(self) -> dict[str, Any]:
        """Return the result as data for JSON: a value JSON has not as its ``repr``, an error as type and text."""
        data: dict[str, Any] = {
            "name": self.name,
            "status": str(self.status),
            "attempts": self.attempts,
            "rounds": self.rounds,
            "undone": self.undone,
            "started_at": self.started_at,
            "duration": self.duration,
            "reason": self.reason or None,
            "cache": None if self.cache is None else {"hit": self.cache.is_hit, "reason": self.cache.reason},
            "inner": self.inner.to_dict(),
            "value": plain(self.raw_value) if self.status is Status.SUCCESS and self.items is None else None,
            "error": error_dict(self.error),
            "sections": [{"title": part.title, "text": part.text} for part in self.sections],
        }
        if self.items is not None:
            data["items"] = [item.to_dict() for item in self.items]
        return data


class Steps(Mapping[str, StepResult[Any]]):
    """The results of a run's steps by name, each made when it is read.

    Args:
        index: the number of each step by name, in plan order.
        of: makes the result of a step by its number.
    """

    __slots__ = ("_index", "_of")

    def __init__(self, index: Mapping[str, int], of: Callable[[int], StepResult[Any]]) -> None:
        self._index = index
        self._of = of

    def __getitem__(self, name: str) -> StepResult[Any]:
        return self._of(self._index[name])

    def __contains__(self, name: object) -> bool:
        return name in self._index

    def __iter__(self) -> Iterator[str]:
        return iter(self._index)

    def __len__(self) -> int:
        return len(self._index)

    def __repr__(self) -> str:
        return repr(dict(self))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class RunResult(Generic[R]):
    """How one run of a workflow ended.

    ``steps`` maps each step's name to its result, in plan order; the workflow's body is one of
    them. ``errors`` has every failure, each with a note naming step, attempt and run; a provider
    that failed to tear down is among them. ``notes`` are sentences for the user about the run as
    a whole, such as the names of threads that outlived their time-out. ``plugin_failures`` has
    (plugin, hook) for each watching hook that raised.
    """

    run_id: str
    workflow: str
    status: Status
    steps: Mapping[str, StepResult[Any]]
    errors: tuple[BaseException, ...] = ()
    started_at: float
    duration: float
    body: str | None = None
    sinks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    plugin_failures: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.steps, Steps):
            object.__setattr__(self, "steps", MappingProxyType(dict(self.steps)))

    def __reduce__(self) -> tuple[object, ...]:
        facts = {one.name: getattr(self, one.name) for one in fields(self)}
        return (_rebuilt, ({**facts, "steps": dict(self.steps)},))

    @property
    def value(self) -> R:
        """What the workflow's body returned, or ``{sink: value}`` for a workflow without a body.

        Raises:
            ExceptionGroup: the failures of the run, unless the body returned and was not undone.
            NotRunError: when the body never ran and nothing failed.
        """
        if self.body is not None and self.steps[self.body].is_completed:
            return self.steps[self.body].value  # type: ignore[no-any-return]  # R is the body's own return type
        self.raise_for_errors()
        if self.body is not None:
            raise NotRunError(f"{self.body} was {self.steps[self.body].status}: {self.steps[self.body].reason}")
        return self._sink_values()  # type: ignore[return-value]  # R is Any where there is no body

    def _sink_values(self) -> dict[str, Any]:
        ended = {name: self.steps[name] for name in self.sinks}
        return {name: step.raw_value for name, step in ended.items() if step.is_completed}

    def count(self, *statuses: Status) -> int:
        """Return how many steps ended with one of ``statuses`` and were not undone; a mapped step counts as one."""
        return sum(step.status in statuses and not step.undone for step in self.steps.values())

    @property
    def success_count(self) -> int:
        """How many steps succeeded, those that were undone left out."""
        return self.count(Status.SUCCESS)

    @property
    def undone_count(self) -> int:
        """How many steps succeeded and no longer count, since they, or what they came from, were undone."""
        return sum(step.undone for step in self.steps.values())

    @property
    def failed_count(self) -> int:
        """How many steps failed or timed out."""
        return self.count(*FAILURES)

    @property
    def skipped_count(self) -> int:
        """How many steps were skipped."""
        return self.count(Status.SKIPPED)

    def raise_for_errors(self) -> Self:
        """Return the result itself, or raise every failure of the run.

        Raises:
            ExceptionGroup: all of ``errors``; a BaseExceptionGroup where one is no Exception.
        """
        if self.errors:
            raise BaseExceptionGroup(f"{self.workflow}: {len(self.errors)} failed ({self.run_id})", list(self.errors))
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return the whole result as data for JSON; ``value`` is None where the body did not return."""
        body = self.steps[self.body] if self.body is not None else None
        value = self._sink_values() if body is None else body.raw_value if body.is_completed else None
        return {
            "run_id": self.run_id,
            "workflow": self.workflow,
            "status": str(self.status),
            "value": plain(value),
            "started_at": self.started_at,
            "duration": self.duration,
            "success_count": self.success_count,
            "failed_count": self.failed_count,
            "skipped_count": self.skipped_count,
            "undone_count": self.undone_count,
            "steps": [step.to_dict() for step in self.steps.values()],
            "errors": [error_dict(error) for error in self.errors],
            "notes": list(self.notes),
        }


def _rebuilt(facts: dict[str, Any]) -> RunResult[Any]:
    return RunResult(**facts)
