"""Durations: ``--durations N`` lists the slowest steps and items at the end of the report."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import Any

import click

from flowbuilder import RunResult, Settings, StepResult, Terminal, hookimpl
from flowbuilder.builtin.wording import counted, in_seconds
from flowbuilder.errors import shown


class HowMany(click.IntRange):
    """A whole number from 0."""

    def __init__(self) -> None:
        super().__init__(min=0)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is no whole number from 0", param, ctx)


@hookimpl
def flowbuilder_add_options(command: click.Command) -> None:
    """Add ``--durations``."""
    command.params.append(
        click.Option(
            ["--durations"],
            type=HowMany(),
            metavar="N",
            help="Show the N slowest steps and items; 0 for all.",
        )
    )


@hookimpl
def flowbuilder_configure(config: Settings) -> None:
    """Register the table, if it is wanted."""
    wanted = config.options.get("durations")
    if wanted is not None:
        config.plugins.register(Durations(wanted), "durations-table")


class Durations:
    """Prints the table; ``wanted`` is how many lines it may have, 0 for no limit."""

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted

    @hookimpl
    def flowbuilder_summary(self, terminal: Terminal, results: Sequence[RunResult[Any]]) -> None:
        """Print the slowest steps and items, the slowest first."""
        timed = [(step.duration or 0.0, name, step) for name, step in _timed(results)]
        slowest = heapq.nlargest(self.wanted or len(timed), timed, key=lambda one: one[0])
        if not slowest:
            return
        terminal.section(f"slowest {len(slowest)} of {counted(len(timed), 'step and item', 'steps and items')}")
        for seconds, name, step in slowest:
            terminal.print(f"{in_seconds(seconds):>10}  {shown(name)}{_detail(step)}")


def _timed(results: Sequence[RunResult[Any]]) -> Iterator[tuple[str, StepResult[Any]]]:
    """Yield every step and item that ran; with its workflow's name, where there are several."""
    for run in results:
        prefix = f"{run.workflow} › " if len(results) > 1 else ""
        ran = (one for step in run.steps.values() for one in (step, *(step.items or ())) if one.duration is not None)
        yield from ((f"{prefix}{one.name}", one) for one in ran)


def _detail(step: StepResult[Any]) -> str:
    if step.items is not None:
        return f"  ({counted(len(step.items), 'item')})"
    if step.rounds:
        return f"  ({counted(step.rounds, 'round')})"
    return f"  ({step.attempts} attempts)" if step.attempts > 1 else ""
