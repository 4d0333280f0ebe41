"""Past: how long the steps of a workflow took in the runs that are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from flowbuilder.store.contract import Store

RUNS = 5  # so many of the last ones are looked at


class Past(NamedTuple):
    """What a step usually takes: the medians of its ``seconds`` and of its ``items``.

    ``items`` is None for a step that is not mapped; ``seconds`` are those of one item where it is.
    """

    seconds: float
    items: int | None = None


def past_of(store: Store, workflow: str) -> dict[str, Past]:
    """Return what the steps of a workflow that succeeded in its last runs usually take, by name.

    Raises:
        StoreError: when the store cannot be read.
    """
    alone: dict[str, list[float]] = {}
    mapped: dict[str, list[tuple[float, int]]] = {}
    for step, seconds, items in store.took(workflow, RUNS):
        if items is None:
            alone.setdefault(step, []).append(seconds)
        else:
            mapped.setdefault(step, []).append((seconds, items))
    found = {step: Past(_median(seconds)) for step, seconds in alone.items()}
    # A mapped step has a duration of its own too, but how long its items took says more.
    for step, rows in mapped.items():
        found[step] = Past(_median([seconds for seconds, _ in rows]), round(_median([items for _, items in rows])))
    return found


def _median(numbers: Sequence[float]) -> float:
    """Return the middle one; the module ``statistics`` would take as long to load as a store to open."""
    ordered, middle = sorted(numbers), len(numbers) // 2
    return ordered[middle] if len(numbers) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
