"""Overview: the part of the report that names the workflows which are about to run at once."""

from __future__ import annotations

from collections.abc import Sequence

from flowbuilder import Plan, Terminal
from flowbuilder.builtin.wording import amounts_of, counted
from flowbuilder.errors import shown
from flowbuilder.terminal import columns

NAMED = 10


def print_overview(terminal: Terminal, plans: Sequence[Plan]) -> None:
    """Print how many workflows and steps there are, and a line for each of the first workflows.

    Their order is that of their priorities, which is said where they differ.
    """
    steps = counted(sum(len(plan.steps) for plan in plans), "step")
    order = ", by priority" if len({plan.workflow.priority for plan in plans}) > 1 else ""
    terminal.print(f"\n{counted(len(plans), 'workflow')}, {steps}{order}", style="bold")
    for plan in plans[:NAMED]:
        terminal.print(_line(plan, terminal.width))
    if len(plans) > NAMED:
        terminal.print(f"  … and {len(plans) - NAMED:,} more", style="dim")
    terminal.print()


def _line(plan: Plan, width: int) -> str:
    """Return the line of one workflow, with as much about it as fits."""
    workflow = plan.workflow
    facts = [counted(len(plan.steps), "step")]
    facts += [f"priority {workflow.priority}"] if workflow.priority else []
    facts += [f"holds {amounts_of(workflow.resources)}"] if workflow.resources else []
    lines = [f"  {shown(plan.name)}: {', '.join(facts[:count])}" for count in range(len(facts), 0, -1)]
    return next((line for line in lines if columns(line) <= width), lines[-1])
