"""Entries: a plan as the schedule sees it, in small integers, and the words both sides use."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

from flowbuilder.engine.limits import NO_NEEDS, Needs


class Edge(IntEnum):
    """What a step asks of one upstream step."""

    VALUE = 0  # success
    SOFT = 1  # success, or skipped by a false `when`: a default takes the value's place, or it only orders
    ANY = 2  # that it ended
    ITEMS = 3  # that its items are known: a map of a map


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


class Entry(NamedTuple):
    """One step as the schedule sees it: its lane, its edges as (upstream, edge), mapped or not, what it needs."""

    lane: int
    edges: Sequence[tuple[int, Edge]] = ()
    mapped: bool = False
    needs: Needs = NO_NEEDS


class News(NamedTuple):
    """Something the schedule decided by itself.

    ``kind`` is "skip" (``unit``, because of ``cause``; -1 for the stop), "end" (the mapped step
    ``unit`` ended), "gave_up" (``unit`` waited for an attempt it will not get), "stop",
    "batch_start" or "batch_finish" (``unit`` is the batch's number).
    """

    kind: str
    unit: int = -1
    cause: int = -1
