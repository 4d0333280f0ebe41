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
from flowbuilder.errors import NothingToDoError, shown
from flowbuilder.store.rows import INTERRUPTED, RUNNING, RunQuery, RunRow
from flowbuilder.terminal import Terminal, columns, padded

STATUSES = (RUNNING, INTERRUPTED, "success", "failed", "timed_out", "cancelled", "skipped")
USUALLY = 30
NAME = 2
WIDEST, SHORTEST = 40, 12
BETWEEN = 2
BELOW = 14  # under the time of its start


@click.command(
    "runs",
    params=[
        click.Option(["--workflow"], metavar="NAME", help="Runs of this workflow."),
        click.Option(["--status"], type=click.Choice(STATUSES), help="Runs that ended so."),
        click.Option(
            ["--since"], type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]),
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
    if rest["as_json"]:
        put(json.dumps([run_as_data(row) for row in rows], indent=2))
    elif not rows:
        raise NothingToDoError("no run that was kept is like that")
    else:
        put("\n".join(_lines(rows)))


def _lines(rows: Sequence[RunRow]) -> list[str]:
    terminal = Terminal()
    cells = [
        (row.run_id, _when(row.started_at), shown(row.workflow, WIDEST), row.status, duration_of(row.duration))
        for row in rows
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
