"""Entries: steps of a schedule written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from flowbuilder.engine.entries import Wiring
from flowbuilder.engine.limits import NO_NEEDS, Needs
from flowbuilder.plan.edges import Edge, edges_of


class Entry(NamedTuple):
    """One step: its lane, what it asks of which others, mapped or not, what it needs beside its slot."""

    lane: int
    edges: Sequence[tuple[int, Edge]] = ()
    mapped: bool = False
    needs: Needs = NO_NEEDS


def wired(entries: Sequence[Entry]) -> Wiring:
    """Return entries, each after its upstream, as the schedule takes them."""
    return Wiring(
        edges=edges_of(entry.edges for entry in entries),
        lanes=[entry.lane for entry in entries],
        needs={unit: entry.needs for unit, entry in enumerate(entries) if entry.needs},
    )
