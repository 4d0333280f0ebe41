"""The report in words: a few lines for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from examples.code_report.summary import COMPLEX, Summary

MOST_BROKEN = 12
MOST_COMPLEX = 3


def in_words(summary: Summary, page: Path) -> str:
    """Return what the report on ``page`` says, shortly, and which files are missing from it."""
    return "\n".join([*_numbers(summary), *_worst(summary), *_broken(summary), f"{'report':>14}  {page}"])


def _numbers(summary: Summary) -> Iterator[str]:
    share = summary.complex_functions / summary.functions if summary.functions else 0
    yield f"{summary.files:14,}  files"
    yield f"{summary.lines:14,}  lines, {summary.code:,} of them code"
    yield f"{summary.functions:14,}  functions, {summary.classes:,} classes"
    yield f"{summary.complex_functions:14,}  functions are complex, above {COMPLEX} ({share:.1%})"


def _worst(summary: Summary) -> Iterator[str]:
    for path, function in summary.most_complex[:MOST_COMPLEX]:
        yield f"{function.complexity:14,}  {function.name} ({path}:{function.line})"


def _broken(summary: Summary) -> Iterator[str]:
    if summary.broken:
        yield f"{len(summary.broken):14,}  files did not parse"
    for path, error in summary.broken[:MOST_BROKEN]:
        yield f"{'':14}  {path}: {error}"
    if len(summary.broken) > MOST_BROKEN:
        yield f"{'':14}  and {len(summary.broken) - MOST_BROKEN} more, on the page"
