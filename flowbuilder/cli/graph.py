"""``flowbuilder graph``: a picture of a workflow."""

from __future__ import annotations

from typing import Any

import click

from flowbuilder.cli.commands import COMMANDS
from flowbuilder.cli.options import collecting
from flowbuilder.cli.tree import tree
from flowbuilder.cli.work import working
from flowbuilder.plan.plan import Plan

FORMATS = {"text": tree, "mermaid": Plan.to_mermaid, "dot": Plan.to_dot}


def _params() -> list[click.Parameter]:
    formats = click.Option(
        ["--format"], type=click.Choice(list(FORMATS)), default="text", show_default=True, help="How to draw it."
    )
    return [*collecting(), formats]


@click.command("graph", params=_params(), short_help=COMMANDS["graph"])
@click.pass_context
def command(context: click.Context, **options: Any) -> None:
    """Draw a workflow as a tree, or for Mermaid or Graphviz."""
    with working(context) as work:
        plans = work.plan(work.select(), lenient=True)
        draw = FORMATS[options["format"]]
        work.settings.terminal.print("\n".join(draw(plan) for plan in plans).rstrip())
