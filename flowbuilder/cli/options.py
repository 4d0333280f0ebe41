"""The options of the built-in commands; each function returns fresh ones, so that plugins may add theirs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

from flowbuilder.declare.validate import MOST_OF_A_RESOURCE, RESOURCE_NAME

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

MOST_AT_ONCE = 1024
MOST = 10_000_000
USUAL_STORE = ".flowbuilder/runs.db"


class Count(click.types.IntParamType):
    """A whole number from 1."""

    also = ""  # what else may be given

    def __init__(self, most: int = MOST) -> None:
        self._most = most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return a whole number from 1 to the most allowed."""
        text = str(value)
        # Digits are counted first: Python refuses to read a number of thousands of them.
        if not text.isdecimal() or len(text) > len(str(self._most)) or not 1 <= int(text) <= self._most:
            self.fail(f"{text!r} is no whole number from 1 to {self._most}{self.also}", param, ctx)
        return int(text)


class AtOnce(Count):
    """How many steps run at once: a whole number from 1, or "auto"."""

    also = ", nor 'auto'"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number, or "auto"."""
        return value if value == "auto" else super().convert(value, param, ctx)


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


class Amount(click.ParamType):  # type: ignore[type-arg]  # older releases of click have it without arguments
    """So much of a named resource: ``db=4``."""

    name = "amount"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        """Return the name and the amount."""
        name, equals, text = str(value).partition("=")
        if not equals or not RESOURCE_NAME.fullmatch(name):
            self.fail(f"{value!r} is no NAME=AMOUNT, such as db=4", param, ctx)
        return name, Count(MOST_OF_A_RESOURCE).convert(text, param, ctx)


def _each_once(context: click.Context, param: click.Parameter, value: Any) -> dict[str, int]:
    """Return amounts by name, and refuse a name that is given twice."""
    found: dict[str, int] = {}
    for name, amount in value or ():
        if name in found:
            raise click.BadParameter(f"{name!r} is given twice; keep one", context, param)
        found[name] = amount
    return found


def _files(context: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell complete file names; ``click.Path`` does too, but raises over a name with a NUL character."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def plugin_option() -> click.Option:
    """Return ``-p``; its values are read early, before the other options are known."""
    return click.Option(
        ["-p", "--plugin", "plugins"],
        multiple=True,
        metavar="PLUGIN",
        help="Load a plugin, a module or an installed one; no:NAME leaves one out.",
    )


def store_option() -> click.Option:
    """Return ``--store``."""
    return click.Option(
        ["--store"],
        metavar="FILE",
        help=f"Where runs are kept; {USUAL_STORE} below the root, or the URL of a plugin's store.",
    )


def keeping() -> list[click.Parameter]:
    """Return how the commands that run keep what they do."""
    return [
        store_option(),
        click.Option(["--no-cache"], is_flag=True, help="Take nothing from the cache; what runs is kept in it anew."),
        click.Option(["--no-store"], is_flag=True, help="Keep no history; such a run cannot be resumed."),
        click.Option(
            ["--durability"],
            type=click.Choice(["full", "normal"]),
            default="full",
            help="What survives: a loss of power, or only the death of the process, which is faster.",
        ),
    ]


def collecting() -> list[click.Parameter]:
    """Return what every command takes that collects flow files."""
    return [
        click.Argument(["paths"], nargs=-1, shell_complete=_files, metavar="[PATH[::NAME]]..."),
        click.Option(["-k", "--keyword"], metavar="EXPR", help="Workflows by name: 'sales and not old'."),
        click.Option(["-m", "--tags"], metavar="TAGS", help="Workflows by tag: 'nightly or slow'."),
        *giving(),
        plugin_option(),
    ]


def giving() -> list[click.Parameter]:
    """Return what gives inputs their values."""
    return [
        click.Option(
            ["-P", "--param"],
            multiple=True,
            metavar="NAME=VALUE",
            help="The value of an input; also FLOWBUILDER_PARAM_NAME.",
        ),
        click.Option(
            ["--params", "params_files"],
            multiple=True,
            metavar="FILE",
            shell_complete=_files,
            help="Values of inputs from a .json or .toml file.",
        ),
    ]


def slots_option() -> click.Option:
    """Return ``-n``."""
    return click.Option(
        ["-n", "--max-concurrency"],
        type=AtOnce(MOST_AT_ONCE),
        metavar="N",
        help="Steps at once, over all workflows, 1 to 1024; auto finds a good number by measuring, 1 to 64.",
    )


def resource_option() -> click.Option:
    """Return ``--resource``."""
    return click.Option(
        ["--resource", "resources"],
        type=Amount(),
        multiple=True,
        callback=_each_once,
        metavar="NAME=AMOUNT",
        help="How much there is of a resource that workflows and steps need.",
    )


def limiting() -> list[click.Parameter]:
    """Return how a run is limited and where it runs."""
    return [
        click.Option(["--all"], is_flag=True, help="Run every workflow that is found."),
        slots_option(),
        resource_option(),
        click.Option(
            ["--policy"],
            metavar="NAME",
            default="priority",
            help="Which waiting step starts first: priority, fifo, fair, shortest, critical-path, or a plugin's.",
        ),
        click.Option(
            ["--step-timeout"],
            type=Seconds(),
            metavar="SECONDS",
            help="Limit for steps without a timeout of their own.",
        ),
        click.Option(
            ["-x", "--fail-fast"],
            is_flag=True,
            help="Stop all workflows at the first failed step; as --maxfail 1.",
        ),
        click.Option(["--maxfail"], type=Count(), metavar="N", help="Stop all workflows after this many failed steps."),
        click.Option(
            ["--schedule"], type=click.Choice(["eager", "batches"]), help="Start steps at once, or batch by batch."
        ),
        click.Option(["--batch-size"], type=Count(), metavar="N", help="Cut batches; implies --schedule batches."),
        click.Option(
            ["--executor"], metavar="NAME", help="Where plain steps run: thread, process, inline, or a plugin's."
        ),
        click.Option(["--backend"], type=click.Choice(["asyncio", "trio"]), default="asyncio", help="The event loop."),
        click.Option(["--strict-plugins"], is_flag=True, help="Exit with 3 when a plugin failed and nothing else did."),
    ]
