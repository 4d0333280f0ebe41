"""The options of the built-in commands; each function returns fresh ones, so that plugins may add theirs."""

from __future__ import annotations

import math
from typing import Any

import click

MOST_AT_ONCE = 1024
MOST = 10_000_000


class Concurrency(click.IntRange):
    """A number of steps that run at once."""

    name = "number"

    def __init__(self) -> None:
        super().__init__(1, MOST_AT_ONCE)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a whole number from 1 to 1024."""
        if value == "auto":
            self.fail(f"'auto' is not supported yet; give a number from 1 to {MOST_AT_ONCE}", param, ctx)
        return super().convert(value, param, ctx)


class Seconds(click.types.FloatParamType):
    """A length of time in seconds."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return a finite number of seconds above 0."""
        try:
            seconds = float(value)
        except (TypeError, ValueError):
            seconds = math.nan
        if not 0 < seconds < math.inf:
            self.fail(f"{value!r} is no number of seconds above 0", param, ctx)
        return seconds


def plugin_option() -> click.Option:
    """Return ``-p``; its values are read early, before the other options are known."""
    return click.Option(
        ["-p", "--plugin", "plugins"],
        multiple=True,
        metavar="PLUGIN",
        help="Load a plugin, a module or an installed one; no:NAME leaves one out.",
    )


def collecting() -> list[click.Parameter]:
    """Return what every command takes that collects flow files."""
    return [
        click.Argument(["paths"], nargs=-1, metavar="[PATH[::NAME]]..."),
        click.Option(["-k", "--keyword"], metavar="EXPR", help="Workflows by name: 'sales and not old'."),
        click.Option(["-m", "--tags"], metavar="TAGS", help="Workflows by tag: 'nightly or slow'."),
        click.Option(["-P", "--param"], multiple=True, metavar="NAME=VALUE", help="The value of an input."),
        click.Option(
            ["--params", "params_files"],
            multiple=True,
            metavar="FILE",
            type=click.Path(),
            help="Values of inputs from a .json or .toml file.",
        ),
        plugin_option(),
    ]


def limiting() -> list[click.Parameter]:
    """Return how a run is limited and where it runs."""
    return [
        click.Option(["--all"], is_flag=True, help="Run every workflow that is found."),
        click.Option(
            ["-n", "--max-concurrency"], type=Concurrency(), metavar="N", help="Steps that run at once, 1 to 1024."
        ),
        click.Option(
            ["--step-timeout"],
            type=Seconds(),
            metavar="SECONDS",
            help="Limit for steps without a timeout of their own.",
        ),
        click.Option(
            ["-x", "--fail-fast"], is_flag=True, help="Stop at the first failed step; the same as --maxfail 1."
        ),
        click.Option(
            ["--maxfail"], type=click.IntRange(1, MOST), metavar="N", help="Stop after this many failed steps."
        ),
        click.Option(
            ["--schedule"], type=click.Choice(["eager", "batches"]), help="Start steps at once, or batch by batch."
        ),
        click.Option(
            ["--batch-size"], type=click.IntRange(1, MOST), metavar="N", help="Cut batches; implies --schedule batches."
        ),
        click.Option(
            ["--executor"], metavar="NAME", help="Where plain steps run: thread, process, inline, or a plugin's."
        ),
        click.Option(["--backend"], type=click.Choice(["asyncio", "trio"]), default="asyncio", help="The event loop."),
        click.Option(["--strict-plugins"], is_flag=True, help="Exit with 3 when a plugin failed and nothing else did."),
    ]
