"""``flowbuilder run``: collect, select, plan and run."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import anyio
import click

from flowbuilder.cli.boundary import FAILED, INTERNAL, INTERRUPTED, SUCCESS, USAGE
from flowbuilder.cli.catalog import COMMANDS
from flowbuilder.cli.keeping import how_to_go_on, kept, lasting_options, print_how_to_go_on, source_of
from flowbuilder.cli.options import collecting, keeping, limiting
from flowbuilder.cli.output import say
from flowbuilder.cli.scheduling import config_of, make_scheduler
from flowbuilder.cli.selection import refuse_several
from flowbuilder.cli.session import Session, session
from flowbuilder.declare.config import ParallelConfig
from flowbuilder.durable.keeping import Origin
from flowbuilder.engine.execute import Stop
from flowbuilder.errors import SettingsError, error_line, listed
from flowbuilder.plan.plan import Plan
from flowbuilder.results import FAILURES, RunResult, Status
from flowbuilder.scheduler import WorkflowScheduler
from flowbuilder.signals import stopped_by_signals
from flowbuilder.store.contract import Store
from flowbuilder.terminal import Terminal

Results = list[RunResult[Any]]
Wanted = tuple[Plan, Origin]
Begun = Callable[[Sequence[str]], None]


@click.command("run", params=[*collecting(), *limiting(), *keeping()], short_help=COMMANDS["run"])
@click.pass_context
def command(context: click.Context, /, **options: Any) -> int:
    """Collect flow files and run the workflows in them.

    PATH is a flow file or a folder; NAME a workflow, or a step, which runs with its upstream.
    Without a PATH the one workflow below the current folder runs; where there are several, say
    which, or --all. Several run at once, within limits and resources that they share.
    """
    with session(context) as work:
        _refuse_contradictions(work)
        refuse_absent(options["backend"])
        workflows = work.select()
        if not (work.names_something or options["all"]):
            refuse_several(workflows)
        plans = work.plan(workflows)
        lasting, root = lasting_options(work), work.settings.root
        wanted = [(plan, Origin(source=source_of(plan.workflow, root), options=lasting)) for plan in plans]
        with nullcontext() if options["no_store"] and "store" not in work.typed else kept(context) as store:
            return run_and_report(wanted, work, store, is_strict=options["strict_plugins"])


def run_and_report(wanted: Sequence[Wanted], work: Session, store: Store | None, *, is_strict: bool) -> int:
    """Run plans, print the summary and how to go on, and return the exit code."""
    results: Results = []
    try:
        is_interrupted = run_all(wanted, work, results, store)
    finally:
        work.settings.plugins.hook.flowbuilder_summary(terminal=work.settings.terminal, results=results)
        if store is not None:
            print_how_to_go_on(results, work)
    code = exit_code(results, is_interrupted=is_interrupted, is_strict=is_strict)
    return code or _code_of_output(work.settings.terminal)


def _code_of_output(terminal: Terminal) -> int:
    """Return the exit code for a report that could not be written; a reader who has gone away had enough of it."""
    error = terminal.error
    if error is None or isinstance(error, BrokenPipeError):
        return SUCCESS
    say(f"error: the report cannot be written: {error_line(error)}")
    return USAGE


def _refuse_contradictions(work: Session) -> None:
    options = work.settings.options
    if work.typed >= {"fail_fast", "maxfail"} and options["maxfail"] != 1:
        raise _contradiction("-x", f"--maxfail {options['maxfail']}")
    if work.typed >= {"schedule", "batch_size"} and options["schedule"] == "eager":
        raise _contradiction("--schedule eager", f"--batch-size {options['batch_size']}")


def _contradiction(one: str, other: str) -> SettingsError:
    return SettingsError(f"{one} and {other} contradict each other", hint="give one of them")


def refuse_absent(backend: str) -> None:
    """Refuse a back end that is not installed.

    Raises:
        SettingsError: naming the package.
    """
    if importlib.util.find_spec(backend) is None:
        raise SettingsError(
            f"--backend {backend} needs the package {backend}, which is not installed", hint=f"pip install {backend}"
        )


def run_all(wanted: Sequence[Wanted], work: Session, results: Results, store: Store | None = None) -> bool:
    """Run plans within limits that they share, adding to ``results`` in their order; a ``store`` keeps them.

    Returns:
        Whether a signal interrupted them; the first one cancels them all, the second ends the process.
    """
    scheduler, stop = make_scheduler([plan for plan, _ in wanted], work, store), Stop()
    configs = [config_of(plan, work) for plan, _ in wanted]
    begun = _noted(work) if store is not None else lambda run_ids: None
    see_through = partial(_see_through, scheduler, list(zip(wanted, configs, strict=True)), stop, results, begun)
    with stopped_by_signals(stop, work.settings.terminal):
        anyio.run(see_through, backend=work.settings.options["backend"])
    _say_not_run("interrupted" if stop.reason else "stopped by a failure", results, work)
    _say_what_was_found(scheduler, work)
    return bool(stop.reason)


def _noted(work: Session) -> Begun:
    """Return what lets the parent of this process know how to go on, should it die."""
    return lambda run_ids: work.setup.watched.may_go_on(how_to_go_on(run_ids, work))


async def _see_through(
    scheduler: WorkflowScheduler,
    wanted: Sequence[tuple[Wanted, ParallelConfig]],
    stop: Stop,
    results: Results,
    begun: Begun,
) -> None:
    async with scheduler:
        handles = [scheduler.submit_plan(plan, config, origin=origin) for (plan, origin), config in wanted]
        begun([handle.run_id for handle in handles])
        stop.told = scheduler.cancel
        if stop.reason:
            scheduler.cancel(stop.reason)
        try:
            for handle in handles:
                results.append(await handle.wait())
        finally:
            stop.told = lambda reason: None  # all have ended, and a scheduler that is being left refuses


def _say_not_run(why: str, results: Results, work: Session) -> None:
    """Name the workflows of which no step started."""
    cancelled = [one for one in results if one.status is Status.CANCELLED]
    idle = [one.workflow for one in cancelled if all(step.started_at is None for step in one.steps.values())]
    if idle and len(results) > 1:
        work.settings.terminal.print(f"{why}; not run: {listed(idle)}", style="yellow")


def _say_what_was_found(scheduler: WorkflowScheduler, work: Session) -> None:
    """Say what ``max_concurrency="auto"`` came to."""
    if scheduler.is_adaptive and not work.settings.options["quiet"]:
        found = scheduler.stats().max_concurrency
        work.settings.terminal.print(f"-n auto came to {found} at once", style="dim")


def exit_code(results: Results, *, is_interrupted: bool, is_strict: bool) -> int:
    """Return the exit code of runs that have ended; a failed plugin never hides a failed step.

    Without a signal a run is cancelled only because of failures, its own or those of others.
    """
    statuses = {result.status for result in results}
    if is_interrupted:
        return INTERRUPTED
    if statuses & {*FAILURES, Status.CANCELLED}:
        return FAILED
    if is_strict and any(result.plugin_failures for result in results):
        return INTERNAL
    return SUCCESS
