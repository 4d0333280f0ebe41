"""Early: what must be known of a command line before its options are, since plugins add some."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from flowbuilder.cli.catalog import COLLECTING, COMMANDS
from flowbuilder.cli.options import collecting, keeping, limiting, plugin_option


@dataclass(frozen=True, slots=True, kw_only=True)
class Early:
    """The values of ``-p`` in order, and the paths that exist."""

    plugins: tuple[str, ...]
    paths: tuple[Path, ...]


def read_early(arguments: Sequence[str]) -> Early:
    """Return what a command line says of plugins and paths; a wrong one is left to the real parser."""
    outer = _parsed([plugin_option(), click.Argument(["rest"], nargs=-1)], arguments, interspersed=False)
    name, *rest = outer["rest"] or ("",)
    if name not in COMMANDS:
        return Early(plugins=outer["plugins"], paths=())
    inner = _parsed([*collecting(), *limiting(), *keeping()], rest)
    if name not in COLLECTING:
        return Early(plugins=(*outer["plugins"], *inner["plugins"]), paths=())
    paths = [Path(text.partition("::")[0]) for text in inner["paths"] if text and "\0" not in text]
    return Early(plugins=(*outer["plugins"], *inner["plugins"]), paths=tuple(path for path in paths if _exists(path)))


def _parsed(params: list[click.Parameter], arguments: Sequence[str], *, interspersed: bool = True) -> dict[str, Any]:
    command = click.Command("early", params=params, add_help_option=False)
    context = command.make_context(
        "early",
        list(arguments),
        resilient_parsing=True,
        ignore_unknown_options=True,
        allow_extra_args=True,
        allow_interspersed_args=interspersed,
    )
    return {name: value or () for name, value in context.params.items()}


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # such as a name too long for the file system
        return False
