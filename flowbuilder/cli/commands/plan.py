"""``flowbuilder plan``: what a run would do."""

from __future__ import annotations

from typing import Any

import click

from flowbuilder.cli.catalog import COMMANDS
from flowbuilder.cli.options import collecting
from flowbuilder.cli.output import put
from flowbuilder.cli.session import session


@click.command("plan", params=collecting(), short_help=COMMANDS["plan"])
@click.pass_context
def command(context: click.Context, /, **options: Any) -> None:
    """Show what a run would do: batches, inputs, and where each parameter's value comes from.

    An input without a value is shown as missing.
    """
    with session(context) as work:
        plans = work.plan(work.select(), lenient=True)
        text = "\n".join(plan.explain() for plan in plans)
    put(text)
