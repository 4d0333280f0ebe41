"""Failures: the part of the report that shows each failure with source and output, as pytest does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

from flowbuilder import Plan, RunResult, Section, Status, StepResult, Terminal
from flowbuilder.builtin.arguments import arguments_of
from flowbuilder.builtin.strays import strays
from flowbuilder.builtin.tracebacks import Line, error_lines, has_frames, place_line
from flowbuilder.builtin.wording import reason_of
from flowbuilder.errors import Where, shown
from flowbuilder.terminal import ruled

FAILED = (Status.FAILED, Status.TIMED_OUT)
LINES_IN_ALL = 110
LINES_OF_AN_ERROR = 40
LINES_OF_OUTPUT = 12
NO_PLANS: Mapping[str, Plan] = {}
CAPTURED = ("stdout", "stderr", "log")
ITEMS_IN_FULL = 3
NAMED = 20
UNDO = "undo of step "
STEP = "step "
LINE_LENGTH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Something that failed, its error and what it printed.

    ``step`` is the step that it belongs to, ``where`` the place where that was written; ``arguments``
    returns what an item of it was called with.
    """

    title: str
    step: str
    error: BaseException | None
    where: Where | None = None
    sections: tuple[Section, ...] = ()
    arguments: Callable[[], Iterable[str]] = tuple


def failures_of(result: RunResult[Any], plan: Plan | None = None, prefix: str = "") -> Iterator[Failure]:
    """Yield what failed: steps, of mapped steps the items, and then what belongs to no step."""
    for step in result.steps.values():
        items = [item for item in step.items or () if item.status in FAILED]
        for one in items or [step]:
            if one.status in FAILED:
                yield Failure(
                    title=prefix + _title(one),
                    step=f"{prefix}{step.name}",
                    error=one.error,
                    where=plan.by_name[step.name].definition.where if plan and step.name in plan.by_name else None,
                    sections=one.sections,
                    arguments=partial(arguments_of, one.name, plan, result) if items and plan else tuple,
                )
    for error in strays(result):
        yield Failure(title=f"{prefix}{_title_of_stray(error)}", step="", error=error)


def _title_of_stray(error: BaseException) -> str:
    """Return which undo an error is of, or behind which step's body it came: a note says so."""
    for note in map(str, getattr(error, "__notes__", ())):
        if note.startswith(UNDO):
            return shown(note.partition(",")[0].partition(" (")[0])
        if note.startswith(STEP):
            return f"{shown(note.removeprefix(STEP).partition(', attempt ')[0])}, after its body"
    return "after the steps"


def _title(step: StepResult[Any]) -> str:
    if step.rounds > 1:
        return f"{shown(step.name)}, round {step.rounds}"
    return f"{shown(step.name)}, attempt {step.attempts}" if step.attempts > 1 else shown(step.name)


def print_failures(
    terminal: Terminal, results: Sequence[RunResult[Any]], plans: Mapping[str, Plan] = NO_PLANS, *, is_bounded: bool
) -> None:
    """Print every failure; when bounded, the first ones in full and the next ones by name, in some 140 lines.

    ``plans`` has the plans of runs by the runs' ids; with them items tell what they were called with.
    """
    several = len(results) > 1
    found = [
        one
        for run in results
        for one in failures_of(run, plans.get(run.run_id), f"{shown(run.workflow)} › " if several else "")
    ]
    if not found:
        return
    terminal.section("failures")
    rest = _print_in_full(terminal, found) if is_bounded else _print_all(terminal, found)
    for one in rest[:NAMED]:
        terminal.print((one.title, "red"), shown(reason_of(one.error), LINE_LENGTH))
    if len(rest) > NAMED:
        terminal.print(f"… and {len(rest) - NAMED:,} more failures; -v shows all", style="red")
    elif rest:
        terminal.print("-v shows all failures in full", style="red")


def print_failure(terminal: Terminal, failure: Failure) -> None:
    """Print one failure in full."""
    _print(terminal, _lines(failure, terminal.width, None))


def _print_in_full(terminal: Terminal, found: Sequence[Failure]) -> list[Failure]:
    """Print what fits, of the items of one step only a few, and return the rest."""
    left, seen, rest = LINES_IN_ALL, Counter[str](), []
    for one in found:
        seen[one.step] += 1
        lines = list(_lines(one, terminal.width, LINES_OF_AN_ERROR)) if left and seen[one.step] <= ITEMS_IN_FULL else []
        if lines and len(lines) <= left:
            _print(terminal, lines)
            left -= len(lines)
        else:
            left = 0 if lines else left
            rest.append(one)
    return rest


def _print_all(terminal: Terminal, found: Sequence[Failure]) -> list[Failure]:
    for one in found:
        _print(terminal, _lines(one, terminal.width, None))
    return []


def _print(terminal: Terminal, lines: Iterator[Line] | Sequence[Line]) -> None:
    for text, style in lines:
        terminal.print(text, style=style)


def _lines(failure: Failure, width: int, limit: int | None) -> Iterator[Line]:
    yield ruled(failure.title, width, "-"), "bold red"
    for text in failure.arguments():
        yield text, ""
    if failure.error is not None and failure.where is not None and not has_frames(failure.error):
        yield place_line(failure.where, failure.step.rpartition(" › ")[2])
    if failure.error is not None:
        lines = error_lines(failure.error)
        yield from islice(lines, limit)
        rest = sum(1 for _ in lines)
        if rest:
            yield f"… {rest:,} more lines", "dim"
    for section in failure.sections:
        yield from _section(section, LINES_OF_OUTPUT if limit else None)
    yield "", ""


def _section(section: Section, limit: int | None) -> Iterator[Line]:
    lines = section.text.rstrip("\n").split("\n")
    yield f"{'captured ' * (section.title in CAPTURED)}{shown(section.title)}:", "bold"
    if limit is not None and len(lines) > limit:
        # The first line may be the one that says how much was dropped before it.
        yield _printed(lines[0])
        yield f"  … {len(lines) - limit:,} more lines …", "dim"
        lines = lines[1 - limit :]
    yield from map(_printed, lines)


def _printed(line: str) -> Line:
    # Of a line that was written over, as progress bars do, the last state counts.
    text = line.rstrip("\r").rpartition("\r")[2]
    return f"  {shown(text.expandtabs(8), LINE_LENGTH)}", ""
