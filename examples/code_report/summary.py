"""Summing up: the measures of many files as the numbers of one report."""

from __future__ import annotations

import os
import statistics
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from examples.code_report.measure import Function, Measure

STEPS = (1, 2, 3, 4, 5, 6, 8, 11, 16, 21, 31, 51)
MOST_COMPLEX = 25
COMPLEX = 10


class Bar(NamedTuple):
    """How many functions have a complexity from ``low`` up to the next bar."""

    label: str
    low: int
    functions: int


class Package(NamedTuple):
    """The files of one folder below the root."""

    name: str
    files: int
    lines: int
    code: int


class Dot(NamedTuple):
    """One file by its size and complexity."""

    path: str
    lines: int
    complexity: int


class Found(NamedTuple):
    """A function and the file it is in."""

    path: str
    function: Function


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The numbers of one report; paths are relative to ``root``, ``broken`` holds path and reason."""

    root: str
    files: int
    lines: int
    blank: int
    comments: int
    classes: int
    functions: int
    median_complexity: float
    complex_functions: int
    bars: tuple[Bar, ...]
    packages: tuple[Package, ...]
    dots: tuple[Dot, ...]
    most_complex: tuple[Found, ...]
    longest: Found | None
    broken: tuple[tuple[str, str], ...]

    @property
    def code(self) -> int:
        """Lines that are neither blank nor comment."""
        return self.lines - self.blank - self.comments


def summed_up(root: Path, measures: Sequence[Measure]) -> Summary:
    """Return the summary of all measures of the files below ``root``."""
    found = [Found(_below(root, one.path), function) for one in measures for function in one.functions]
    complexities = [one.function.complexity for one in found]
    return Summary(
        root=str(root),
        files=len(measures),
        lines=sum(one.lines for one in measures),
        blank=sum(one.blank for one in measures),
        comments=sum(one.comments for one in measures),
        classes=sum(one.classes for one in measures),
        functions=len(found),
        median_complexity=statistics.median(complexities) if complexities else 0,
        complex_functions=sum(one > COMPLEX for one in complexities),
        bars=_bars(complexities),
        packages=_packages(root, measures),
        dots=tuple(Dot(_below(root, one.path), one.lines, one.complexity) for one in measures if not one.error),
        most_complex=tuple(sorted(found, key=lambda one: -one.function.complexity)[:MOST_COMPLEX]),
        longest=max(found, key=lambda one: one.function.lines, default=None),
        broken=tuple((_below(root, one.path), one.error) for one in measures if one.error),
    )


def _below(root: Path, path: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def _bars(complexities: Iterable[int]) -> tuple[Bar, ...]:
    counts = [0] * len(STEPS)
    for one in complexities:
        counts[bisect_right(STEPS, one) - 1] += 1
    labels = [_label(low, high) for low, high in pairwise(STEPS)]
    return tuple(map(Bar, [*labels, f"{STEPS[-1]}+"], STEPS, counts))


def _label(low: int, high: int) -> str:
    return str(low) if high == low + 1 else f"{low}–{high - 1}"


def _packages(root: Path, measures: Sequence[Measure]) -> tuple[Package, ...]:
    """Return the folders below the deepest folder that all files share, the largest first."""
    shared = Path(os.path.commonpath([one.path.parent for one in measures])) if measures else root
    groups: dict[str, list[Measure]] = {}
    for one in measures:
        parts = one.path.relative_to(shared).parts
        groups.setdefault(parts[0] if len(parts) > 1 else f"{shared.name or shared}/*.py", []).append(one)
    rows = [_package(name, group) for name, group in groups.items()]
    return tuple(sorted(rows, key=lambda row: (-row.lines, row.name)))


def _package(name: str, group: Sequence[Measure]) -> Package:
    lines = sum(one.lines for one in group)
    return Package(name, len(group), lines, lines - sum(one.blank + one.comments for one in group))
