"""Entries: a plan as the schedule sees it, in small integers, and the words both sides use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from flowbuilder.engine.limits import Needs
from flowbuilder.plan.edges import Edges


class State(IntEnum):
    """Where a unit stands; from SUCCESS on it has ended."""

    PENDING = 0
    READY = 1
    RUNNING = 2
    WAITING = 3  # for its next attempt
    EXPANDED = 4  # a mapped step whose items are running
    SUCCESS = 5
    FAILED = 6
    PASSED = 7  # skipped by a false `when`, its own or one upstream
    SKIPPED = 8  # skipped for any other cause


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Wiring:
    """Steps by number: their edges, the lane of each, and the needs of those that have some."""

    edges: Edges
    lanes: Sequence[int]
    needs: Mapping[int, Needs]


class News(NamedTuple):
    """Something the schedule decided by itself.

    ``kind`` is "skip" (``unit``, because of ``cause``; -1 for the stop), "end" (the mapped step
    ``unit`` ended), "gave_up" (``unit`` waited for an attempt it will not get), "stop",
    "batch_start" or "batch_finish" (``unit`` is the batch's number).
    """

    kind: str
    unit: int = -1
    cause: int = -1
