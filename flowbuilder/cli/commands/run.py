"""``flowbuilder run``: collect, select, plan and run."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import click

from flowbuilder.cli.boundary import FAILED, INTERNAL, INTERRUPTED, SUCCESS
from flowbuilder.cli.catalog import COMMANDS
from flowbuilder.cli.options import collecting, limiting
from flowbuilder.cli.selection import refuse_several
from flowbuilder.cli.session import Session, session
from flowbuilder.declare.config import ParallelConfig
from flowbuilder.errors import SettingsError, listed
from flowbuilder.plan.plan import Plan
from flowbuilder.results import RunResult, Status
from flowbuilder.runner import run_planned

Results = list[RunResult[Any]]


@click.command("run", params=[*collecting(), *limiting()], short_help=COMMANDS["run"])
@click.pass_context
def command(context: click.Context, /, **options: Any) -> int:
    """Collect flow files and run the workflows in them.

    PATH is a flow file or a folder; NAME a workflow, or a step, which runs with its upstream.
    Without a PATH the one workflow below the current folder runs; where there are several, say
    which, or --all.
    """
    with session(context) as work:
        _refuse_contradictions(work)
        _refuse_absent(options["backend"])
        workflows = work.select()
        if not (work.names_something or options["all"]):
            refuse_several(workflows)
        plans = work.plan(workflows)
        results: Results = []
        try:
            is_interrupted = run_all(plans, work, results)
        finally:
            work.settings.plugins.hook.flowbuilder_summary(terminal=work.settings.terminal, results=results)
    return exit_code(results, is_interrupted=is_interrupted, is_strict=options["strict_plugins"])


def _refuse_contradictions(work: Session) -> None:
    options = work.settings.options
    if work.typed >= {"fail_fast", "maxfail"} and options["maxfail"] != 1:
        raise _contradiction("-x", f"--maxfail {options['maxfail']}")
    if work.typed >= {"schedule", "batch_size"} and options["schedule"] == "eager":
        raise _contradiction("--schedule eager", f"--batch-size {options['batch_size']}")


def _contradiction(one: str, other: str) -> SettingsError:
    return SettingsError(f"{one} and {other} contradict each other", hint="give one of them")


def _refuse_absent(backend: str) -> None:
    if importlib.util.find_spec(backend) is None:
        raise SettingsError(
            f"--backend {backend} needs the package {backend}, which is not installed", hint=f"pip install {backend}"
        )


def run_all(plans: Sequence[Plan], work: Session, results: Results) -> bool:
    """Run plans one after another, adding to ``results``; return whether a signal interrupted them."""
    for number, plan in enumerate(plans):
        config = limits_of(plan, work, failed=sum(one.failed_count for one in results))
        if config is None:
            _say_not_run("stopped by a failure", plans[number:], work)
            return False
        backend = work.settings.options["backend"]
        result, is_interrupted = run_planned(plan, work.settings.plugins, config=config, backend=backend)
        results.append(result)
        if is_interrupted:
            _say_not_run("interrupted", plans[number + 1 :], work)
            return True
    return False


def _say_not_run(why: str, plans: Sequence[Plan], work: Session) -> None:
    if plans:
        work.settings.terminal.print(f"{why}; not run: {listed(plan.name for plan in plans)}", style="yellow")


def limits_of(plan: Plan, work: Session, *, failed: int) -> ParallelConfig | None:
    """Return the limits of a run: the command line's over the workflow's own over those of ``pyproject.toml``.

    None when so many steps have ``failed`` in the runs before that nothing more is to start.
    """
    options = work.settings.options
    is_fast = options["fail_fast"] and "maxfail" not in work.typed
    most = 1 if is_fast else options["maxfail"]
    if most is not None and failed >= most:
        return None
    typed = _limits({name: value for name, value in options.items() if name in work.typed})
    standing = _limits({name: value for name, value in options.items() if name not in work.typed})
    config = typed.over((plan.workflow.config or ParallelConfig()).over(standing))
    return config if most is None else replace(config, max_failures=most - failed)


def _limits(options: Mapping[str, Any]) -> ParallelConfig:
    return ParallelConfig(
        max_concurrency=options.get("max_concurrency"),
        step_timeout=options.get("step_timeout"),
        batch_size=options.get("batch_size"),
        schedule=options.get("schedule") or "eager",
    )


def exit_code(results: Results, *, is_interrupted: bool, is_strict: bool) -> int:
    """Return the exit code of runs that have ended; a failed plugin never hides a failed step."""
    statuses = {result.status for result in results}
    if is_interrupted or Status.CANCELLED in statuses:
        return INTERRUPTED
    if Status.FAILED in statuses:
        return FAILED
    if is_strict and any(result.plugin_failures for result in results):
        return INTERNAL
    return SUCCESS
