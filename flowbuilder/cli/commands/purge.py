"""``flowbuilder purge``: forget runs."""

from __future__ import annotations

import time
from typing import Any

import click

from flowbuilder.cli.catalog import COMMANDS
from flowbuilder.cli.keeping import kept
from flowbuilder.cli.options import Count, plugin_option, store_option
from flowbuilder.cli.output import put
from flowbuilder.errors import SettingsError
from flowbuilder.store.contract import Store
from flowbuilder.store.named import run_named
from flowbuilder.store.rows import RUNNING, RunQuery

DAY = 86_400


@click.command(
    "purge",
    params=[
        click.Argument(["runs"], nargs=-1, metavar="[RUN]..."),
        click.Option(["--older-than"], type=Count(), metavar="DAYS", help="Runs that began longer ago."),
        click.Option(["--all", "everything"], is_flag=True, help="All runs."),
        store_option(),
        plugin_option(),
    ],
    short_help=COMMANDS["purge"],
)
@click.pass_context
def command(
    context: click.Context, /, *, runs: tuple[str, ...], older_than: int | None, everything: bool, **rest: Any
) -> None:
    """Forget runs, and delete what was kept of them; those that are running stay."""
    if not (runs or older_than or everything):
        raise SettingsError("purge has to be told which runs", hint="name them, or give --older-than DAYS or --all")
    with kept(context, is_read=True) as store:
        chosen = _chosen(store, runs, older_than)
        count = store.purge(chosen)
    put(
        f"{count:,} run{'s' * (count != 1)} forgotten"
        + (f"; {len(chosen) - count} still run" if len(chosen) > count else "")
    )


def _chosen(store: Store, names: tuple[str, ...], days: int | None) -> list[str]:
    if not names:
        before = time.time() - days * DAY if days else float("inf")
        return [row.run_id for row in store.runs(RunQuery()) if row.started_at < before and row.status != RUNNING]
    return [run_named(store, name).run_id for name in names]
