"""``flowbuilder runs``: the history."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click

from flowbuilder.builtin.wording import within
from flowbuilder.cli.catalog import COMMANDS
from flowbuilder.cli.history import counts_of, duration_of, run_as_data
from flowbuilder.cli.keeping import kept
from flowbuilder.cli.options import Count, plugin_option, store_option
from flowbuilder.cli.output import folded, put
from flowbuilder.errors import NothingToDoError, did_you_mean, listed, shown, shown_value
from flowbuilder.store.contract import Store
from flowbuilder.store.rows import INTERRUPTED, RUNNING, RunQuery, RunRow
from flowbuilder.terminal import Terminal, columns, padded

STATUSES = (RUNNING, INTERRUPTED, "success", "failed", "timed_out", "cancelled", "skipped")
USUALLY = 30
NAME = 2
SHORTEST = 12
BETWEEN = 2
BELOW = 14  # under the time of its start


class Time(click.DateTime):
    """A day, or a time of one."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the time as a ``datetime``."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is no time, such as 2026-11-25 or 2026-11-25T09:30", param, ctx)


@click.command(
    "runs",
    params=[
        click.Option(["--workflow"], metavar="NAME", help="Runs of this workflow."),
        click.Option(["--status"], type=click.Choice(STATUSES), help="Runs that ended so."),
        click.Option(
            ["--since"], type=Time(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]),
            metavar="TIME", help="Runs that began since then: 2026-01-31 or 2026-01-31T09:30.",
        ),
        click.Option(["-n", "--limit"], type=Count(), metavar="N", default=USUALLY, help="So many of them."),
        click.Option(["--json", "as_json"], is_flag=True, help="As one JSON document."),
        store_option(),
        plugin_option(),
    ],
    short_help=COMMANDS["runs"],
)  # fmt: skip
@click.pass_context
def command(
    context: click.Context,
    /,
    *,
    workflow: str | None,
    status: str | None,
    since: datetime | None,
    limit: int,
    **rest: Any,
) -> None:
    """List the runs that were kept, the newest first.

    A run whose process died is "interrupted": the operating system says so, whenever it is asked.
    """
    query = RunQuery(workflow=workflow, status=status, since=since.timestamp() if since else None, limit=limit)
    with kept(context, is_read=True) as store:
        rows = store.runs(query)
        if not rows and workflow is not None and not rest["as_json"]:
            _refuse_unknown(workflow, store)
    if rest["as_json"]:
        put(json.dumps([run_as_data(row) for row in rows], indent=2))
    elif not rows:
        raise NothingToDoError("no run that was kept is like that")
    else:
        put("\n".join(_lines(rows)))


def _refuse_unknown(workflow: str, store: Store) -> None:
    """Refuse the name of a workflow of which no run was kept.

    Raises:
        NothingToDoError: naming those there are.
    """
    names = list(dict.fromkeys(row.workflow for row in store.runs(RunQuery())))
    if workflow not in names:
        raise NothingToDoError(
            f"no run of a workflow named {shown_value(workflow)} was kept",
            allowed=listed(names),
            hint=did_you_mean(workflow, names),
        )


def _lines(rows: Sequence[RunRow]) -> list[str]:
    terminal = Terminal()
    cells = [
        (row.run_id, _when(row.started_at), shown(row.workflow), row.status, duration_of(row.duration)) for row in rows
    ]
    widths = [max(columns(line[column]) for line in cells) for column in range(len(cells[0]))]
    if terminal.is_terminal:
        others = sum(widths) - widths[NAME] + BETWEEN * len(widths)
        widths[NAME] = min(widths[NAME], max(terminal.width - others, SHORTEST))
    return [_line(line, widths, counts_of(row), terminal) for line, row in zip(cells, rows, strict=True)]


def _line(cells: Sequence[str], widths: Sequence[int], counts: str, terminal: Terminal) -> str:
    """Return the line of a run, with the counts on the next one where they do not fit."""
    fitting = [within(cell, width) for cell, width in zip(cells, widths, strict=True)]
    front = "".join(padded(cell, width + BETWEEN) for cell, width in zip(fitting, widths, strict=True))
    if terminal.is_terminal and columns(front + counts) > terminal.width:
        return f"{front.rstrip()}\n{folded(' ' * BELOW + counts, terminal, BELOW)}"
    return (front + counts).rstrip()


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
