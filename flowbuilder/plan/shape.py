"""Shape: what steps ask of one another, in their places in the plan; made once, used by every run of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import chain

from flowbuilder.declare.definitions import StepDefinition
from flowbuilder.declare.retry import NO_RETRY
from flowbuilder.errors import StepTimeoutError
from flowbuilder.plan.edges import Edge, EdgeLists, Edges
from flowbuilder.plan.garbage import no_garbage_sought
from flowbuilder.plan.pieces import Kind, PlannedStep

# Members of an enumeration are slow to find and to reckon with, and of edges there are many.
VALUE, SOFT, ANY, ITEMS = int(Edge.VALUE), int(Edge.SOFT), int(Edge.ANY), int(Edge.ITEMS)
STEP = Kind.STEP
TIMEOUT_KINDS = frozenset(StepTimeoutError.__mro__)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shape:
    """The steps of a plan by number.

    ``index`` has the number of each step by name, ``edges`` what each asks of which others,
    ``timeouts`` the seconds of those with a limit of their own (None where nothing could keep one),
    ``conditional`` those with a ``when``, ``repeated`` with an ``until``, ``cached`` with a ``cache``,
    ``undoable`` with an ``undo``, ``timeouts_retried`` the number of extra attempts of those whose time-outs
    are worth one. ``executors`` are those of all steps, each once. ``special`` are the steps that are mapped,
    conditional, repeated, cached or limited: most are not; ``special_items`` those of them whose items are, too.
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
    special_items: Set[int]


@no_garbage_sought()
def shape_of(steps: Sequence[PlannedStep]) -> Shape:
    """Return the shape of the steps of a plan."""
    index = {step.name: number for number, step in enumerate(steps)}
    mapped = {step.name for step in steps if step.each}
    executors = tuple(dict.fromkeys([step.executor for step in steps]))
    own = list(_worded(steps))
    timeouts: dict[int, float | None] = {number: one.timeout for number, one in own if one.timeout is not None}
    if "inline" in executors:  # nothing could end a body on the loop's own thread
        timeouts.update((number, None) for number, step in enumerate(steps) if step.executor == "inline")
    conditional = {number for number, one in own if one.when is not None}
    repeated = {number for number, one in own if one.until is not None}
    cached = {number for number, one in own if one.cache is not None}
    special = conditional.union(repeated, cached, timeouts)
    return Shape(
        index=index,
        edges=_edges(steps, mapped, index),
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
        executors=executors,
        special=special.union(index[name] for name in mapped),
        special_items=special,
    )


def _worded(steps: Iterable[PlannedStep]) -> Iterator[tuple[int, StepDefinition]]:
    """Yield the steps with words that a run looks for, by number: few among many, so each is looked at once."""
    for number, step in enumerate(steps):
        one = step.definition
        if isinstance(one, StepDefinition) and (
            one.timeout is not None
            or one.when is not None
            or one.until is not None
            or one.cache is not None
            or one.undo is not None
            or one.retries is not NO_RETRY
        ):
            yield number, one


def _edges(steps: Iterable[PlannedStep], mapped: Set[str], index: Mapping[str, int]) -> Edges:
    gathered = EdgeLists()
    for step in steps:
        if step.values_only:
            gathered.add_values([index[name] for name in step.upstream])
        else:
            gathered.add(_upstream(step, mapped, index))
    return gathered.flat()


def _upstream(step: PlannedStep, mapped: Set[str], index: Mapping[str, int]) -> Sequence[tuple[int, int]]:
    """Return one edge for each upstream step; the strictest where it is asked for in several ways."""
    found: dict[str, int] = dict.fromkeys(step.after, SOFT)
    for _, kind, source, has_default, wants_result, _ in chain(
        step.bindings, step.when, step.until, step.on_error, step.undo
    ):
        if kind is STEP:
            edge = ANY if wants_result else SOFT if has_default else VALUE
            found[source] = min(found[source], edge) if source in found else edge
    sources = [one.source for one in step.each if one.kind is STEP]
    found |= dict.fromkeys((one for one in sources if one not in mapped), VALUE)
    edges = [(index[name], edge) for name, edge in found.items()]
    return edges + [(index[name], ITEMS) for name in step.upstream if name in sources and name in mapped]
