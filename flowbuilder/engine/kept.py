"""Kept: what an earlier process left of a run that goes on."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class KeptResult(NamedTuple):
    """What a step or item returned in an earlier process; ``started_at`` is seconds since the epoch."""

    value: Any
    attempts: int = 1
    started_at: float | None = None
    duration: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kept:
    """What is not done again, and what is known of the rest; by the names of steps and items (``measure[3]``).

    ``results`` are successes, in the order in which they ended. ``attempts`` counts the attempts of the
    others, ``forgiven`` those of them that use up no retry; ``due`` is when the next one may start, in
    seconds since the epoch. ``lost`` are those of which nobody knows whether they finished, and which are
    not to be repeated.
    """

    results: Mapping[str, KeptResult] = field(default_factory=dict)
    attempts: Mapping[str, int] = field(default_factory=dict)
    forgiven: Mapping[str, int] = field(default_factory=dict)
    due: Mapping[str, float] = field(default_factory=dict)
    lost: Set[str] = frozenset()
