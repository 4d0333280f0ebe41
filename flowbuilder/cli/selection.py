"""Selection: which of the workflows that were found a command is about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flowbuilder.cli.collecting import FoundFile, Target
from flowbuilder.cli.expression import parse_expression
from flowbuilder.declare.definitions import StepDefinition, WorkflowDefinition
from flowbuilder.declared import workflow_of_step
from flowbuilder.errors import FlowBuilderError, NothingToDoError, SettingsError, UnknownNameError, listed, shown


def select(
    found: Sequence[tuple[Target, Sequence[FoundFile]]], keyword: str | None, tags: str | None
) -> list[WorkflowDefinition]:
    """Return the selected workflows, those of higher priority first, else as they were found.

    Raises:
        NothingToDoError: when nothing was found, or nothing was selected.
        UnknownNameError: for a ``::NAME`` that the files do not have.
    """
    named = dict.fromkeys(one for target, files in found for one in _of_target(target, files))
    if not named:
        raise _nothing_found(found)
    chosen = [one for one in named if _holds("-k", keyword, one) and _holds("-m", tags, one)]
    if not chosen:
        words = " ".join(f"{option} {shown(text)!r}" for option, text in (("-k", keyword), ("-m", tags)) if text)
        raise NothingToDoError(f"no workflow is selected by {words}", allowed=listed(one.name for one in named))
    return sorted(chosen, key=lambda one: -one.priority)


def _of_target(target: Target, files: Sequence[FoundFile]) -> list[WorkflowDefinition]:
    workflows = [one for file in files for one in file.workflows]
    if not target.name:
        return workflows
    found = [one for one in workflows if one.name == target.name]
    if not found:
        steps = [step for file in files for step in file.steps if step.name == target.name]
        found = [workflow_of_step(step) for step in steps]
    if len(found) == 1:
        return found
    if found:
        raise FlowBuilderError(
            f"{len(found)} files have a {shown(target.name)!r}",
            where=shown(target.path),
            hint="name one: " + ", ".join(f"{shown(one.where.file)}::{shown(target.name)}" for one in found[:5]),
        )
    raise _unknown(target, files)


def _unknown(target: Target, files: Sequence[FoundFile]) -> FlowBuilderError:
    names = [one.name for file in files for one in file.workflows]
    names += [step.name for file in files for step in file.steps]
    others = [one for file in files for one in file.definitions if one.name == target.name]
    if others:
        return FlowBuilderError(
            f"{shown(target.name)!r} is a provider, which cannot be run", where=others[0].where, allowed=listed(names)
        )
    error = UnknownNameError("workflow or step", target.name, names, shown(target.path))
    same = [name for name in names if name.casefold() == target.name.casefold()]
    error.hint = f"did you mean {shown(same[0])!r}?" if same else error.hint
    return error


def _nothing_found(found: Iterable[tuple[Target, Sequence[FoundFile]]]) -> NothingToDoError:
    files = [file for _, more in found for file in more]
    if files:
        names = listed(shown(file.path.name) for file in files)
        return NothingToDoError(
            "no step or workflow is defined in what was found", got=names, hint="decorate a function with @step"
        )
    places = listed(str(target.path) for target, _ in found)
    return NothingToDoError(
        "no flow file was found",
        where=places,
        allowed="flow_*.py and *_flow.py",
        hint="other files are run by naming them",
    )


def _holds(option: str, text: str | None, workflow: WorkflowDefinition) -> bool:
    if text is None:
        return True
    if option == "-k":
        name = workflow.name.casefold()
        return parse_expression(option, text)(lambda word: word.casefold() in name)
    return parse_expression(option, text)(tags_of(workflow).__contains__)


def tags_of(workflow: WorkflowDefinition) -> frozenset[str]:
    """Return the tags of a workflow; one without a body has those of its steps too."""
    steps = workflow.steps if workflow.fn is None else ()
    return frozenset(workflow.tags).union(*(step.tags for step in steps if isinstance(step, StepDefinition)))


def refuse_several(workflows: Sequence[WorkflowDefinition]) -> None:
    """Refuse to run everything where nobody asked for it.

    Raises:
        SettingsError: listing the workflows.
    """
    if len(workflows) > 1:
        raise SettingsError(
            f"there are {len(workflows)} workflows, and none was named",
            got=listed((one.name for one in workflows), 20),
            hint="name a file or PATH::NAME, choose by -k or -m, or run all with --all",
        )
