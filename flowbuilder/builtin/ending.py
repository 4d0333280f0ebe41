"""Ending: what was skipped, the notes, the value and the counts, at the end of the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowbuilder import RunResult, Status, Terminal
from flowbuilder.builtin.wording import counted, in_seconds
from flowbuilder.errors import listed, shown, shown_value

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
    if level >= 0:
        for result in results:
            _print_skipped(terminal, result, level)
            _print_notes(terminal, result)
            _print_value(terminal, result)
    if len(results) > 1:
        for result in results:
            terminal.print(f"{shown(result.workflow)}: {counts([result])}", style=STYLES[result.status])
    terminal.section(counts(results), style=STYLES[_worst(results)])


def _worst(results: Sequence[RunResult[Any]]) -> Status:
    order = (Status.CANCELLED, Status.FAILED, Status.SKIPPED)
    found = {result.status for result in results}
    return next((status for status in order if status in found), Status.SUCCESS)


def counts(results: Sequence[RunResult[Any]]) -> str:
    """Return "3 succeeded, 1 failed in 0.42 s"."""
    parts = []
    for status, word in WORDS.items():
        number = sum(result.count(status) for result in results)
        if number:
            parts.append(f"{number:,} {word}")
    interrupted = "interrupted: " if any(result.status is Status.CANCELLED for result in results) else ""
    seconds = max((one.started_at + one.duration for one in results), default=0.0) - min(
        (one.started_at for one in results), default=0.0
    )
    return f"{interrupted}{', '.join(parts) or 'nothing ran'} in {in_seconds(seconds)}"


def _print_skipped(terminal: Terminal, result: RunResult[Any], level: int) -> None:
    skipped: dict[str, list[str]] = {}
    for step in result.steps.values():
        if step.status is Status.SKIPPED:
            skipped.setdefault(step.reason, []).append(step.name)
    bound = 10 if level < 1 else len(skipped)
    for reason, names in list(skipped.items())[:bound]:
        named = listed(names, 8 if level < 1 else len(names))
        terminal.print(f"skipped {named}: {shown(reason)}", style="yellow")
    if len(skipped) > bound:
        terminal.print(f"… and {counted(len(skipped) - bound, 'more reason')}", style="yellow")


def _print_notes(terminal: Terminal, result: RunResult[Any]) -> None:
    for note in result.notes[:10]:
        terminal.print(f"note: {shown(note, 500)}", style="yellow")


def _print_value(terminal: Terminal, result: RunResult[Any]) -> None:
    body = result.steps.get(result.body) if result.body else None
    if body is None or body.status is not Status.SUCCESS or body.raw_value is None:
        return
    value = body.raw_value
    text = value if isinstance(value, str) else shown_value(value, 2000)
    terminal.print(text[:8000])
