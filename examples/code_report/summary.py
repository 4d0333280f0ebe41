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
MOST_COMPLEX = 20
COMPLEX = 10


class Bar(NamedTuple):
    """The functions whose complexity is from ``low`` up to the next bar, and the sum of it."""

    label: str
    low: int
    functions: int
    complexity: int


class File(NamedTuple):
    """One file that parsed; ``mean`` is the mean complexity of its functions, 0 without any."""

    path: str
    lines: int
    functions: int
    complexity: int
    mean: float

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition(os.sep)[2]


class Package(NamedTuple):
    """The files of one folder below the root; ``complex_functions`` are above ``COMPLEX``."""

    name: str
    files: tuple[File, ...]
    lines: int
    code: int
    functions: int
    complex_functions: int


class Found(NamedTuple):
    """A function and the file it is in."""

    path: str
    function: Function


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The numbers of one report; paths are relative to ``root``, ``broken`` holds path and reason."""

    root: Path
    files: int
    lines: int
    code: int
    comments: int
    classes: int
    functions: int
    median_complexity: float
    complex_functions: int
    bars: tuple[Bar, ...]
    packages: tuple[Package, ...]
    most_complex: tuple[Found, ...]
    longest: Found | None
    broken: tuple[tuple[str, str], ...]


def summed_up(root: Path, measures: Sequence[Measure]) -> Summary:
    """Return the summary of all measures of the files below ``root``."""
    found = [Found(_below(root, one.path), function) for one in measures for function in one.functions]
    complexities = [one.function.complexity for one in found]
    return Summary(
        root=root,
        files=len(measures),
        lines=sum(one.lines for one in measures),
        code=sum(map(_code, measures)),
        comments=sum(one.comments for one in measures),
        classes=sum(one.classes for one in measures),
        functions=len(found),
        median_complexity=statistics.median(complexities) if complexities else 0,
        complex_functions=_complex(complexities),
        bars=_bars(complexities),
        packages=_packages(root, measures),
        most_complex=tuple(sorted(found, key=lambda one: -one.function.complexity)[:MOST_COMPLEX]),
        longest=max(found, key=lambda one: one.function.lines, default=None),
        broken=tuple((_below(root, one.path), one.error) for one in measures if one.error),
    )


def _below(root: Path, path: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def _code(measure: Measure) -> int:
    return measure.lines - measure.blank - measure.comments


def _complex(complexities: Iterable[int]) -> int:
    return sum(one > COMPLEX for one in complexities)


def _bars(complexities: Iterable[int]) -> tuple[Bar, ...]:
    counts, sums = [0] * len(STEPS), [0] * len(STEPS)
    for one in complexities:
        step = bisect_right(STEPS, one) - 1
        counts[step] += 1
        sums[step] += one
    labels = [_label(low, high) for low, high in pairwise(STEPS)]
    return tuple(map(Bar, [*labels, f"{STEPS[-1]}+"], STEPS, counts, sums))


def _label(low: int, high: int) -> str:
    return str(low) if high == low + 1 else f"{low}–{high - 1}"


def _packages(root: Path, measures: Sequence[Measure]) -> tuple[Package, ...]:
    """Return the folders below the deepest folder that all files share, the largest first."""
    shared = Path(os.path.commonpath([one.path.parent for one in measures])) if measures else root
    groups: dict[str, list[Measure]] = {}
    for one in measures:
        parts = one.path.relative_to(shared).parts
        groups.setdefault(parts[0] if len(parts) > 1 else f"{shared.name or shared}/*.py", []).append(one)
    rows = [_package(name, root, group) for name, group in groups.items()]
    return tuple(sorted(rows, key=lambda row: (-row.lines, row.name)))


def _package(name: str, root: Path, group: Sequence[Measure]) -> Package:
    complexities = [function.complexity for one in group for function in one.functions]
    return Package(
        name=name,
        files=tuple(_file(root, one) for one in group if not one.error),
        lines=sum(one.lines for one in group),
        code=sum(map(_code, group)),
        functions=len(complexities),
        complex_functions=_complex(complexities),
    )


def _file(root: Path, measure: Measure) -> File:
    complexities = [function.complexity for function in measure.functions]
    mean = statistics.fmean(complexities) if complexities else 0.0
    return File(_below(root, measure.path), measure.lines, len(complexities), measure.complexity, mean)
