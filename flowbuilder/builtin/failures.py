"""Failures: the part of the report that shows each failure with source and output, as pytest does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from flowbuilder import RunResult, Section, Status, StepResult, Terminal
from flowbuilder.builtin.tracebacks import Line, error_lines
from flowbuilder.errors import error_line, shown

FAILED = (Status.FAILED, Status.TIMED_OUT)
LINES_IN_ALL = 120
LINES_OF_AN_ERROR = 40
LINES_OF_OUTPUT = 12
ITEMS_IN_FULL = 3
NAMED = 20
LINE_LENGTH = 500

Failure = tuple[str, StepResult[Any]]  # the workflow's name and the step's result


def failures_of(result: RunResult[Any]) -> Iterator[StepResult[Any]]:
    """Yield what failed: steps, and of mapped steps the items."""
    for step in result.steps.values():
        items = [item for item in step.items or () if item.status in FAILED]
        if items:
            yield from items
        elif step.status in FAILED:
            yield step


def print_failures(terminal: Terminal, results: Sequence[RunResult[Any]], *, is_bounded: bool) -> None:
    """Print every failure; when bounded, the first ones in full and the next ones by name, in at most 150 lines."""
    found = [(result, step) for result in results for step in failures_of(result)]
    strays = [(result, error) for result in results for error in _strays(result)]
    if not found and not strays:
        return
    terminal.section("failures")
    left = LINES_IN_ALL if is_bounded else 10**9
    shown_in_full = 0
    for result, step in found:
        lines = list(_lines(result, step, len(results) > 1, is_bounded))
        if shown_in_full and len(lines) > left:
            break
        _print(terminal, lines)
        left -= len(lines)
        shown_in_full += 1
    _name(terminal, found[shown_in_full:])
    for result, error in strays[:5]:
        terminal.section(f"after the steps of {result.workflow}", style="bold red", line="-")
        _print(terminal, islice(error_lines(error), LINES_OF_AN_ERROR))


def _strays(result: RunResult[Any]) -> list[BaseException]:
    """Return the errors that belong to no step, such as those of a provider's tear-down."""
    known = {id(one.error) for step in result.steps.values() for one in (step, *(step.items or ()))}
    return [error for error in result.errors if id(error) not in known]


def _lines(result: RunResult[Any], step: StepResult[Any], several: bool, is_bounded: bool) -> Iterator[Line]:
    tries = f", attempt {step.attempts}" if step.attempts > 1 else ""
    yield f"-- {f'{result.workflow}: ' if several else ''}{shown(step.name)}{tries} --", "bold red"
    if step.error is not None:
        lines = error_lines(step.error)
        yield from islice(lines, LINES_OF_AN_ERROR if is_bounded else None)
        rest = sum(1 for _ in lines)
        if rest:
            yield f"… {rest:,} more lines", "dim"
    for section in step.sections:
        yield from _section(section, is_bounded)
    yield "", ""


def _section(section: Section, is_bounded: bool) -> Iterator[Line]:
    lines = section.text.rstrip("\n").split("\n")
    cut = len(lines) - LINES_OF_OUTPUT if is_bounded else 0
    yield f"-- captured {shown(section.title)} --", "bold"
    if cut > 0:
        yield f"… {cut:,} lines before", "dim"
    for line in lines[max(cut, 0) :]:
        yield shown(line.expandtabs(8), LINE_LENGTH), ""


def _print(terminal: Terminal, lines: Iterator[Line] | Sequence[Line]) -> None:
    for text, style in lines:
        terminal.print(text, style=style)


def _name(terminal: Terminal, rest: Sequence[tuple[RunResult[Any], StepResult[Any]]]) -> None:
    """Print a line for each failure that is not shown in full, and how many have not even that."""
    for _, step in rest[:NAMED]:
        error = shown(error_line(step.error), 120) if step.error else ""
        terminal.print(f"{shown(step.name)}: {error}", style="red")
    if len(rest) > NAMED:
        terminal.print(f"… and {len(rest) - NAMED:,} more failures", style="red")
