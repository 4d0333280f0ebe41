"""``flowbuilder doctor``: whether the run store is sound."""

from __future__ import annotations

from collections import Counter
from typing import Any

import click

from flowbuilder.cli.catalog import COMMANDS
from flowbuilder.cli.history import in_words
from flowbuilder.cli.keeping import kept, store_place
from flowbuilder.cli.options import plugin_option, store_option
from flowbuilder.cli.output import put
from flowbuilder.errors import StoreError, listed, shown
from flowbuilder.store.rows import INTERRUPTED, RunQuery


@click.command("doctor", params=[store_option(), plugin_option()], short_help=COMMANDS["doctor"])
@click.pass_context
def command(context: click.Context, /, **rest: Any) -> None:
    """Check the run store: whether its file is whole, how many runs are in it, and which can go on."""
    place = store_place(context)
    with kept(context, is_read=True) as store:
        problems = store.problems()
        rows = store.runs(RunQuery())
    if problems:
        raise StoreError(
            "the run store is damaged",
            where=shown(place, 500),
            got=listed(problems, 5),
            hint="move it away; a new one is made",
        )
    put(f"{shown(place, 500)}: no damage found")
    put(f"{len(rows):,} run{'s' * (len(rows) != 1)}: {in_words(Counter(row.status for row in rows)) or 'none'}")
    interrupted = [row.run_id for row in rows if row.status == INTERRUPTED]
    if interrupted:
        put(f"can go on: flowbuilder resume {' '.join(interrupted[:5])}")
