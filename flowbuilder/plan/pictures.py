"""Pictures of a plan: Mermaid, DOT and words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from flowbuilder.declare.cache import Cache
from flowbuilder.declare.definitions import StepDefinition, WorkflowDefinition
from flowbuilder.declare.until import Until
from flowbuilder.errors import shown
from flowbuilder.plan.annotations import type_name
from flowbuilder.plan.given import shown_given
from flowbuilder.plan.missing import way_to_give
from flowbuilder.plan.pieces import Binding, Kind, PlannedInput, PlannedProvider, PlannedStep

# What a function beside the body is given of the attempt itself.
OF_THE_ATTEMPT = frozenset({Kind.ERROR, Kind.RESULT, Kind.PREVIOUS})
# What would end a label of a Mermaid chart, or be read as Markdown in it.
MERMAID = {"#": "#35;", "&": "#amp;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "`": "#96;"}


class Pictured(Protocol):
    """What a picture needs of a plan; see ``Plan``."""

    @property
    def name(self) -> str:
        """The workflow's name."""

    @property
    def workflow(self) -> WorkflowDefinition:
        """The definition of the workflow."""

    @property
    def steps(self) -> Sequence[PlannedStep]:
        """All steps, each after its upstream."""

    @property
    def by_name(self) -> Mapping[str, PlannedStep]:
        """The steps by name."""

    @property
    def inputs(self) -> Mapping[str, PlannedInput]:
        """The inputs by name."""

    @property
    def providers(self) -> Mapping[str, PlannedProvider]:
        """The providers by name, each after those it requests."""

    @property
    def batches(self) -> Sequence[Sequence[str]]:
        """Groups of independent steps."""

    @property
    def critical_path(self) -> Sequence[str]:
        """The longest chain."""

    @property
    def warnings(self) -> Sequence[str]:
        """Sentences for the user."""

    def skipped_by(self, name: str) -> str:
        """The step whose ``when`` may skip a step; empty where none may."""


def mermaid(plan: Pictured) -> str:
    """Return a Mermaid flow chart, steps numbered so that any name is safe."""
    ids = {step.name: f"s{i}" for i, step in enumerate(plan.steps)}
    lines = ["flowchart TD"]
    for step in plan.steps:
        label = "".join(MERMAID.get(char, char) for char in _label(step))
        left, right = ("([", "])") if step.is_body else ("[[", "]]") if step.mapped else ("[", "]")
        lines.append(f'    {ids[step.name]}{left}"{label}"{right}')
    for step in plan.steps:
        for name in step.upstream:
            arrow = "-.->" if _only_orders(name, step) else "-->"
            lines.append(f"    {ids[name]} {arrow} {ids[step.name]}")
    return "\n".join(lines) + "\n"


def dot(plan: Pictured) -> str:
    """Return a directed graph in Graphviz's DOT language."""
    lines = [f"digraph {_quoted(plan.name)} {{", "  node [shape=box];"]
    for step in plan.steps:
        shape = ", shape=oval" if step.is_body else ", peripheries=2" if step.mapped else ""
        lines.append(f"  {_quoted(step.name)} [label={_quoted(_label(step))}{shape}];")
    for step in plan.steps:
        for name in step.upstream:
            style = " [style=dashed]" if _only_orders(name, step) else ""
            lines.append(f"  {_quoted(name)} -> {_quoted(step.name)}{style};")
    return "\n".join([*lines, "}"]) + "\n"


def explanation(plan: Pictured) -> str:
    """Return the plan in words, for a person."""
    mapped = sum(step.mapped for step in plan.steps)
    count = f"{len(plan.steps)} step{'s' * (len(plan.steps) != 1)}"
    lines = [f"workflow {shown(plan.name)}: {count}" + (f", {mapped} of them mapped" if mapped else "")]
    if facts := _workflow_facts(plan.workflow):
        lines.append(f"  ({', '.join(facts)})")
    if plan.inputs:
        lines += ["", "inputs"]
        lines += [f"  {shown(one.name)} = {_input(one)}" for one in plan.inputs.values()]
    if plan.providers:
        lines += ["", "providers"]
    for provider in plan.providers.values():
        lines.append(f"  {shown(provider.name)}" + "  (scope step)" * provider.definition.is_per_step)
        lines += [f"      {shown(one.parameter)} ← {_source(one)}" for one in provider.bindings]
    for number, batch in enumerate(plan.batches, 1):
        lines += ["", f"batch {number}"]
        for name in batch:
            lines += _step_lines(plan, plan.by_name[name])
    lines += ["", "longest chain: " + " → ".join(map(shown, plan.critical_path))]
    lines += [f"warning: {text}" for text in plan.warnings]
    return "\n".join(lines) + "\n"


