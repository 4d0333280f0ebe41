"""Terminal reporter: what runs while it runs, and at the end failures, what was skipped, the value and the counts."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from typing import Any

import click

from flowbuilder import RunInfo, RunResult, Settings, StepInfo, StepResult, Terminal, hookimpl
from flowbuilder.builtin.ending import print_ending
from flowbuilder.builtin.failures import print_failures
from flowbuilder.builtin.wording import counted, in_seconds
from flowbuilder.errors import error_line, shown

NAME = "terminal-report"


@hookimpl
def flowbuilder_add_options(command: click.Command) -> None:
    """Add ``-q`` and ``-v``."""
    command.params.append(
        click.Option(["-q", "--quiet"], count=True, help="Show only failures and the counts; twice: nothing at all.")
    )
    command.params.append(
        click.Option(
            ["-v", "--verbose"], count=True, help="Show each item, each start, and every skip with its reason."
        )
    )


@hookimpl
def flowbuilder_configure(config: Settings) -> None:
    """Register the report, unless it is silenced."""
    level = int(config.options.get("verbose") or 0) - int(config.options.get("quiet") or 0)
    if level > -2:
        config.plugins.register(Report(config.terminal, level, config), NAME)


class Report:
    """Reports runs to a terminal; ``level`` is -1 for quiet, 0, or 1 for verbose."""

    def __init__(self, terminal: Terminal, level: int = 0, config: Settings | None = None) -> None:
        self._terminal = terminal
        self._level = level
        self._config = config
        self._done = 0
        self._total = 0
        self._width = 0

    @hookimpl
    def flowbuilder_collection_finish(self) -> None:
        """Print the header, where something is about to run."""
        if self._config is not None and self._config.command == "run" and self._level >= 0:
            self._print_header(self._config)

    def _print_header(self, config: Settings) -> None:
        from flowbuilder import __version__

        backend = config.options.get("backend")
        self._terminal.print(
            f"flowbuilder {__version__}, python {platform.python_version()}{f', {backend}' if backend else ''}"
        )
        self._terminal.print(f"root: {shown(config.root)}")
        for lines in reversed(config.plugins.hook.flowbuilder_report_header(config=config)):
            for line in [lines] if isinstance(lines, str) else lines:
                self._terminal.print(line)

    @hookimpl
    def flowbuilder_run_start(self, run: RunInfo) -> None:
        """Name the workflow."""
        names = [step.name for step in run.plan.steps]
        self._done, self._total = 0, len(names)
        self._width = min(max((len(name) for name in names), default=0), 40)
        if self._level >= 0:
            self._terminal.print(f"{shown(run.workflow)}: {counted(self._total, 'step')}", style="bold")

    @hookimpl
    def flowbuilder_step_start(self, step: StepInfo, attempt: int) -> None:
        """Print a start, if verbose."""
        if self._level > 0:
            self._line("start", step.name, "", f"attempt {attempt}" if attempt > 1 else "", "dim")

    @hookimpl
    def flowbuilder_step_finish(self, step: StepInfo, result: StepResult[Any]) -> None:
        """Print a success."""
        if step.item is None:
            self._done += 1
        if self._level > 0 or (self._level == 0 and step.item is None):
            items = counted(len(result.items), "item") if result.items is not None else ""
            self._line("success", step.name, in_seconds(result.duration or 0.0), items, "green")

    @hookimpl
    def flowbuilder_step_error(self, step: StepInfo, result: StepResult[Any]) -> None:
        """Print a failure."""
        if step.item is None:
            self._done += 1
        if self._level >= 0:
            error = result.reason or (error_line(result.error) if result.error else "")
            self._line(str(result.status), step.name, in_seconds(result.duration or 0.0), error, "red")

    @hookimpl
    def flowbuilder_step_skip(self, step: StepInfo, reason: str) -> None:
        """Print a skip."""
        if step.item is None:
            self._done += 1
        if self._level > 0 or (self._level == 0 and step.item is None):
            self._line("skipped", step.name, "", reason, "yellow")

    def _line(self, word: str, name: str, time: str, rest: str, style: str) -> None:
        terminal = self._terminal
        done = f"[{self._done:>{len(str(self._total))}}/{self._total}]"
        line = f"{shown(name, 60):<{self._width}} {time:>9}  {shown(rest, 200)}".rstrip()
        terminal.print(f"{terminal.styled(done, 'dim')} {terminal.styled(f'{word:<9}', style)} {line}")

    @hookimpl
    def flowbuilder_summary(self, terminal: Terminal, results: Sequence[RunResult[Any]]) -> None:
        """Print failures and counts."""
        print_failures(terminal, results, is_bounded=self._level < 1)
        print_ending(terminal, results, self._level)
