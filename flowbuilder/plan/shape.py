"""Shape: what steps ask of one another, in their places in the plan; made once, used by every run of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from flowbuilder.declare.definitions import StepDefinition
from flowbuilder.errors import StepTimeoutError
from flowbuilder.plan.edges import Edge, Edges, edges_of
from flowbuilder.plan.garbage import no_garbage_sought
from flowbuilder.plan.pieces import Kind, PlannedStep

VALUE, SOFT, ANY = Edge.VALUE, Edge.SOFT, Edge.ANY
TIMEOUT_KINDS = frozenset(StepTimeoutError.__mro__)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shape:
    """The steps of a plan by number.

    ``index`` has the number of each step by name, ``edges`` what each asks of which others,
    ``timeouts`` the seconds of those with a limit of their own (None where nothing could keep one),
    ``conditional`` those with a ``when``, ``repeated`` with an ``until``, ``cached`` with a ``cache``,
    ``undoable`` with an ``undo``, ``timeouts_retried`` the number of extra attempts of those whose time-outs
    are worth one. ``executors`` are those of all steps, each once. ``special`` are the steps that are mapped,
    conditional, repeated, cached or limited: most are not.
    """

    index: Mapping[str, int]
    edges: Edges
    timeouts: Mapping[int, float | None]
    conditional: Set[int]
    repeated: Set[int]
    cached: Set[int]
    undoable: Set[int]
    timeouts_retried: Mapping[int, int]
    executors: Sequence[str]
    special: Set[int]


@no_garbage_sought()
def shape_of(steps: Sequence[PlannedStep]) -> Shape:
    """Return the shape of the steps of a plan."""
    index = {step.name: number for number, step in enumerate(steps)}
    mapped = {step.name for step in steps if step.each}
    own = [(number, one.definition) for number, one in enumerate(steps) if isinstance(one.definition, StepDefinition)]
    timeouts: dict[int, float | None] = {number: one.timeout for number, one in own if one.timeout is not None}
    # Nothing could end a body on the loop's own thread.
    timeouts.update((number, None) for number, step in enumerate(steps) if step.executor == "inline")
    conditional = {number for number, one in own if one.when is not None}
    repeated = {number for number, one in own if one.until is not None}
    cached = {number for number, one in own if one.cache is not None}
    return Shape(
        index=index,
        edges=edges_of(_upstream(step, mapped, index) if step.upstream else () for step in steps),
        timeouts=timeouts,
        conditional=conditional,
        repeated=repeated,
        cached=cached,
        undoable={number for number, one in own if one.undo is not None},
        timeouts_retried={
            # By identity: asking a class of the user's about an instance would be calling it.
            number: one.retries.n
            for number, one in own
            if one.retries.n and not TIMEOUT_KINDS.isdisjoint(one.retries.on)
        },
        executors=tuple(dict.fromkeys(step.executor for step in steps)),
        special={index[name] for name in mapped}.union(conditional, repeated, cached, timeouts),
    )


def _upstream(step: PlannedStep, mapped: Set[str], index: Mapping[str, int]) -> list[tuple[int, Edge]]:
    """Return one edge for each upstream step; the strictest where it is asked for in several ways."""
    found: dict[str, Edge] = dict.fromkeys(step.after, SOFT) if step.after else {}
    bindings = step.bindings
    if step.when or step.until or step.on_error or step.undo:
        bindings += (*step.when, *step.until, *step.on_error, *step.undo)
    for _, kind, source, has_default, wants_result, _ in bindings:
        if kind is Kind.STEP:
            edge = ANY if wants_result else SOFT if has_default else VALUE
            found[source] = min(found[source], edge) if source in found else edge
    if not step.each:
        return [(index[name], edge) for name, edge in found.items()]
    sources = [one.source for one in step.each if one.kind is Kind.STEP]
    found |= dict.fromkeys((one for one in sources if one not in mapped), VALUE)
    edges = [(index[name], edge) for name, edge in found.items()]
    return edges + [(index[name], Edge.ITEMS) for name in step.upstream if name in sources and name in mapped]