def _workflow_facts(workflow: WorkflowDefinition) -> list[str]:
    facts = [f"priority {workflow.priority}"] if workflow.priority else []
    facts += _amounts("holds", workflow.resources)
    facts += [f"timeout {workflow.timeout:g} s"] if workflow.timeout else []
    return facts


def _amounts(verb: str, amounts: Mapping[str, int]) -> list[str]:
    return [f"{verb} {' and '.join(f'{amount} {name}' for name, amount in amounts.items())}"] if amounts else []


def _step_lines(plan: Pictured, step: PlannedStep) -> list[str]:
    facts = [step.executor] if step.executor != "thread" else []
    if isinstance(step.definition, StepDefinition):
        facts += [f"timeout {step.definition.timeout:g} s"] if step.definition.timeout else []
        retries = step.definition.retries.n
        facts += [f"{retries} {'retry' if retries == 1 else 'retries'}"] if retries else []
        facts += [_repetition(step.definition.until)] if step.definition.until else []
        facts += ["can be undone"] if step.definition.undo else []
        facts += [_caching(step.definition.cache)] if step.definition.cache else []
        facts += _amounts("needs", step.definition.resources)
        facts += ["items may be skipped by its when"] if step.mapped and step.definition.when else []
    facts += ["body"] if step.is_body else []
    if by := plan.skipped_by(step.name):
        facts.append(f"may be skipped by {'its when' if by == step.name else f'the when of {shown(by)}'}")
    lines = [f"  {_label(step)}" + (f"  ({', '.join(facts)})" if facts else "")]
    lines += [f"      {shown(one.parameter)} ← one item of {_source(one)}" for one in step.each]
    lines += [f"      {shown(one.parameter)} ← {_source(one)}" for one in step.bindings if one.kind is not Kind.ITEM]
    own = {one.parameter for one in step.bindings}
    beside = {"when=": step.when, "until=": step.until, "on_error=": step.on_error, "undo=": step.undo}
    for word, asked in beside.items():
        also = [one for one in asked if one.parameter not in own and one.kind not in OF_THE_ATTEMPT]
        lines += [f"      {shown(one.parameter)} ← {_source(one)}, for {word}" for one in also]
    lines += [f"      after {shown(name)}" for name in step.after if _only_orders(name, step)]
    return lines


def _caching(cache: Cache) -> str:
    by = "its key" if cache.key is not None else "its inputs"
    return f"cached by {by}" + (f" for {cache.seconds:g} s" if cache.seconds is not None else "")


def _repetition(until: Until) -> str:
    name = shown(getattr(until.predicate, "__name__", "its predicate"))
    until_what = "its predicate" if name == "<lambda>" else name
    return f"until {until_what} holds, every {until.every:g} s, at most {until.limit} rounds"


def _only_orders(name: str, step: PlannedStep) -> bool:
    """Return whether a step waits for another without taking anything from it."""
    used = (*step.bindings, *step.each, *step.when, *step.until, *step.on_error, *step.undo)
    return name in step.after and not any(one.kind is Kind.STEP and one.source == name for one in used)


def _source(binding: Binding) -> str:
    if binding.kind is Kind.VALUE:
        value = shown_given(binding.source, binding.value)
        return f"{shown(value, 60)} (overrides {shown(binding.source)})" if binding.source else shown(value, 60)
    if binding.kind is Kind.CONTEXT:
        return "the run's context"
    if binding.kind is Kind.PREVIOUS:
        return "what the round before returned"
    result = "the result of " if binding.wants_result else ""
    return f"{result}{binding.kind.value} {shown(binding.source)}"


def _input(one: PlannedInput) -> str:
    if one.origin == "missing":
        wanted = f", {type_name(one.annotation)}" if one.annotation is not None else ""
        return f"? (missing{wanted}: give it with {way_to_give(one.name, one.annotation)})"
    return f"{shown_given(one.name, one.value, one.annotation)} ({shown(one.origin)})"


def _label(step: PlannedStep) -> str:
    return f"{shown(step.name)} × each item" if step.mapped else shown(step.name)


def _quoted(text: str) -> str:
    return '"' + shown(text, 1000).replace("\\", "\\\\").replace('"', '\\"') + '"'
