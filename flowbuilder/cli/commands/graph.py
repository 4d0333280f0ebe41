"""``flowbuilder graph``: a picture of a workflow."""

from __future__ import annotations

from typing import Any

import click

from flowbuilder.cli.catalog import COMMANDS
from flowbuilder.cli.options import collecting
from flowbuilder.cli.output import put
from flowbuilder.cli.session import session
from flowbuilder.cli.tree import tree
from flowbuilder.errors import SettingsError, listed
from flowbuilder.plan.plan import Plan

FORMATS = {"text": tree, "mermaid": Plan.to_mermaid, "dot": Plan.to_dot}
OF_ONE = ("mermaid",)  # what reads it takes one picture a file


def _params() -> list[click.Parameter]:
    formats = click.Choice(list(FORMATS))
    return [
        *collecting(),
        click.Option(["--format"], type=formats, default="text", show_default=True, help="What to draw for."),
    ]


@click.command("graph", params=_params(), short_help=COMMANDS["graph"])
@click.pass_context
def command(context: click.Context, /, **options: Any) -> None:
    """Draw workflows: as trees of text, or one for Mermaid, or for Graphviz (dot)."""
    form = options["format"]
    with session(context) as work:
        workflows = work.select()
        if form in OF_ONE and len(workflows) > 1:
            raise SettingsError(
                f"--format {form} draws one workflow, and there are {len(workflows)}",
                got=listed(one.name for one in workflows),
                hint="name PATH::NAME, or choose with -k or -m",
            )
        text = "\n".join(FORMATS[form](plan) for plan in work.plan(workflows, lenient=True))
    put(text)
