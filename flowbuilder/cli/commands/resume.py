"""``flowbuilder resume``: go on with runs that did not succeed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import click

from flowbuilder.cli.catalog import COMMANDS
from flowbuilder.cli.collecting import Collector, Found, target_of
from flowbuilder.cli.commands.run import Wanted, refuse_absent, run_and_report
from flowbuilder.cli.keeping import kept
from flowbuilder.cli.options import giving, keeping, limiting, plugin_option
from flowbuilder.cli.output import folded
from flowbuilder.cli.selection import named_by
from flowbuilder.cli.session import Session, session
from flowbuilder.cli.values import Values
from flowbuilder.declare.definitions import WorkflowDefinition
from flowbuilder.declared import registry
from flowbuilder.durable.keeping import Keeping, params_of
from flowbuilder.durable.resumption import ResumeWords
from flowbuilder.errors import CollectError, RunRefusedError, UnknownNameError, shown, shown_value
from flowbuilder.store.rows import RunRow


def resuming() -> list[click.Parameter]:
    """Return what says how a run goes on."""
    return [
        click.Argument(["runs"], nargs=-1, metavar="[RUN]..."),
        click.Option(
            ["--rerun"], multiple=True, metavar="STEP", help="Do a step again, with all that follows from it."
        ),
        click.Option(
            ["--rerun-lost"], is_flag=True, help="Do steps again of which nobody knows whether they finished."
        ),
        click.Option(
            ["--accept-changes"],
            is_flag=True,
            help="Go on although finished steps were removed or wired anew, or inputs changed that nothing kept has.",
        ),
        click.Option(["--dry-run"], is_flag=True, help="Print what would be kept and what would run, and stop."),
    ]


@click.command(
    "resume",
    params=[
        *resuming(),
        *giving(),
        plugin_option(),
        *(one for one in (*limiting(), *keeping()) if one.name not in ("all", "no_store")),
    ],
    short_help=COMMANDS["resume"],
)
@click.pass_context
def command(context: click.Context, /, **options: Any) -> int:
    """Go on with runs that failed, were interrupted, or whose process died.

    RUN is the id of a run or its beginning; without one it is the last unfinished run. What has succeeded is not
    done again; everything else is, with the inputs and options that the run began with. What is kept
    and what runs, and why, is printed first.
    """
    words = ResumeWords(
        rerun=options["rerun"], rerun_lost=options["rerun_lost"], accept_changes=options["accept_changes"]
    )
    with session(context) as work, kept(context, is_read=True) as store:
        looks = Keeping(store, work.settings.plugins)
        rows = [looks.unfinished(run) for run in options["runs"] or (None,)]
        work = _as_begun(work, rows[0])
        refuse_absent(work.settings.options["backend"])
        wanted = list(_wanted(rows, work, looks, words))
        _print_how_they_go_on(wanted, work)
        if options["dry_run"]:
            return 0
        return run_and_report(wanted, work, store, is_strict=work.settings.options["strict_plugins"])


def _as_begun(work: Session, row: RunRow) -> Session:
    """Return the command with the options that a run began with, below what is typed now."""
    older = {name: value for name, value in row.options.items() if name not in work.typed}
    options: Mapping[str, Any] = MappingProxyType({**work.settings.options, **older})
    return replace(
        work,
        settings=replace(work.settings, options=options),
        typed=work.typed | older.keys(),
        resources=options["resources"] if "resources" in older else work.resources,
    )


def _wanted(rows: Sequence[RunRow], work: Session, looks: Keeping, words: ResumeWords) -> Iterator[Wanted]:
    """Yield each run's plan, and how it goes on."""
    workflows = _workflows(rows, work)
    planner = work.planner()
    for row, workflow in zip(rows, workflows, strict=True):
        values = Values(typed={}, standing={**work.values.standing, **params_of(row), **work.values.typed})
        (plan,) = planner.plan([workflow], values)
        work.values.refuse_unused([plan])
        yield plan, looks.origin_of(row, plan, words)


def _workflows(rows: Sequence[RunRow], work: Session) -> list[WorkflowDefinition]:
    """Return the workflow of each run, collected anew.

    Raises:
        RunRefusedError: for a run that was started from code, or whose file is gone.
    """
    collector, found = Collector(registry, work.settings), []
    for row in rows:
        if not row.source:
            raise RunRefusedError(
                f"the run {row.run_id} of {shown_value(row.workflow)} was started from code",
                hint=f'resume it there: run(…, store=…, resume="{row.run_id}")',
            )
        try:
            target = target_of(str(work.settings.root / row.source))
        except CollectError as error:
            raise RunRefusedError(
                f"the flow file of the run {row.run_id} is gone",
                got=shown(row.source),
                hint="put it back under this name, or begin anew with flowbuilder run",
            ) from error
        found.append(collector.collect(target))
    collector.register_confs()
    work.settings.plugins.hook.flowbuilder_collection_finish(registry=registry)
    return [_meant(each, row) for each, row in zip(found, rows, strict=True)]


def _meant(found: Found, row: RunRow) -> WorkflowDefinition:
    """Return the workflow of a run among those that its source names, which are all of a file where it is no more."""
    named = named_by(found)
    for one in named:
        if found.target.name or one.name == row.workflow:
            return one
    raise UnknownNameError("workflow", row.workflow, [one.name for one in named], shown(row.source))


def _print_how_they_go_on(wanted: Sequence[Wanted], work: Session) -> None:
    if work.settings.options.get("quiet"):
        return
    terminal = work.settings.terminal
    for plan, origin in wanted:
        if origin.row is not None and origin.resumption is not None:
            terminal.print(f"{shown(plan.name)}, run {origin.row.run_id}, {origin.row.status}", style="bold")
            for line in origin.resumption.lines():
                terminal.print(folded(f"  {line}", terminal))
