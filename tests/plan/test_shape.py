"""A plan's shape says of each step which others it waits for, by number, and what it asks of them."""

from __future__ import annotations

from flowbuilder import FlowBuilder, Registry, StepResult
from flowbuilder.plan.edges import Edge
from flowbuilder.plan.plan import Plan, PlannedStep
from flowbuilder.plan.shape import shape_of


def asked(plan: Plan, name: str) -> dict[str, Edge]:
    """Return what a step asks of others by their names, out of the edges from each of them to those below it."""
    edges, number = plan.shape.edges, plan.shape.index[name]
    return {
        step.name: Edge(code & 3)
        for source, step in enumerate(plan.steps)
        for code in edges.below[edges.starts[source] : edges.starts[source + 1]]
        if code >> 2 == number
    }


def every_way() -> Plan:
    def looks(a: StepResult[int], b: int) -> None: ...

    flow = FlowBuilder("flow").step(lambda: 1, name="a").step(lambda size: size, name="b")
    flow.step(lambda a, b: 1, name="values").step(lambda a, size: 1, name="input")
    flow.step(lambda a, b=2: 1, name="default").step(looks)
    flow.step(lambda one, other: 1, name="twice", needs={"one": "a", "other": "a"})
    flow.step(lambda one, other=1: 1, name="both", needs={"one": "a", "other": "a"})
    flow.step(lambda a: 1, name="later", after=["a", "b"])
    flow.step(lambda a: 1, name="when", when=lambda b: b)
    flow.step(lambda n: n, name="items", each={"n": [1]}).step(lambda n: n, name="more", each={"n": "items"})
    return Registry().plan(flow.build(), params={"size": 1})


def test_each_step_asks_for_the_strictest_of_what_it_needs() -> None:
    plan, value, soft = every_way(), Edge.VALUE, Edge.SOFT
    assert {step.name: asked(plan, step.name) for step in plan.steps if step.upstream} == {
        "values": {"a": value, "b": value},
        "input": {"a": value},
        "default": {"a": value, "b": soft},
        "looks": {"a": Edge.ANY, "b": value},
        "twice": {"a": value},
        "both": {"a": value},
        "later": {"a": value, "b": soft},
        "when": {"a": value, "b": value},
        "more": {"items": Edge.ITEMS},
    }
    assert list(plan.shape.edges.waits) == [len(step.upstream) for step in plan.steps]


def test_steps_that_ask_for_values_alone_are_known_and_have_the_same_edges() -> None:
    plan = every_way()
    only = [step.name for step in plan.steps if step.values_only]
    assert only == ["a", "b", "values", "input", "twice"]
    others = shape_of([step._replace(values_only=False) for step in plan.steps]).edges
    assert (others.waits, others.starts, others.below) == (
        plan.shape.edges.waits,
        plan.shape.edges.starts,
        plan.shape.edges.below,
    )


def test_a_step_with_nothing_but_parameters_is_made_as_any_other() -> None:
    step = every_way().by_name["values"]
    assert tuple(PlannedStep(*step[:7])) == tuple(step)
