"""``flowbuilder plan``: what a run would do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import click

from flowbuilder.cli.catalog import COMMANDS
from flowbuilder.cli.keeping import is_nothing_kept, kept
from flowbuilder.cli.options import collecting, resource_option, slots_option, store_option
from flowbuilder.cli.output import put, say
from flowbuilder.cli.scheduling import config_of, most_at_once, resources_of, warn_of_unneeded
from flowbuilder.cli.session import Session, session
from flowbuilder.errors import StoreError, shown
from flowbuilder.plan.plan import Plan
from flowbuilder.store.contract import Store


@click.command(
    "plan", params=[*collecting(), slots_option(), resource_option(), store_option()], short_help=COMMANDS["plan"]
)
@click.pass_context
def command(context: click.Context, /, **options: Any) -> None:
    """Show what a run would do: batches, inputs, and where each parameter's value comes from.

    Several workflows are in the order of their priorities. An input without a value is shown as
    missing, and so is a resource of which nothing says how much there is. How long it will take is
    known from the last runs that were kept, as if each workflow ran by itself.
    """
    with session(context) as work:
        plans = work.plan(work.select(), lenient=True)
        warn_of_unneeded(plans, work)
        known = dict(_cached(plans, context))
        expected = dict(_expected(plans, work, context))
        explained = (plan.explain() + known.get(plan.name, "") + expected.get(plan.name, "") for plan in plans)
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


def _expected(plans: Sequence[Plan], work: Session, context: click.Context) -> Iterator[tuple[str, str]]:
    """Yield of each workflow that has run before how long it is expected to take."""
    if is_nothing_kept(context):
        return
    from flowbuilder.cli.expecting import expected_lines  # only who has a history needs it
    from flowbuilder.durable.past import past_of

    try:
        with kept(context, is_read=True) as store:
            past = {plan.name: past_of(store, plan.name) for plan in plans}
    except StoreError as error:
        # A plan is worth seeing without them.
        say(f"warning: no expected times: {error.what}" + (f" ({error.got})" if error.got else ""))
        return
    for plan in plans:
        slots = _slots(plan, plans, work)
        lines = list(expected_lines(plan, past[plan.name], slots))
        yield plan.name, "\n".join(["", *lines]) + "\n" if lines else ""


def _slots(plan: Plan, plans: Sequence[Plan], work: Session) -> int | None:
    """Return how many steps of a workflow run at once; None where nobody says, or it is found by measuring."""
    limits = (most_at_once(plans, work), config_of(plan, work).max_concurrency)
    return min((limit for limit in limits if isinstance(limit, int)), default=None)


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
