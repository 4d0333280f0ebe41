"""Kept: what an earlier process left of a run that goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from flowbuilder.results import NO_INNER, InnerCounts


class KeptResult(NamedTuple):
    """What a step or item returned in an earlier process; ``started_at`` is seconds since the epoch.

    ``inner`` counts the calls that its body made.
    """

    value: Any
    attempts: int = 1
    started_at: float | None = None
    duration: float | None = None
    inner: InnerCounts = NO_INNER


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kept:
    """What is not done again, and what is known of the rest; by the names of steps and items (``measure[3]``).

    ``results`` are successes, in the order in which they ended. ``attempts`` counts the attempts of the
    others, ``forgiven`` those of them that use up no retry; ``due`` is when the next one may start, in
    seconds since the epoch. ``lost`` are those of which nobody knows whether they finished, and which are
    not to be repeated, each with the name of what is lost: itself, or a call that its body made.
    """

    results: Mapping[str, KeptResult] = field(default_factory=dict)
    attempts: Mapping[str, int] = field(default_factory=dict)
    forgiven: Mapping[str, int] = field(default_factory=dict)
    due: Mapping[str, float] = field(default_factory=dict)
    lost: Mapping[str, str] = field(default_factory=dict)
