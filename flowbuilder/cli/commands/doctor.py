"""``flowbuilder doctor``: whether the run store is sound, and what can be saved where it is not."""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path
from typing import Any

import click

from flowbuilder.cli.catalog import COMMANDS
from flowbuilder.cli.history import in_words
from flowbuilder.cli.keeping import is_nothing_kept, kept, store_place
from flowbuilder.cli.options import plugin_option, store_option
from flowbuilder.cli.output import put
from flowbuilder.durable.keeping import ENDED
from flowbuilder.errors import NothingToDoError, SettingsError, StoreError, listed, shown
from flowbuilder.store.rows import RunQuery

NAMED = 5
SALVAGE = "flowbuilder doctor --salvage NEW saves what can be read into a new store"


@click.command(
    "doctor",
    params=[
        click.Option(["--salvage"], metavar="NEW", help="Save what can be read into this file, a new store."),
        store_option(),
        plugin_option(),
    ],
    short_help=COMMANDS["doctor"],
)
@click.pass_context
def command(context: click.Context, /, *, salvage: str | None, **rest: Any) -> None:
    """Check the run store: whether its file is whole, how many runs are in it, and which can go on.

    Of a damaged one --salvage saves what can be read into a new one, and leaves it as it is.
    """
    place = store_place(context)
    if salvage is not None:
        _save(context, place, Path(salvage))
        return
    try:
        with kept(context, is_read=True) as store:
            problems = store.problems()
            rows = store.runs(RunQuery())
    except StoreError as error:
        # The usual hint is to ask this very command.
        error.hint = SALVAGE if "doctor" in error.hint else error.hint
        raise
    if problems:
        raise StoreError("the run store is damaged", where=shown(place, 500), got=listed(problems, 5), hint=SALVAGE)
    put(f"{shown(place, 500)}: no damage found")
    put(f"{len(rows):,} run{'s' * (len(rows) != 1)}: {in_words(Counter(row.status for row in rows)) or 'none'}")
    unfinished = [row.run_id for row in rows if row.status not in ENDED and row.source]
    if unfinished:
        put(f"can go on with flowbuilder resume RUN: {listed(unfinished, NAMED)}")


def _save(context: click.Context, place: str, new: Path) -> None:
    """Save what can be read of the store at ``place``, and say how much that is."""
    if "://" in place:
        raise SettingsError("--salvage is for a store that is a file", got=shown(place, 500))
    if is_nothing_kept(context):
        raise NothingToDoError("no run was kept yet", where=shown(place, 500))
    from flowbuilder.store.salvage import salvage  # which few ever need

    found = salvage(Path(place).absolute(), new.absolute())
    put(f"saved in {shown(new, 500)}")
    width = max(map(len, found.counts))
    for name, (saved, lost) in found.counts.items():
        put(f"  {name:<{width}}  {saved:,} saved, {'nobody knows how many' if lost is None else f'{lost:,}'} lost")
    if found.is_guessed:
        put("the first page could not be read: where the tables are was taken from a new store")
    put(f"look at it: flowbuilder runs --store {shlex.quote(shown(new, 500))}")
