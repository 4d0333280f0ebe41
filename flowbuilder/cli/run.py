"""``flowbuilder run``: collect, select, plan and run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import click

from flowbuilder.cli.boundary import FAILED, INTERNAL, INTERRUPTED, SUCCESS
from flowbuilder.cli.commands import COMMANDS
from flowbuilder.cli.options import collecting, limiting
from flowbuilder.cli.selection import refuse_several
from flowbuilder.cli.work import Work, working
from flowbuilder.declare.config import ParallelConfig
from flowbuilder.plan.plan import Plan
from flowbuilder.results import RunResult, Status
from flowbuilder.runner import run_planned

Results = list[RunResult[Any]]


@click.command("run", params=[*collecting(), *limiting()], short_help=COMMANDS["run"])
@click.pass_context
def command(context: click.Context, **options: Any) -> int:
    """Collect flow files and run the workflows in them.

    PATH is a flow file or a folder; NAME a workflow, or a step, which runs with its upstream.
    Without a PATH the one workflow below the current folder runs; where there are several, say
    which, or --all.
    """
    with working(context) as work:
        workflows = work.select()
        if not (work.names_something or options["all"]):
            refuse_several(workflows)
        plans = work.plan(workflows)
        results: Results = []
        try:
            interrupted = run_all(plans, work, results)
        finally:
            work.settings.plugins.hook.flowbuilder_summary(terminal=work.settings.terminal, results=results)
    return exit_code(results, interrupted=interrupted, strict=options["strict_plugins"])


def run_all(plans: Sequence[Plan], work: Work, results: Results) -> bool:
    """Run the plans one after another, filling ``results``; return whether a signal interrupted them."""
    options = work.settings.options
    for number, plan in enumerate(plans):
        config = _config(plan, work, failed=sum(one.failed_count for one in results))
        if config is None:
            left = ", ".join(one.name for one in plans[number:])
            work.settings.terminal.print(f"stopped by a failure; not run: {left}")
            return False
        result, interrupted = run_planned(plan, work.settings.plugins, config=config, backend=options["backend"])
        results.append(result)
        if interrupted:
            return True
    return False


def _config(plan: Plan, work: Work, *, failed: int) -> ParallelConfig | None:
    """Return the limits of a run: the command line's over the workflow's own over pyproject.toml's.

    None when so many steps have ``failed`` in the runs before that nothing more should start.
    """
    options = work.settings.options
    typed = {name: value for name, value in options.items() if name in work.typed}
    standing = {name: value for name, value in options.items() if name not in work.typed}
    config = limits(typed).over((plan.workflow.config or ParallelConfig()).over(limits(standing)))
    most = 1 if options["fail_fast"] else options["maxfail"]
    if most is None:
        return config
    return replace(config, max_failures=most - failed) if failed < most else None


def limits(options: Mapping[str, Any]) -> ParallelConfig:
    """Return the limits that options ask for."""
    return ParallelConfig(
        max_concurrency=options.get("max_concurrency"),
        step_timeout=options.get("step_timeout"),
        fail_fast=options.get("fail_fast", False),
        batch_size=options.get("batch_size"),
        schedule=options.get("schedule") or "eager",
    )


def exit_code(results: Results, *, interrupted: bool, strict: bool) -> int:
    """Return the exit code of runs that have ended."""
    statuses = {result.status for result in results}
    if interrupted or Status.CANCELLED in statuses:
        return INTERRUPTED
    if Status.FAILED in statuses:
        return FAILED
    if strict and any(result.plugin_failures for result in results):
        return INTERNAL
    return SUCCESS
