"""The API page: every public name, from its signature and docstring."""

from __future__ import annotations

import dataclasses
import enum
import functools
import inspect
import re
from collections.abc import Iterator
from typing import Any

import flowbuilder
from docs.docstrings import code, docstring_of, markdown_of
from docs.signatures import decorator_of, signature_of
from flowbuilder import errors, testing
from flowbuilder.plan import plan

GROUPS = {
    "Declaring": (
        "step",
        "workflow",
        "provider",
        "Retry",
        "Secret",
        "Until",
        "Cache",
        "ParallelConfig",
        "FlowBuilder",
        "Registry",
        "registry",
    ),
    "Running": ("run", "arun", "Context", "ParallelExecutor", "ParallelStep", "ParallelResults"),
    "Scheduling": (
        "WorkflowScheduler",
        "Handle",
        "Activity",
        "RunningStep",
        "WaitingStep",
        "SchedulerStats",
        "ResourceUse",
        "Policy",
        "Waiting",
    ),
    "Results": ("RunResult", "StepResult", "CacheNote", "InnerCounts", "Status", "Section"),
    "Planning": ("Plan",),
    "For plugins": ("hookimpl", "RunInfo", "StepInfo", "Call", "Settings", "Terminal"),
    "Keeping runs": ("Store", "MemoryStore"),
    "For executors of plugins": ("Lane", "Source", "Attempt", "LaneFactory"),
    "Definitions": ("Definition", "StepDefinition", "WorkflowDefinition", "ProviderDefinition", "Where"),
}
CLASS = r"<class '(?:\w+\.)*(\w+)'>"
BEHIND_PLAN = (plan.PlannedStep, plan.PlannedInput, plan.PlannedProvider, plan.Binding, plan.Kind)
OWN_WORDS = {
    "registry": "The default `Registry`: what bare `@step`, `@workflow` and `@provider` collect into.",
    "hookimpl": "The marker of a hook's implementation: `@hookimpl`. It takes the options of pluggy's markers, such as"
    " `trylast=True`.",
    "LaneFactory": "What `flowbuilder_executors` gives for each name: a call that takes the most bodies to run at once,"
    " or None for no limit, and returns a `Lane`.",
}
# Objects that a user is given and never makes.
MADE_FOR_YOU = ("Attempt", "Call", "FlowTester", "Lane", "Source", "Terminal")
# What the engine asks of its own objects, and nobody else needs.
INTERNAL = {
    "Attempt": ("arguments", "leave", "is_left"),
    "ParallelConfig": ("over",),
    "Registry": ("at", "forget", "keep", "written_in", "step", "workflow", "provider"),
    "Terminal": ("move_to", "pass_on", "put"),
}
INTRODUCTION = """# API

Everything here is imported from `flowbuilder`, except errors, which are in `flowbuilder.errors`, and the pytest plugin,
which is in `flowbuilder.testing`. Other modules are not public.
"""


def api_page() -> str:
    """Return the page.

    Raises:
        ValueError: for a public name that is in no group, or has no docstring.
    """
    grouped = [name for names in GROUPS.values() for name in names]
    if missing := sorted(set(flowbuilder.__all__) - {*grouped, "FlowBuilderError"}):
        raise ValueError(f"these public names are in no group of the API page: {', '.join(missing)}")
    lines = [INTRODUCTION]
    for title, names in GROUPS.items():
        lines += [f"## {title}", ""]
        for name in names:
            lines += _entry(name, getattr(flowbuilder, name))
        if title == "Planning":
            lines += [line for thing in BEHIND_PLAN for line in _entry(thing.__name__, thing)]
    lines += ["## Errors", "", *_errors(), "## Testing", "", *_testing()]
    return "\n".join(lines).rstrip() + "\n"


def _entry(name: str, thing: Any) -> list[str]:
    lines = [f"### {name}", ""]
    if name in OWN_WORDS:
        return [*lines, OWN_WORDS[name], ""]
    if isinstance(thing, type):
        return [*lines, *_class(name, thing)]
    is_decorator = name in ("step", "workflow", "provider")
    signature = decorator_of(thing, name) if is_decorator else signature_of(thing, name, spell_out=True)
    return [*lines, *_code(signature), *markdown_of(thing, without="fn" if is_decorator else "")]


