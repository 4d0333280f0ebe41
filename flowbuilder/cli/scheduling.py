"""Scheduling: the one scheduler of a command, by its options, its workflows and ``pyproject.toml``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from flowbuilder.cli.output import say
from flowbuilder.cli.session import Session
from flowbuilder.declare.config import ParallelConfig
from flowbuilder.declared import registry
from flowbuilder.errors import SettingsError, UnknownNameError, did_you_mean, listed, shown, shown_value
from flowbuilder.host import policies_of
from flowbuilder.plan.needs import check_resources
from flowbuilder.plan.plan import Plan
from flowbuilder.scheduler import WorkflowScheduler
from flowbuilder.store.contract import Store


def make_scheduler(plans: Sequence[Plan], work: Session, store: Store | None = None) -> WorkflowScheduler:
    """Return a scheduler with the limits for all runs together, which are kept in ``store``.

    Raises:
        FlowBuilderError: for a policy that nobody offers, or a plan that could never get what it needs.
    """
    policy, resources = _policy(work), resources_of(plans, work)
    warn_of_unneeded(plans, work)
    for plan in plans:
        check_resources(plan, resources)
    return WorkflowScheduler(
        most_at_once(plans, work),
        resources=resources,
        policy=policy,
        plugins=work.settings.plugins,
        max_failures=_most_failures(work),
        store=store,
        cache=not work.settings.options["no_cache"],
    )


def config_of(plan: Plan, work: Session) -> ParallelConfig:
    """Return the limits of one run: the command line's over the workflow's own over those of ``pyproject.toml``."""
    options = work.settings.options
    typed = _limits({name: value for name, value in options.items() if name in work.typed})
    standing = _limits({name: value for name, value in options.items() if name not in work.typed})
    return typed.over(_own(plan).over(standing))


def _limits(options: Mapping[str, Any]) -> ParallelConfig:
    return ParallelConfig(
        max_concurrency=options.get("max_concurrency"),
        step_timeout=options.get("step_timeout"),
        batch_size=options.get("batch_size"),
        schedule=options.get("schedule") or "eager",
    )


def _own(plan: Plan) -> ParallelConfig:
    return plan.workflow.config or ParallelConfig()


def most_at_once(plans: Sequence[Plan], work: Session) -> int | Literal["auto"] | None:
    """Return how many steps run at once, over all runs.

    ``-n`` holds for all of them together. That of ``pyproject.toml`` does too, but is no tighter
    than what a workflow says for itself. Without either they have what their workflows add up to,
    where each says how much. What is "auto" for one of them is so for all.
    """
    given: int | Literal["auto"] | None = work.settings.options["max_concurrency"]
    own = [_own(plan).max_concurrency for plan in plans]
    if "max_concurrency" in work.typed:
        return given
    if given == "auto" or "auto" in own:
        return "auto"
    said = [most for most in own if isinstance(most, int)]
    if given is None:
        return sum(said) if len(said) == len(own) else None
    return max([given, *said])


def _most_failures(work: Session) -> int | None:
    """Return how many failed steps stop all runs; a ``--maxfail`` that is typed goes over ``-x`` in the settings."""
    options = work.settings.options
    most: int | None = options["maxfail"]
    return 1 if options["fail_fast"] and "maxfail" not in work.typed else most


def _policy(work: Session) -> str:
    name, known = work.settings.options["policy"], policies_of(work.settings.plugins)
    if name in known:
        return str(name)
    if "policy" in work.typed:
        raise UnknownNameError("policy", name, known)
    raise work.setup.project.error(
        "policy", "cannot be used", got=shown_value(name), allowed=listed(known), hint=did_you_mean(name, known)
    )


def resources_of(plans: Sequence[Plan], work: Session) -> dict[str, int]:
    """Return how much there is of each resource: the command line's over workflows' own over ``pyproject.toml``.

    Raises:
        SettingsError: when two workflows differ in how much there is, and the command line does not decide.
    """
    own: dict[str, tuple[int, str]] = {}
    for plan in plans:
        for name, amount in (_own(plan).resources or {}).items():
            other, owner = own.setdefault(name, (amount, plan.name))
            if amount != other and name not in work.resources:
                raise SettingsError(
                    f"workflows that run together differ in how much {shown_value(name)} there is",
                    got=f"{other} ({shown(owner)}), {amount} ({shown(plan.name)})",
                    hint=f"--resource {shown(name)}={other}",
                )
    standing = work.settings.options["resources"]
    return {**standing, **{name: amount for name, (amount, _) in own.items()}, **work.resources}


def warn_of_unneeded(plans: Sequence[Plan], work: Session) -> None:
    """Warn of each ``--resource`` that nothing in sight needs; a body may yet make a step that does."""
    if not work.resources:
        return
    needed = {name for plan in plans for name in plan.resources}
    written = needed.union(*(getattr(one, "resources", ()) for one in registry))
    for name in sorted(work.resources.keys() - written):
        hint = did_you_mean(name, sorted(written))
        what = f"--resource {shown(name)}: no workflow and no step that was found needs it"
        say(f"warning: {what}" + f"\n  hint: {hint}" * bool(hint))
