"""``flowbuilder cache``: look at what steps with ``cache=`` returned, and forget it."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import Any

import click

from flowbuilder.cli.catalog import COMMANDS
from flowbuilder.cli.keeping import kept
from flowbuilder.cli.options import Count, plugin_option, store_option
from flowbuilder.cli.output import put
from flowbuilder.errors import SettingsError, UnknownNameError, shown
from flowbuilder.store.contract import Store
from flowbuilder.store.rows import CacheRow

DAY = 86_400


@click.command(
    "cache",
    params=[
        click.Argument(["action"], type=click.Choice(["list", "clear"]), default="list"),
        click.Argument(["steps"], nargs=-1, metavar="[STEP]..."),
        click.Option(["--older-than"], type=Count(), metavar="DAYS", help="What was made longer ago."),
        click.Option(["--all", "everything"], is_flag=True, help="With clear: all of it."),
        click.Option(["--json", "as_json"], is_flag=True, help="With list: as JSON."),
        store_option(),
        plugin_option(),
    ],
    short_help=COMMANDS["cache"],
)
@click.pass_context
def command(
    context: click.Context,
    /,
    *,
    action: str,
    steps: tuple[str, ...],
    older_than: int | None,
    everything: bool,
    as_json: bool,
    **rest: Any,
) -> None:
    """List or forget what steps with cache= returned; none of it is loaded.

    STEP is the name of a step; without one all are meant. What is forgotten is made anew when it is next asked for.
    """
    if action == "clear" and not (steps or older_than or everything):
        raise SettingsError("cache clear has to be told what", hint="name steps, or give --older-than DAYS or --all")
    with kept(context, is_read=True) as store:
        rows = _chosen(store, steps, older_than)
        if action == "clear":
            count = store.clear_cache([row.key for row in rows])
            put(f"{count:,} result{'s' * (count != 1)} forgotten")
        else:
            put(json.dumps([_data(row) for row in rows], indent=2) if as_json else _table(rows))


def _chosen(store: Store, steps: tuple[str, ...], days: int | None) -> list[CacheRow]:
    rows = store.cache_rows()
    known = dict.fromkeys(row.step for row in rows)
    for name in steps:
        if name not in known:
            raise UnknownNameError("step with a stored result", name, known)
    before = time.time() - days * DAY if days else float("inf")
    return [row for row in rows if row.made_at < before and (not steps or row.step in steps)]


def _data(row: CacheRow) -> dict[str, Any]:
    return {
        "key": row.key,
        "step": row.step,
        "run_id": row.run_id,
        "made_at": row.made_at,
        "duration": row.duration,
        "inputs": dict(row.inputs),
        "version": row.version or None,
    }


def _table(rows: list[CacheRow]) -> str:
    if not rows:
        return "nothing is cached"
    width = max(len(shown(row.step)) for row in rows)
    return "\n".join(
        f"{_when(row)}  {shown(row.step):{width}}  {row.duration:8.2f} s  run {row.run_id}" for row in rows
    )


def _when(row: CacheRow) -> str:
    return f"{datetime.fromtimestamp(row.made_at).astimezone():%Y-%m-%d %H:%M}"
