"""A plan is frozen data with its graph, batches, longest chain and inputs."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import FrozenInstanceError
from functools import partial

import networkx
import pytest

from flowbuilder import FlowBuilder, Registry, StepResult
from flowbuilder.plan.plan import Plan


def diamond() -> Plan:
    flow = FlowBuilder("flow").step(lambda: 1, name="a").step(lambda a: a, name="b").step(lambda a: a, name="c")
    return Registry().plan(flow.step(lambda b, c, x=1: b, name="d").step(lambda: 1, name="e").build())


def test_the_graph_is_a_digraph_of_steps_that_cannot_be_changed() -> None:
    plan = diamond()
    assert isinstance(plan.graph, networkx.DiGraph)
    assert list(plan.graph.edges) == [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")]
    assert plan.graph.nodes["d"]["step"] is plan.by_name["d"]
    with pytest.raises(networkx.NetworkXError):
        plan.graph.add_edge("d", "a")


def test_batches_are_generations_and_the_longest_chain_is_critical() -> None:
    plan = diamond()
    assert plan.batches == (("a", "e"), ("b", "c"), ("d",))
    assert plan.critical_path == ("a", "b", "d")
    assert plan.sinks == ("d", "e")


def test_batches_are_in_definition_order_however_steps_are_requested() -> None:
    flows = Registry()

    @flows.step
    def a() -> None: ...

    @flows.step
    def b() -> None: ...

    @flows.step
    def c(a: None) -> None: ...

    @flows.step
    def d(b: None) -> None: ...

    @flows.workflow
    def report(d: None, c: None, b: None, a: None) -> None: ...

    assert flows.plan(report).batches == (("a", "b"), ("c", "d"), ("report",))


def test_partials_of_one_line_keep_the_order_of_the_plan() -> None:
    flows = Registry()
    made = [flows.step(name=name)(partial(lambda one: one, name)) for name in "cab"]
    whole = flows.workflow(name="whole", steps=made)(lambda: None)
    assert flows.plan(whole).batches == (("c", "a", "b"), ("whole",))


def test_inputs_are_by_name_with_their_values() -> None:
    plan = diamond()
    assert (plan.params, list(plan.inputs)) == ({"x": 1}, ["x"])


@pytest.mark.parametrize("what", ["inputs", "providers"])
def test_a_plan_is_frozen(what: str) -> None:
    plan = diamond()
    with pytest.raises(FrozenInstanceError):
        plan.steps = ()  # type: ignore[misc]  # that is the point
    with pytest.raises(TypeError):
        getattr(plan, what)["x"] = None


def test_who_may_be_skipped_is_known() -> None:
    def seen(maybe: StepResult[int]) -> None: ...

    builder = FlowBuilder("flow").step(lambda: 1, name="maybe", when=lambda: False)
    builder.step(lambda maybe: maybe, name="below").step(lambda below: below, name="further")
    builder.step(lambda maybe=2: maybe, name="with_default").step(seen)
    builder.step(lambda: 1, name="later", after=["maybe"])
    builder.step(lambda n: n, name="items", each={"n": [1]}, when=lambda n: n)
    plan = Registry().plan(builder.build())
    assert [step.name for step in plan.steps if plan.may_skip(step.name)] == ["maybe", "below", "further"]
    assert [plan.skipped_by(name) for name in ("maybe", "further", "later")] == ["maybe", "maybe", ""]
    assert "  further  (may be skipped by the when of maybe)\n" in plan.explain()


def test_the_graph_is_built_only_when_it_is_looked_at() -> None:
    code = (
        "import sys; from flowbuilder import FlowBuilder, Registry\n"
        "plan = Registry().plan(FlowBuilder('f').step(lambda: 1, name='a').build())\n"
        "assert plan.sinks == ('a',) and 'networkx' not in sys.modules\n"
        "assert plan.batches == (('a',),) and 'networkx' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_plan_is_a_pure_function_of_its_definitions() -> None:
    code = (
        "from flowbuilder import FlowBuilder, Registry\n"
        "b = FlowBuilder('f')\n"
        "for i in range(50):\n"
        "    b.step(lambda: 1, name=f's{i}', after=[f's{j}' for j in range(0, i, 7)], tags={'x', 'y'})\n"
        "p = Registry().plan(b.build()); print(p.explain(), p.to_dot(), [s.definition.tags for s in p.steps])\n"
    )
    command = [sys.executable, "-c", code]
    ran = [subprocess.run(command, check=True, capture_output=True, env={"PYTHONHASHSEED": seed}) for seed in "012"]
    assert len({one.stdout for one in ran}) == 1


def test_a_planned_step_equals_itself_alone() -> None:
    workflow = FlowBuilder("flow").step(lambda rows=frozenset({1}): rows, name="copy", needs={"rows": "rows"})
    built = workflow.step(lambda: 1, name="rows").build()
    one, other = (Registry().plan(built, overrides={"rows": [1]}).by_name["copy"] for _ in range(2))
    assert tuple(one) == tuple(other)
    assert (one == other, one != other, one == one, one != one) == (False, True, True, False)  # identity
    assert len({one, other, one}) == 2
