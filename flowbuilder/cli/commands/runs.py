"""``flowbuilder runs``: the history."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import Any

import click

from flowbuilder.cli.catalog import COMMANDS
from flowbuilder.cli.history import counts_of, duration_of, run_as_data
from flowbuilder.cli.keeping import kept
from flowbuilder.cli.options import Count, plugin_option, store_option
from flowbuilder.cli.output import put
from flowbuilder.errors import NothingToDoError, shown
from flowbuilder.store.rows import INTERRUPTED, RUNNING, RunQuery, RunRow

STATUSES = (RUNNING, INTERRUPTED, "success", "failed", "timed_out", "cancelled", "skipped")
USUALLY = 30


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


def _lines(rows: list[RunRow] | Any) -> list[str]:
    cells = [
        (
            row.run_id,
            _when(row.started_at),
            shown(row.workflow, 40),
            row.status,
            duration_of(row.duration),
            counts_of(row),
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    return ["  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
