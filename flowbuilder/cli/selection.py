"""Selection: which of the workflows that were found a command is about."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from flowbuilder.cli.collecting import Found, FoundFile
from flowbuilder.cli.expression import parse_expression
from flowbuilder.declare.definitions import StepDefinition, WorkflowDefinition
from flowbuilder.declared import workflow_of_step
from flowbuilder.errors import (
    FlowBuilderError,
    NothingToDoError,
    SettingsError,
    UnknownNameError,
    listed,
    shown,
    shown_value,
)


class Choice:
    """What ``-k`` and ``-m`` ask for.

    Raises:
        SettingsError: for an expression that cannot be read.
    """

    def __init__(self, keyword: str | None, tags: str | None) -> None:
        self._keyword = None if keyword is None else parse_expression("-k", keyword)
        self._tags = None if tags is None else parse_expression("-m", tags)
        self._words = " ".join(f"{o} {shown_value(t)}" for o, t in (("-k", keyword), ("-m", tags)) if t is not None)

    def of(self, found: Sequence[Found]) -> list[WorkflowDefinition]:
        """Return the chosen workflows, those of higher priority first, else as they were found.

        Raises:
            NothingToDoError: when nothing was found, or nothing was chosen.
            UnknownNameError: for a ``::NAME`` that the files do not have.
        """
        named = {(one.module, one.name, one.value_of): one for each in found for one in named_by(each)}
        if not named:
            raise _nothing(found)
        chosen = [one for one in named.values() if self._holds(one)]
        if not chosen:
            raise self._none(named.values())
        return sorted(chosen, key=lambda one: -one.priority)

    def _none(self, workflows: Collection[WorkflowDefinition]) -> NothingToDoError:
        names = listed(one.name for one in workflows)
        if self._tags is not None:
            tags = listed(sorted(frozenset[str]().union(*map(tags_of, workflows))))
            names += f" · {f'tags {tags}' if tags else 'no tags'}"
        return NothingToDoError(f"no workflow is chosen by {self._words}", allowed=names)

    def _holds(self, workflow: WorkflowDefinition) -> bool:
        name, tags = workflow.name.casefold(), tags_of(workflow)
        by_name = self._keyword is None or self._keyword(lambda word: word.casefold() in name)
        return by_name and (self._tags is None or self._tags(lambda word: word in tags))


def tags_of(workflow: WorkflowDefinition) -> frozenset[str]:
    """Return the tags of a workflow; one without a body has those of its steps too."""
    steps = workflow.steps if workflow.fn is None else ()
    return frozenset(workflow.tags).union(*(step.tags for step in steps if isinstance(step, StepDefinition)))


def named_by(found: Found) -> Sequence[WorkflowDefinition]:
    """Return all workflows of a target, or the one that its ``::NAME`` says; a step stands for one too.

    A step goes over the implicit workflow of its file, whose name is the file's: that one is run by the file alone.

    Raises:
        FlowBuilderError: when the name is unknown, or several files have it.
    """
    name = found.target.name
    if not name:
        return [one for file in found.files for one in file.workflows]
    same = [_written(one, file) for file in found.files for one in file.workflows if one.name == name]
    if not same:
        same = [workflow_of_step(step) for file in found.files for step in file.steps if step.name == name]
    if not same:
        raise _unknown(found)
    if len(same) > 1:
        places = ", ".join(f"{shown(one.where.file)}::{shown(name)}" for one in same[:5])
        raise FlowBuilderError(
            f"{len(same)} files have a {shown_value(name)}", where=shown(found.target.path), hint=f"name one: {places}"
        )
    return same


def _written(workflow: WorkflowDefinition, file: FoundFile) -> WorkflowDefinition:
    """Return what a file calls by the name of a workflow: a step, where that one is implicit, else the workflow.

    Written names are told apart in a file, so that a step of this name says that the workflow is implicit.
    """
    return next((workflow_of_step(step) for step in file.steps if step.name == workflow.name), workflow)


def _unknown(found: Found) -> FlowBuilderError:
    name = found.target.name
    names = [one.name for file in found.files for one in (*file.workflows, *file.steps)]
    for one in (one for file in found.files for one in file.definitions if one.name == name):
        return FlowBuilderError(
            f"{shown_value(name)} is a provider, which cannot be run", where=one.where, allowed=listed(names)
        )
    error = UnknownNameError("workflow or step", name, dict.fromkeys(names), shown(found.target.path))
    # A step of a sub-workflow is run by its own name.
    meant = [one for one in names if one.casefold() in (name.casefold(), name.rpartition(".")[2].casefold())]
    error.hint = f"did you mean {shown_value(meant[0])}?" if meant else error.hint
    return error


def _nothing(found: Sequence[Found]) -> NothingToDoError:
    files = [file.path.name for each in found for file in each.files]
    if files:
        return NothingToDoError(
            "no workflow and no step is written in what was found",
            got=listed(files),
            hint="decorate a function with @step or @workflow",
        )
    return NothingToDoError(
        "there is no flow file",
        where=listed(str(each.target.path.resolve()) for each in found),
        allowed="flow_*.py and *_flow.py; any other file when it is named",
    )


def refuse_several(workflows: Sequence[WorkflowDefinition]) -> None:
    """Refuse to run everything there is where nobody asked for that.

    Raises:
        SettingsError: listing the workflows.
    """
    if len(workflows) > 1:
        raise SettingsError(
            f"there are {len(workflows)} workflows, and none was named",
            got=listed((one.name for one in workflows), 20),
            hint="name a file or PATH::NAME, choose with -k or -m, or run them all with --all",
        )
