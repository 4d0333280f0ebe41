"""Terminal reporter: what runs while it runs, and at the end failures, what was skipped, the value and the counts."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Generator, Sequence
from typing import Any

import click

from flowbuilder import Plan, RunInfo, RunResult, Settings, Status, StepInfo, StepResult, Terminal, hookimpl
from flowbuilder.builtin.capture import NAME as CAPTURE
from flowbuilder.builtin.ending import print_ending
from flowbuilder.builtin.lines import Lines
from flowbuilder.builtin.overview import print_overview
from flowbuilder.builtin.painter import Painter
from flowbuilder.builtin.rows import Rows, whole_name
from flowbuilder.builtin.wording import counted, in_seconds, reason_of
from flowbuilder.errors import SettingsError, listed, shown

NAME = "terminal-report"
SILENT, QUIET, USUAL, VERBOSE = -2, -1, 0, 1
# So many ended steps are told line by line where rows are painted, too: more would only scroll past.
STEPS_TOLD_ABOVE_ROWS = 100
ALIKE_TOLD = 10
SIGNALS = {"SIGINT": "; Ctrl-C again ends at once", "SIGTERM": ""}


@hookimpl
def flowbuilder_add_options(command: click.Command) -> None:
    """Add ``-q`` and ``-v``."""
    less = "Show only failures and the counts; twice: nothing at all."
    more = "Show each item, start and skip, and all of each failure."
    command.params += [
        click.Option(["-q", "--quiet"], count=True, help=less, callback=_not_both),
        click.Option(["-v", "--verbose"], count=True, help=more, callback=_not_both),
    ]


def _not_both(context: click.Context, option: click.Parameter, value: int) -> int:
    """Refuse ``-q`` beside ``-v``; what is typed goes over the other one in ``pyproject.toml``, which is read last."""
    name, other = ("quiet", "verbose") if option.name == "quiet" else ("verbose", "quiet")
    if not value or not context.params.get(other):
        return value
    if context.get_parameter_source(name) is context.get_parameter_source(other):
        raise SettingsError("-q and -v contradict each other", hint="give one of them")
    return 0


@hookimpl
def flowbuilder_configure(config: Settings) -> None:
    """Register the report, unless it is silenced."""
    level = int(config.options.get("verbose") or 0) - int(config.options.get("quiet") or 0)
    if config.command == "run" and level > SILENT:
        config.plugins.register(Report(config.terminal, level, config), NAME)


class Report:
    """Reports runs to a terminal; ``level`` is -1 for quiet, 0, or 1 for verbose.

    Where it is a terminal that people look at, what runs is painted in rows at its bottom.
    """

    def __init__(self, terminal: Terminal, level: int = USUAL, config: Settings | None = None) -> None:
        self._terminal = terminal
        self._level = level
        self._config = config
        self._paints = terminal.is_terminal and level >= USUAL
        self._rows = Rows()
        self._lines = Lines(terminal, self._rows)
        self._painter: Painter | None = None
        self._alike: Counter[str] = Counter()
        self._named: set[int] = set()
        self._warned: set[str] = set()
        self._plans: dict[str, Plan] = {}

    # Before the runs.

    @hookimpl
    def flowbuilder_collection_finish(self) -> None:
        """Print the header."""
        config = self._config
        if config is None:
            return
        # Where steps print at once, or by themselves, or a debugger does, rows would be torn apart.
        self._paints = self._paints and config.plugins.has_plugin(CAPTURE) and not config.options.get("pdb")
        if self._level >= USUAL:
            self._print_header(config)

    def _print_header(self, config: Settings) -> None:
        from flowbuilder import __version__

        python = ".".join(map(str, sys.version_info[:3]))
        backend = config.options.get("backend")
        self._terminal.print(f"flowbuilder {__version__}, python {python}{f', {backend}' if backend else ''}")
        self._terminal.print(f"root: {shown(config.root, 500)}")
        if config.options.get("max_concurrency") == "auto":
            self._terminal.print("at once: auto, from 1 to 64 steps, by what is measured")
        plugins = [_named(name, plugin) for name, plugin in config.plugins.list_name_plugin() if plugin is not None]
        others = [name for name in plugins if name]
        if others:
            self._terminal.print(f"plugins: {listed(others, 30)}")
        for lines in reversed(config.plugins.hook.flowbuilder_report_header(config=config)):
            for line in [lines] if isinstance(lines, str) else lines:
                self._terminal.print(line)

    @hookimpl
    def flowbuilder_plan(self, plan: Plan) -> None:
        """Count what will run, and say what is doubtful about it."""
        self._rows.run_planned(plan)
        self._warn(plan)

    def _warn(self, plan: Plan) -> None:
        for text in plan.warnings:
            if self._level >= USUAL and text not in self._warned:
                self._warned.add(text)
                self._terminal.print(f"warning: {shown(text, 500)}", style="yellow")

    # While they run; all on the hook thread.

    @hookimpl
    def flowbuilder_run_start(self, run: RunInfo) -> None:
        """Name the workflow, or all of them with the first one, and begin to paint."""
        if run.parent is not None:
            self._warn(run.plan)
            self._rows.run_started(run)
            return
        plans = self._rows.planned if self._rows.is_empty else []
        if self._rows.is_empty:
            self._alike.clear()
            self._lines.forget()
        self._rows.run_started(run)
        self._plans[run.run_id] = run.plan
        for plan in plans or [run.plan]:
            names = (f"{step.name}[00]" if step.mapped else step.name for step in plan.steps)
            self._lines.align(self._rows.name(plan.name, name) for name in names)
        if self._level >= USUAL:
            self._name_workflows(plans, run.plan)
        if self._paints and self._painter is None:
            self._painter = Painter(self._terminal, self._lines.picture)
            self._painter.start()

    def _name_workflows(self, planned: Sequence[Plan], plan: Plan) -> None:
        if len(planned) > 1:
            self._named = {id(one) for one in planned}
            print_overview(self._terminal, planned)
        elif id(plan) not in self._named:
            self._terminal.print(f"\n{shown(plan.name)}, {counted(len(plan.steps), 'step')}", style="bold")

    @hookimpl
    def flowbuilder_step_start(self, run: RunInfo, step: StepInfo, attempt: int) -> None:
        """Show a start."""
        self._rows.step_started(run, step, attempt)
        if self._is_verbose:
            self._tell(run, step, "start", detail=f"attempt {attempt}" if attempt > 1 else "")

    @hookimpl
    def flowbuilder_step_progress(self, run: RunInfo, step: StepInfo, done: float, total: float | None) -> None:
        """Show how far a body is."""
        self._rows.step_progressed(run, step, done, total)

    @hookimpl
    def flowbuilder_step_retry(
        self, run: RunInfo, step: StepInfo, attempt: int, error: BaseException, delay: float
    ) -> None:
        """Show that a step waits for its next attempt."""
        self._rows.step_waits(run, step, delay)
        if self._is_verbose:
            self._tell(run, step, "retry", detail=f"in {in_seconds(delay)}, after {reason_of(error)}")

    @hookimpl
    def flowbuilder_step_repeat(self, run: RunInfo, step: StepInfo, rounds: int, delay: float) -> None:
        """Show that a step waits for its next round."""
        self._rows.step_waits(run, step, delay, rounds)
        if self._is_verbose:
            self._tell(run, step, "repeat", detail=f"in {in_seconds(delay)}, after round {rounds}")

    @hookimpl
    def flowbuilder_step_finish(self, run: RunInfo, step: StepInfo, result: StepResult[Any]) -> None:
        """Show a success."""
        self._rows.step_ended(run, step, failed=False)
        if self._is_verbose or self._wants_line(run, step):
            self._tell(run, step, "success", result.duration, _remarks(result, self._is_verbose))

    @hookimpl
    def flowbuilder_step_error(self, run: RunInfo, step: StepInfo, result: StepResult[Any]) -> None:
        """Show a failure, a time-out or a cancellation; of the items of a step the first few."""
        cancelled = result.status is Status.CANCELLED
        is_inside = step.parent is not None or run.parent is not None
        # A body may cancel what runs inside it, and go on.
        self._rows.is_stopping = self._rows.is_stopping or (cancelled and not is_inside)
        self._rows.step_ended(run, step, failed=not cancelled)
        is_one_of_few = (step.item is None and not is_inside) or self._is_one_of_few(
            f"{result.status} {whole_name(step)}"
        )
        if self._is_verbose or (self._level == USUAL and is_one_of_few):
            detail = "" if cancelled else result.reason or reason_of(result.error)
            self._tell(run, step, str(result.status), result.duration, detail)

    @hookimpl
    def flowbuilder_step_skip(self, run: RunInfo, step: StepInfo, reason: str) -> None:
        """Show a skip; of those for one reason the first few."""
        stopped = reason.startswith("the run was")
        self._rows.is_stopping = self._rows.is_stopping or (stopped and run.parent is None)
        self._rows.step_ended(run, step, failed=False)
        if self._is_verbose or (self._wants_line(run, step) and not stopped and self._is_one_of_few(reason)):
            self._tell(run, step, "skipped", detail=reason)

    @hookimpl
    def flowbuilder_step_undo(self, run: RunInfo, step: StepInfo, error: BaseException | None) -> None:
        """Show that a step was undone, or could not be; of the items of a step the first few."""
        word, detail = ("undone", "") if error is None else ("failed", f"its undo: {reason_of(error)}")
        is_one_of_few = step.item is None or self._is_one_of_few(f"undo {word} {whole_name(step)}")
        if self._is_verbose or (self._level == USUAL and is_one_of_few):
            self._tell(run, step, word, detail=detail)

    @hookimpl
    def flowbuilder_run_cancel(self, run: RunInfo, reason: str) -> None:
        """Say that a signal was heard: what runs may take its time to end."""
        if run.parent is not None:
            return
        if reason in SIGNALS and not self._rows.is_stopping and self._level >= USUAL:
            self._terminal.print(f"interrupted: what runs is being stopped{SIGNALS[reason]}", style="yellow")
        self._rows.is_stopping = True

    def _tell(self, run: RunInfo, step: StepInfo, word: str, seconds: float | None = None, detail: str = "") -> None:
        self._lines.tell(word, self._rows.name(run.root.workflow, run.full_name(step)), seconds, detail)

    @property
    def _is_verbose(self) -> bool:
        return self._level >= VERBOSE

    def _wants_line(self, run: RunInfo, step: StepInfo) -> bool:
        """Return whether an end that is no failure gets a line: steps do, unless they are many and rows are painted."""
        are_few = not self._paints or self._rows.total <= STEPS_TOLD_ABOVE_ROWS
        is_whole = step.item is None and step.parent is None and run.parent is None
        return self._level == USUAL and is_whole and are_few

    def _is_one_of_few(self, kind: str) -> bool:
        self._alike[kind] += 1
        return self._alike[kind] <= ALIKE_TOLD

    @hookimpl
    def flowbuilder_run_finish(self, run: RunInfo) -> None:
        """Stop painting after the last run."""
        self._rows.run_ended(run)
        if self._rows.is_empty:
            self._stop_painting()

    @hookimpl
    def flowbuilder_unconfigure(self) -> None:
        """Leave a clean terminal, also after an internal error."""
        self._stop_painting()

    def _stop_painting(self) -> None:
        if self._painter is not None:
            self._painter.stop()
            self._painter = None

    # After them.

    @hookimpl(wrapper=True)
    def flowbuilder_summary(self, terminal: Terminal, results: Sequence[RunResult[Any]]) -> Generator[None, Any, Any]:
        """Print failures first and counts last, with what other plugins have to say between them."""
        self._stop_painting()
        if any(result.errors for result in results):
            from flowbuilder.builtin.failures import print_failures  # which loads what shows tracebacks

            print_failures(terminal, results, self._plans, is_bounded=self._level < VERBOSE)
        try:
            return (yield)
        finally:
            print_ending(terminal, results, self._level)


def _named(name: str, plugin: object) -> str:
    """Return the name and version of a plugin, and nothing for a built-in one."""
    module = getattr(plugin, "__name__", type(plugin).__module__)
    if module.startswith("flowbuilder.builtin."):
        return ""
    version = getattr(plugin, "__version__", "")
    return f"{type(plugin).__name__ if name.isdecimal() else name} {version}".rstrip()


def _remarks(result: StepResult[Any], is_verbose: bool) -> str:
    """Return what is remarkable about a success."""
    parts = [counted(len(result.items), "item")] if result.items is not None else []
    if result.inner.total:
        parts.append(f"{counted(result.inner.total, 'call')} inside")
    if result.rounds:
        parts.append(counted(result.rounds, "round"))
    elif result.attempts > 1:
        parts.append(f"attempt {result.attempts}")
    if result.cache is not None and result.cache.is_hit:
        parts.append(f"from cache: {result.cache.reason}" if is_verbose else "from cache")
    elif result.cache is not None and is_verbose:
        parts.append(f"not from cache: {result.cache.reason}")
    if result.error is not None:
        parts.append(f"rescued from {reason_of(result.error)}")
    return ", ".join(parts)
