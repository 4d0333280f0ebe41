"""Rows: what a run store keeps, as frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

RUNNING = "running"
INTERRUPTED = "interrupted"
LOST = "lost"
UNDONE = "undone"
BEGUN = "begun"
SUCCESS = "success"


class Encoded(NamedTuple):
    """A value as bytes; ``format`` is "json", "pickle", or "" for one that could not be stored."""

    format: str
    data: bytes


NOT_STORED = Encoded("", b"")


class Unit(NamedTuple):
    """A step of a run, or with ``item`` 0 and up one item of it."""

    step: str
    item: int = -1

    def __str__(self) -> str:
        return self.step if self.item < 0 else f"{self.step}[{self.item}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run.

    ``status`` is how it ended, "running", or "interrupted" where its process died. ``started_at`` is
    seconds since the epoch, ``duration`` seconds. ``source`` is what to type to run it again,
    ``options`` what was typed beside it, ``params`` the encoded values of its inputs and ``shown``
    the same as text. ``counts`` has the number of its steps by status, ``deaths`` how many processes
    died in a row at the step ``died_at``. ``errors`` are those of no step, such as that of a provider's
    tear-down, each as data.
    """

    run_id: str
    workflow: str
    status: str = RUNNING
    started_at: float = 0.0
    duration: float | None = None
    source: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, Encoded] = field(default_factory=dict)
    shown: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    deaths: int = 0
    died_at: str = ""
    errors: tuple[Mapping[str, Any], ...] = ()


class UnitRow(NamedTuple):
    """How one step or item ended.

    ``error`` is an error as data (type, message, notes, traceback), ``sections`` are (title, text) of
    what it printed, ``wiring`` says where its parameters came from, ``code`` stands for its code, and ``inside``
    counts by status the calls that its body made.
    """

    unit: Unit
    status: str
    attempts: int = 0
    started_at: float | None = None
    duration: float | None = None
    reason: str = ""
    value: Encoded = NOT_STORED
    error: Mapping[str, Any] | None = None
    sections: tuple[tuple[str, str], ...] = ()
    wiring: str = ""
    code: str = ""
    inside: Mapping[str, int] | None = None


class InnerRow(NamedTuple):
    """A call that the body of ``unit`` made by ``ctx.run`` or ``ctx.map``, known by its ``key``.

    It is kept where it succeeded, with its ``value``, and as "begun" where it must not be repeated. ``name`` is
    that of what was called, ``attempt`` the one of ``unit`` that made the call, ``code`` stands for what was called.
    """

    unit: Unit
    key: bytes
    name: str
    attempt: int
    status: str = SUCCESS
    value: Encoded = NOT_STORED
    code: str = ""


class AttemptRow(NamedTuple):
    """One attempt; ``status`` is "" while it has not ended, or where its process died meanwhile.

    ``due_at`` is when the next one was to follow, in seconds since the epoch. ``is_past`` is one of a step
    that had ended when its run was resumed: it uses up no retry any more.
    """

    unit: Unit
    number: int
    started_at: float
    status: str = ""
    error: Mapping[str, Any] | None = None
    due_at: float | None = None
    is_past: bool = False


class TookRow(NamedTuple):
    """How long a step took in one run that has ended, where it succeeded.

    ``items`` is None for a step by itself; of a mapped step it is how many items succeeded, and
    ``seconds`` is the mean of one.
    """

    step: str
    seconds: float
    items: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheRow:
    """What a step returned, to be found again by its ``key``.

    ``run_id`` is the run in which its body was called, ``made_at`` when that was, in seconds since the
    epoch, ``duration`` how long it took. ``code``, ``inputs`` and ``version`` say what the key is
    made of: a mark for each function and for each input.
    """

    key: str
    step: str
    run_id: str = ""
    made_at: float = 0.0
    duration: float = 0.0
    code: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    version: str = ""
    value: Encoded = NOT_STORED


# What is written, in the order in which it happened.


class RunBegan(NamedTuple):
    """A run starts, or goes on with ``is_resumed``; then what had not succeeded, and ``forgotten``, is dropped.

    One that goes on has the options, seed, inputs, deaths and place of death of the row from then on.
    """

    run: RunRow
    is_resumed: bool = False
    forgotten: tuple[Unit, ...] = ()


class AttemptMade(NamedTuple):
    """An attempt starts, or has failed."""

    run_id: str
    attempt: AttemptRow


class UnitEnded(NamedTuple):
    """A step or an item has ended; ``has_begun`` says that the start of its last attempt may have been written."""

    run_id: str
    row: UnitRow
    has_begun: bool = True


class InnerMade(NamedTuple):
    """A call inside a body has succeeded, or one that must not be repeated begins."""

    run_id: str
    row: InnerRow


class InnerForgotten(NamedTuple):
    """What was kept of the calls of a unit's body is dropped, or only that of the one call with the ``key``."""

    run_id: str
    unit: Unit
    key: bytes | None = None


class RunEnded(NamedTuple):
    """A run has ended; ``errors`` are those of no step."""

    run_id: str
    status: str
    duration: float
    counts: Mapping[str, int]
    errors: tuple[Mapping[str, Any], ...] = ()


class CacheKept(NamedTuple):
    """What a step returned stands for later runs."""

    row: CacheRow


Entry = RunBegan | AttemptMade | UnitEnded | InnerMade | InnerForgotten | RunEnded | CacheKept


@dataclass(frozen=True, slots=True, kw_only=True)
class RunQuery:
    """Which runs to list, the newest first: of a workflow, with a status, started since seconds of the epoch."""

    workflow: str | None = None
    status: str | None = None
    since: float | None = None
    limit: int | None = None
