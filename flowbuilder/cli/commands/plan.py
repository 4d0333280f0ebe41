"""``flowbuilder plan``: what a run would do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import click

from flowbuilder.cli.catalog import COMMANDS
from flowbuilder.cli.keeping import is_nothing_kept, kept
from flowbuilder.cli.options import collecting, resource_option, store_option
from flowbuilder.cli.output import put
from flowbuilder.cli.scheduling import resources_of
from flowbuilder.cli.session import session
from flowbuilder.errors import shown
from flowbuilder.plan.plan import Plan
from flowbuilder.store.contract import Store


@click.command("plan", params=[*collecting(), resource_option(), store_option()], short_help=COMMANDS["plan"])
@click.pass_context
def command(context: click.Context, /, **options: Any) -> None:
    """Show what a run would do: batches, inputs, and where each parameter's value comes from.

    Several workflows are in the order of their priorities. An input without a value is shown as
    missing, and so is a resource of which nothing says how much there is.
    """
    with session(context) as work:
        plans = work.plan(work.select(), lenient=True)
        known = dict(_cached(plans, context))
        explained = (plan.explain() + known.get(plan.name, "") for plan in plans)
        parts = [*_order(plans), *explained, *_resources(plans, resources_of(plans, work))]
    put("\n".join(parts))


def _cached(plans: Sequence[Plan], context: click.Context) -> Iterator[tuple[str, str]]:
    """Yield of each workflow that has steps with cache= what is known of their results; none of them is loaded."""
    if not any(plan.shape.cached for plan in plans):
        return
    from flowbuilder.durable.caching import Caching  # which few need
    from flowbuilder.store.memory import MemoryStore

    opened: AbstractContextManager[Store]
    opened = nullcontext(MemoryStore()) if is_nothing_kept(context) else kept(context, is_read=True)
    with opened as store:
        for plan in plans:
            lines = [f"  {shown(name)}: {what}" for name, what in Caching(store).foresee(plan)]
            yield plan.name, "\n".join(["\ncache", *lines]) + "\n" if lines else ""


def _order(plans: Sequence[Plan]) -> Iterator[str]:
    """Yield, of several workflows, the order in which they get what is free."""
    if len({plan.workflow.priority for plan in plans}) > 1:
        lines = [f"  {plan.workflow.priority:>4}  {shown(plan.name)}" for plan in plans]
        yield "\n".join([f"{len(plans)} workflows, by priority", *lines]) + "\n"


def _resources(plans: Sequence[Plan], capacities: Mapping[str, int]) -> Iterator[str]:
    """Yield what is needed of each resource, and how much of it there is."""
    needed: dict[str, int] = {}
    for plan in plans:
        for name, amount in plan.resources.items():
            needed[name] = max(amount, needed.get(name, 0))
    if needed:
        lines = [f"  {shown(name)}: {_share(name, needed[name], capacities.get(name))}" for name in sorted(needed)]
        yield "\n".join(["resources, the most that is needed at once", *lines]) + "\n"


def _share(name: str, needed: int, capacity: int | None) -> str:
    if capacity is None:
        return f"{needed} of ? (missing: say how much there is with --resource {shown(name)}=…)"
    return f"{needed} of {capacity}" + (" (more than there is)" if needed > capacity else "")
