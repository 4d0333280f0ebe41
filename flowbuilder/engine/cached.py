"""Cached: what is known in a cache of an attempt whose arguments are there; the seam of caches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from flowbuilder.engine.views import RunInfo
from flowbuilder.plan.plan import PlannedStep
from flowbuilder.results import CacheNote


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Look:
    """What one look into a cache came to: with a hit the ``value``, else ``kept`` by which to keep what follows."""

    note: CacheNote
    value: Any = None
    kept: Any = None


class Recall(Protocol):
    """Recalls what steps returned in earlier runs."""

    def look_up(self, run: RunInfo, step: PlannedStep, arguments: Mapping[str, Any]) -> Look:
        """Look for the result of a step, in the thread that is to call its body; for an async one beside the loop.

        No lock is held.
        """
