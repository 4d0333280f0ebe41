"""The hook page: every hook of ``flowbuilder.hookspecs``, from its signature and docstring."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import Any

from docs.docstrings import code, docstring_of, markdown_of
from docs.signatures import signature_of
from flowbuilder import hookspecs
from flowbuilder.engine.relay import WATCHERS

PLACES = re.compile(r"^# (?P<phase>.+?) -{20,}$|^def (?P<hook>flowbuilder_\w+)\(", re.M)
THREADS = ("main thread", "thread that plans", "thread that starts the run", "thread that runs the body", "hook thread")
INTRODUCTION = """# Hooks

A plugin implements any of these with a function of the same name, marked `@flowbuilder.hookimpl`. It takes any subset
of the arguments, by name. A wrong name or argument is refused when the plugin is registered, and so is an `async def`.

Where several plugins implement a hook, the one registered last is called first. Built-in plugins are registered first.

[How a run works](../explanation/how-a-run-works.md) draws the order. [Write a plugin](../how-to/write-a-plugin.md) has
examples.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A hook and the facts of it that are not prose."""

    name: str
    spec: Any
    phase: str

    @property
    def watches(self) -> bool:
        """Whether it is told on the hook thread what has happened."""
        return self.name.removeprefix("flowbuilder_") in WATCHERS

    @property
    def is_first_result(self) -> bool:
        """Whether the first plugin that returns something ends the call."""
        return bool(self.spec.flowbuilder_spec["firstresult"])

    @property
    def thread(self) -> str:
        """Where it is called.

        Raises:
            ValueError: when the specification does not say.
        """
        text = " ".join(docstring_of(self.spec).paragraphs).lower()
        found = next((thread for thread in THREADS if thread in text), None)
        if found is None:
            raise ValueError(f"{self.name} does not say on which thread it is called")
        return found

    @property
    def returns(self) -> str:
        """What is done with what it returns."""
        annotation = str(inspect.signature(self.spec).return_annotation)
        if self.watches:
            return "not read"
        if annotation == "None":
            return "nothing"
        return code(annotation) + ("; the first one ends the call" if self.is_first_result else "")

    @property
    def exception(self) -> str:
        """What an exception means."""
        text = " ".join(docstring_of(self.spec).paragraphs)
        said = re.search(r"An exception (?:is )?([^.]+)\.", text)
        if self.watches:
            return "logged once; the plugin hears nothing more of this run"
        return said[1] if said else "an internal error, exit code 3"


def hooks() -> list[Hook]:
    """Return every hook, in the order of the specification."""
    found, phase = [], ""
    for place in PLACES.finditer(inspect.getsource(hookspecs)):
        phase = place["phase"] or phase
        if place["hook"]:
            found.append(Hook(name=place["hook"], spec=getattr(hookspecs, place["hook"]), phase=phase))
    return found


def hook_page() -> str:
    """Return the page."""
    lines = [INTRODUCTION, "| hook | thread | returns |", "|---|---|---|"]
    lines += [f"| [`{hook.name}`](#{hook.name}) | {hook.thread} | {hook.returns} |" for hook in hooks()]
    phase = ""
    for hook in hooks():
        if hook.phase != phase:
            phase = hook.phase
            lines += ["", f"## {phase}"]
        lines += ["", *_entry(hook)]
    return "\n".join(lines).rstrip() + "\n"


def _entry(hook: Hook) -> list[str]:
    return [
        f"### {hook.name}",
        "",
        "```py",
        signature_of(hook.spec, hook.name),
        "```",
        "",
        *markdown_of(hook.spec),
        "| thread | return value | exception |",
        "|---|---|---|",
        f"| {hook.thread} | {hook.returns} | {hook.exception} |",
    ]