def _code(text: str) -> list[str]:
    return ["```py", text, "```", ""]


def _class(name: str, kind: type) -> list[str]:
    doc = docstring_of(kind)
    lines = [line for paragraph in doc.paragraphs for line in (paragraph, "")]
    if issubclass(kind, enum.Enum):
        return [*lines, *(f"- `{name}.{member.name}`, {member.value!r}" for member in kind), ""]
    said = dict(doc.sections.get("Attributes", ()))
    if dataclasses.is_dataclass(kind) or hasattr(kind, "_fields"):
        lines += _fields(kind, said)
    elif "__init__" in vars(kind) and name not in MADE_FOR_YOU:
        lines += _code(signature_of(vars(kind)["__init__"], name).removesuffix(" -> None"))
    return lines + [line for member, value in _members(kind) for line in _member(name, member, value)]


def _fields(kind: Any, said: dict[str, str]) -> list[str]:
    shown = _fields_of_tuple(kind) if issubclass(kind, tuple) else _fields_of_dataclass(kind)
    has_words = any(name in said for name, *_ in shown)
    head = ["| field | type | default |" + (" |" if has_words else ""), "|---|---|---|" + ("---|" if has_words else "")]
    rows = []
    for name, note, default in shown:
        row = f"| `{name}` | {code(note)} | {default} |"
        rows.append(f"{row} {said.get(name, '')} |" if has_words else row)
    return [*head, *rows, ""]


def _fields_of_tuple(kind: Any) -> list[tuple[str, str, str]]:
    defaults = {name: _shown_default(value) for name, value in kind._field_defaults.items()}
    return [(name, note.__forward_arg__, defaults.get(name, "")) for name, note in kind.__annotations__.items()]


def _fields_of_dataclass(kind: Any) -> list[tuple[str, str, str]]:
    shown = [one for one in dataclasses.fields(kind) if not one.name.startswith("_") and one.repr]
    return [(one.name, str(one.type), _default(one)) for one in shown]


def _default(one: dataclasses.Field[Any]) -> str:
    if one.default is not dataclasses.MISSING:
        return _shown_default(one.default)
    return "empty" if one.default_factory is not dataclasses.MISSING else ""


def _shown_default(value: Any) -> str:
    return code(re.sub(CLASS, r"\1", repr(value)))


def _members(kind: type) -> Iterator[tuple[str, Any]]:
    """Yield public methods and properties, inherited ones of ours included, each once."""
    seen = set(INTERNAL.get(kind.__name__, ()))
    for owner in kind.__mro__:
        if not owner.__module__.startswith("flowbuilder"):
            continue
        for name, value in vars(owner).items():
            if name not in seen and not name.startswith(("_", "flowbuilder_")) and _is_member(value):
                seen.add(name)
                yield name, value


def _is_member(value: Any) -> bool:
    is_method = callable(value) and not isinstance(value, type)
    return is_method or isinstance(value, property | functools.cached_property)


def _member(owner: str, name: str, value: Any) -> list[str]:
    getter = getattr(value, "fget", None) or getattr(value, "func", None)
    title = [f"#### {owner}.{name}", ""]
    if getter is None:
        return [*title, *_code(signature_of(value, f"{owner}.{name}")), *markdown_of(value)]
    note = inspect.signature(getter).return_annotation
    return [*title, *_code(f"{owner}.{name}: {note}"), *markdown_of(getter)]


def _errors() -> list[str]:
    kinds = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, BaseException)]
    lines = _entry("FlowBuilderError", errors.FlowBuilderError)
    lines += ["| error | is a | when |", "|---|---|---|"]
    for kind in kinds:
        if kind is not errors.FlowBuilderError:
            lines.append(f"| `{kind.__name__}` | `{kind.__bases__[0].__name__}` | {docstring_of(kind).summary} |")
    return [*lines, ""]


def _testing() -> list[str]:
    lines = ["A pytest plugin that is loaded by itself, with two fixtures, `recorder` and `flowtester`.", ""]
    for kind in (testing.Recorder, testing.FlowTester, testing.Outcome):
        lines += _entry(kind.__name__, kind)
    return lines
