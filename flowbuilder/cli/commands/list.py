"""``flowbuilder list``: what there is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from flowbuilder.cli.catalog import COMMANDS
from flowbuilder.cli.collecting import FoundFile
from flowbuilder.cli.options import collecting
from flowbuilder.cli.output import put
from flowbuilder.cli.session import Session, session
from flowbuilder.declare.definitions import Definition, WorkflowDefinition
from flowbuilder.errors import FlowBuilderError, near, shown

UNUSED = "(no workflow asks for it by name)"
WIDEST = 40


@click.command("list", params=collecting(), short_help=COMMANDS["list"])
@click.pass_context
def command(context: click.Context, /, **options: Any) -> None:
    """List the workflows and steps of each flow file, with the first lines of their docstrings."""
    with session(context) as work:
        found = work.find()
        chosen = work.choice.of(found)
        listing = Listing(work, chosen, is_whole=not work.narrows)
        files = dict.fromkeys(file for each in found for file in each.files)
        text = "\n".join(line for file in files for line in listing.lines(file))
    put(text)


class Listing:
    """Lists chosen workflows with the steps they use; a whole one has the steps that none uses too."""

    def __init__(self, work: Session, chosen: Sequence[WorkflowDefinition], *, is_whole: bool) -> None:
        self._terminal = work.settings.terminal
        self._chosen = chosen
        self._is_whole = is_whole
        self._used: set[Definition] = set()
        self._trouble: dict[Definition, str] = {}
        planner, values = work.planner(lenient=True), work.values
        for workflow in chosen:
            try:
                self._used.update(step.definition for step in planner.look_at(workflow, values).steps)
            except FlowBuilderError as error:  # what is wrong with one workflow must not hide the others
                self._trouble[workflow] = near(error.what.partition("\n")[0])

    def lines(self, file: FoundFile) -> Iterator[str]:
        """Yield the lines of one file, none where nothing in it was chosen."""
        workflows = [one for one in self._chosen if one in file.workflows]
        steps = [one for one in file.steps if self._is_whole or one in self._used]
        rows = [("workflow", one.name, self._text(one)) for one in workflows]
        rows += [("step", one.name, self._text(one)) for one in steps]
        if not rows:
            return
        yield shown(_short(file.path), 1000)
        width = min(max(len(name) for _, name, _ in rows), WIDEST)
        for kind, name, text in rows:
            yield self._cut(f"  {kind:<8}  {shown(name):<{width}}  {text}".rstrip())

    def _cut(self, line: str) -> str:
        """Return a line that fits a terminal; whatever reads a pipe gets it whole."""
        width = self._terminal.width
        return line if len(line) <= width or not self._terminal.is_terminal else line[: width - 1] + "…"

    def _text(self, one: Definition) -> str:
        if one in self._trouble:
            return f"(cannot be planned: {self._trouble[one]})"
        if isinstance(one, WorkflowDefinition):
            return shown(one.summary) or ("(all steps of the file)" if one.fn is None else "")
        unused = "" if one in self._used or self._trouble else UNUSED
        return f"{shown(one.summary)} {unused}".strip()


def _short(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
