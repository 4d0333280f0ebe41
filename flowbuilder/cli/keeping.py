"""Keeping: the run store of a command, where it is, and what to type to go on with a run in it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from flowbuilder.cli.options import USUAL_STORE
from flowbuilder.cli.setup import Setup
from flowbuilder.errors import NothingToDoError, StoreError, shown
from flowbuilder.results import RunResult, Status

if TYPE_CHECKING:
    from flowbuilder.cli.session import Session
    from flowbuilder.declare.definitions import WorkflowDefinition
    from flowbuilder.store.contract import Store

# What was typed for one run, and holds when it goes on.
LASTING = (
    "max_concurrency", "resources", "policy", "step_timeout", "fail_fast", "maxfail", "schedule", "batch_size",
    "executor", "backend",
)  # fmt: skip


def store_place(context: click.Context) -> str:
    """Return the file or URL of the store a command is about.

    One that was typed is meant from the current folder, one of ``pyproject.toml`` from the root.
    """
    root = context.ensure_object(Setup).project.root
    given = context.params.get("store")
    if not given:
        return str(root / USUAL_STORE)
    is_typed = context.get_parameter_source("store") is not ParameterSource.DEFAULT_MAP
    return given if "://" in given or is_typed else str(root / given)


def is_nothing_kept(context: click.Context) -> bool:
    """Return whether the store of a command is a file that is not there yet."""
    place = store_place(context)
    return "://" not in place and not Path(place).exists()


@contextmanager
def kept(context: click.Context, *, is_read: bool = False) -> Iterator[Store]:
    """Open the store of a command, and close it after it; where it ``is_read`` only, it has to be there.

    Raises:
        StoreError: when it cannot be used.
        NothingToDoError: when nothing was kept yet.
    """
    from flowbuilder.durable.opening import open_store

    place = store_place(context)
    if is_read and is_nothing_kept(context):
        raise NothingToDoError(
            "no run was kept yet", where=shown(place, 500), hint="flowbuilder run keeps its history there"
        )
    # Only a plugin knows what a URL is.
    host = context.ensure_object(Setup).host if "://" in place else None
    try:
        store, _ = open_store(place, host, context.params.get("durability") or "full")
    except StoreError as error:
        error.hint = error.hint or ("" if is_read else "--no-store runs without a history")
        raise
    try:
        yield store
    finally:
        store.close()


def source_of(workflow: WorkflowDefinition, root: Path) -> str:
    """Return what names a workflow on the command line, from the root.

    One that has a step of its own name is named by its file, since ``::NAME`` may mean the step.
    """
    file = Path(workflow.where.file)
    path = str(file.relative_to(root) if file.is_relative_to(root) else file)
    has_namesake = workflow.value_of is None and any(
        getattr(one, "name", "") == workflow.name for one in workflow.steps
    )
    return path if has_namesake else f"{path}::{workflow.name}"


def lasting_options(work: Session) -> dict[str, Any]:
    """Return what was typed and holds too when a run goes on."""
    typed = {name: value for name, value in work.settings.options.items() if name in LASTING and name in work.typed}
    return {**typed, **({"resources": dict(work.resources)} if work.resources else {})}


def print_how_to_go_on(results: Sequence[RunResult[Any]], work: Session) -> None:
    """Print the command that goes on with the runs that did not succeed."""
    left = [result.run_id for result in results if result.status not in (Status.SUCCESS, Status.SKIPPED)]
    if left and not work.settings.options.get("quiet"):
        work.settings.terminal.print(f"go on: {how_to_go_on(left, work)}")


def how_to_go_on(run_ids: Sequence[str], work: Session) -> str:
    """Return the command that goes on with some runs."""
    root, words = work.settings.root, ["flowbuilder", "resume", *run_ids]
    if work.settings.options.get("store"):
        words += ["--store", str(work.settings.options["store"])]
    command = shlex.join(words)
    return command if Path.cwd().is_relative_to(root) else f"(cd {shlex.quote(str(root))} && {command})"
