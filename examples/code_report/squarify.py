"""A squarified treemap: boxes whose areas are in proportion to sizes, and nearly square.

After Bruls, Huizing and van Wijk, "Squarified Treemaps" (2000).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

SMALLEST = 1e-6


class Box(NamedTuple):
    """A rectangle; y grows downwards."""

    x: float
    y: float
    width: float
    height: float

    def inset(self, left: float, top: float, right: float, bottom: float) -> Box:
        """Return what is left after taking margins away, never quite nothing."""
        width, height = max(self.width - left - right, SMALLEST), max(self.height - top - bottom, SMALLEST)
        return Box(self.x + left, self.y + top, width, height)


def squarified(sizes: Sequence[float], box: Box) -> list[Box]:
    """Return one box inside ``box`` for each size; sizes are positive and the largest comes first."""
    scale = box.width * box.height / sum(sizes) if sizes else 0
    areas = [size * scale for size in sizes]
    boxes: list[Box] = []
    start = 0
    while start < len(areas):
        end = _row_end(areas, start, min(box.width, box.height))
        row = areas[start:end]
        boxes += _laid_out(row, box)
        depth = sum(row) / min(box.width, box.height)
        box = box.inset(depth, 0, 0, 0) if box.width >= box.height else box.inset(0, depth, 0, 0)
        start = end
    return boxes


def _row_end(areas: Sequence[float], start: int, side: float) -> int:
    """Return where the row ends that begins at ``start``: before its boxes would get less square."""
    total = areas[start]
    worst = _worst(areas[start], areas[start], total, side)
    for end in range(start + 1, len(areas)):
        total += areas[end]
        with_it = _worst(areas[start], areas[end], total, side)
        if with_it > worst:
            return end
        worst = with_it
    return len(areas)


def _worst(largest: float, smallest: float, total: float, side: float) -> float:
    """Return the longest side by the shortest, of the worst box in a row along ``side``."""
    return max(side**2 * largest / total**2, total**2 / (side**2 * smallest))


def _laid_out(row: Sequence[float], box: Box) -> Iterator[Box]:
    """Lay a row of areas along the shorter side of ``box``."""
    depth, at = sum(row) / min(box.width, box.height), 0.0
    for area in row:
        length = area / depth
        if box.width >= box.height:
            yield Box(box.x, box.y + at, depth, length)
        else:
            yield Box(box.x + at, box.y, length, depth)
        at += length
