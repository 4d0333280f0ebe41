"""Values: gathers what the command line, files, the environment and pyproject.toml give for inputs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flowbuilder.cli.project import Project
from flowbuilder.declare.validate import composed
from flowbuilder.errors import InputError, did_you_mean, listed, shown, shown_value
from flowbuilder.plan.environment import environment_params
from flowbuilder.plan.given import Given, Text, given, unfolded
from flowbuilder.plan.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """Values of inputs by name: those somebody typed for this command, and the others.

    A typed one that no workflow takes is a mistake; any other is for some other workflow.
    """

    typed: Mapping[str, Any]
    standing: Mapping[str, Any] = field(default_factory=dict)

    @property
    def all(self) -> dict[str, Any]:
        """All values by name."""
        return {**self.standing, **self.typed}

    def refuse_unused(self, plans: Iterable[Plan]) -> None:
        """Refuse a typed value that no plan has an input for.

        Raises:
            InputError: naming it and the inputs there are.
        """
        every = list(plans)
        inputs = [one for plan in every for one in plan.inputs.values()]
        known = list(dict.fromkeys(one.name for one in inputs))
        tables = {name for plan in every for name in plan.sub_workflows}
        for name, value in self.typed.items():
            is_taken = self._is_taken(composed(name), known) or (_is_table(value) and composed(name) in tables)
            if not is_taken:
                raise InputError(
                    f"there is no input named {shown_value(name)}",
                    got=f"a value from {value.origin}",
                    allowed=listed(known) or "this workflow has no inputs",
                    hint=did_you_mean(name, [*known, *(also for one in inputs for also in one.qualified)]),
                )

    def _is_taken(self, name: str, known: Iterable[str]) -> bool:
        """Return whether a value is an input's, or is inside a table that is."""
        return any(name == one or (name.startswith(f"{one}.") and _is_table(self.typed.get(one))) for one in known)


def _is_table(value: Any) -> bool:
    return isinstance(value, Given) and isinstance(value.value, dict)


def gather(options: Mapping[str, Any], project: Project, *, files_are_typed: bool) -> Values:
    """Return all values: ``pyproject.toml`` < environment < files < ``-P``.

    Raises:
        InputError: for a wrong ``-P``, a name given twice, or a file that cannot be read.
    """
    # A path of pyproject.toml is meant from its folder, one that was typed from the current folder.
    folder = Path() if files_are_typed else project.root
    files: dict[str, Any] = {}
    for file in options["params_files"]:
        from flowbuilder.plan.params import read_params_file  # which loads a reader of JSON

        files.update(unfolded(read_params_file(folder / file)))
    typed = {**(files if files_are_typed else {}), **_of_words(options["param"])}
    of_project = {**({} if files_are_typed else files), **_of_table(project)}
    return Values(typed=typed, standing={**of_project, **environment_params(os.environ)})


def _of_words(words: Iterable[str]) -> dict[str, Text]:
    found: dict[str, Text] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name.strip():
            raise InputError(
                "-P takes NAME=VALUE", got=shown(word) or "nothing", hint=f"-P {shown(name.strip() or 'name', 60)}=…"
            )
        if name in found:
            raise InputError(f"-P gives {shown_value(name)} twice", hint="keep one")
        found[name] = Text(text, "-P")
    return found


def _of_table(project: Project) -> dict[str, Any]:
    return unfolded({name: given(value, "pyproject.toml") for name, value in project.params.items()})
