"""Ending: what was skipped, the notes, the value and the counts, at the end of the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowbuilder import RunResult, Status, Terminal
from flowbuilder.builtin.strays import strays
from flowbuilder.builtin.wording import counted, in_seconds
from flowbuilder.errors import listed, shown, shown_value

REASONS = 10
NAMES = 8
NOTES = 10
LINE_LENGTH = 500
VALUE_LENGTH = 2_000
TEXT_LENGTH = 8_000
TEXT_LINES = 30
STOPPED = "cancelled: too many steps failed"
WORDS = {
    Status.SUCCESS: "succeeded",
    Status.FAILED: "failed",
    Status.TIMED_OUT: "timed out",
    Status.CANCELLED: "cancelled",
    Status.SKIPPED: "skipped",
}
STYLES = {
    Status.SUCCESS: "bold green",
    Status.FAILED: "bold red",
    Status.TIMED_OUT: "bold red",
    Status.CANCELLED: "bold yellow",
    Status.SKIPPED: "bold yellow",
}


def print_ending(terminal: Terminal, results: Sequence[RunResult[Any]], level: int) -> None:
    """Print what was skipped, the notes and the value of each run, unless quiet; then the counts."""
    if not results:
        return
    several = len(results) > 1
    if level >= 0:
        for result in results:
            _print_skipped(terminal, result, f"{shown(result.workflow)}: " if several else "", is_bounded=level < 1)
        _print_notes(terminal, results, is_bounded=level < 1)
        for result in results:
            _print_value(terminal, result, several=several)
    if several:
        terminal.print()
        for result in results:
            terminal.print(f"{shown(result.workflow)}: {counts([result])}", style=STYLES[result.status])
    terminal.section(counts(results), style=STYLES[_worst(results)])


def _worst(results: Sequence[RunResult[Any]]) -> Status:
    order = (Status.FAILED, Status.TIMED_OUT, Status.CANCELLED, Status.SKIPPED)
    found = {result.status for result in results}
    return next((status for status in order if status in found), Status.SUCCESS)


def counts(results: Sequence[RunResult[Any]]) -> str:
    """Return "3 succeeded, 1 failed, 20 items in 0.42 s"."""
    numbers: dict[str, int] = dict.fromkeys((*WORDS.values(), "undone"), 0)
    items = 0
    # Once over all: each result is made as it is read.
    for step in (step for result in results for step in result.steps.values()):
        numbers["undone" if step.undone else WORDS[step.status]] += 1
        items += len(step.items or ())
    parts = [f"{number:,} {word}" for word, number in numbers.items() if number]
    beside = sum(len(strays(result)) for result in results)
    if beside:
        parts.append(counted(beside, "error"))
    if items:
        parts.append(counted(items, "item"))
    started, ended = min(one.started_at for one in results), max(one.started_at + one.duration for one in results)
    return f"{_cut_short(results)}{', '.join(parts) or 'no steps'} in {in_seconds(ended - started)}"


def _cut_short(results: Sequence[RunResult[Any]]) -> str:
    """Return "interrupted: " where a signal ended runs, and "stopped: " where too many failures did."""
    cancelled = [result for result in results if result.status is Status.CANCELLED]
    if not cancelled:
        return ""
    return "stopped: " if any(STOPPED in result.notes for result in cancelled) else "interrupted: "


def _print_notes(terminal: Terminal, results: Sequence[RunResult[Any]], *, is_bounded: bool) -> None:
    """Print each note once; with the workflows it is about, where there are several."""
    notes: dict[str, list[str]] = {}
    for result in results:
        for note in result.notes[:NOTES] if is_bounded else result.notes:
            notes.setdefault(note, []).append(result.workflow)
    for note, workflows in notes.items():
        about = f" ({listed(workflows, NAMES)})" if len(results) > 1 else ""
        terminal.print(f"note: {shown(note, LINE_LENGTH)}{about}", style="yellow")


def _print_skipped(terminal: Terminal, result: RunResult[Any], front: str, *, is_bounded: bool) -> None:
    """Print a line for each reason, with the names of those that were skipped for it."""
    skipped: dict[str, list[str]] = {}
    for step in result.steps.values():
        if step.status is Status.SKIPPED:
            skipped.setdefault(step.reason, []).append(step.name)
    reasons = list(skipped.items())
    for reason, names in reasons[:REASONS] if is_bounded else reasons:
        named = listed(names, NAMES if is_bounded else len(names))
        terminal.print(f"{front}skipped {named}: {shown(reason, LINE_LENGTH)}", style="yellow")
    rest = [name for _, names in reasons[REASONS:] for name in names] if is_bounded else []
    if rest:
        terminal.print(
            f"{front}skipped {counted(len(rest), 'more step')} for other reasons; -v shows all", style="yellow"
        )


def _print_value(terminal: Terminal, result: RunResult[Any], *, several: bool) -> None:
    """Print what the workflow returned; for one without a body, what its last steps did."""
    if result.body is not None:
        found = {"": result.steps[result.body]}
    else:
        found = {name: result.steps[name] for name in result.sinks[:NAMES]}
    values = {n: s.raw_value for n, s in found.items() if s.is_completed and s.raw_value is not None}
    if values and several:
        terminal.print(f"\n{shown(result.workflow)} returned", style="bold")
    elif values:
        terminal.print()
    for name, value in values.items():
        text = _cut(value) if isinstance(value, str) else shown_value(value, VALUE_LENGTH)
        terminal.print(f"{shown(name)}: {text}" if name else text)


def _cut(text: str) -> str:
    lines = text[:TEXT_LENGTH].split("\n")
    if len(text) <= TEXT_LENGTH and len(lines) <= TEXT_LINES:
        return text
    kept = "\n".join(lines[:TEXT_LINES])
    return f"{kept}\n… and {len(text) - len(kept):,} more characters"
