"""A plan has every step that is needed, each after its upstream, or says what stands against it."""

from __future__ import annotations

import gc
import time
import tracemalloc
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, strategies as st

from flowbuilder import FlowBuilder, Registry
from flowbuilder.declare.definitions import WorkflowDefinition
from flowbuilder.errors import CycleError
from flowbuilder.plan.plan import Plan

FILE = __file__


def steps(plan: Plan) -> list[str]:
    return [step.name for step in plan.steps]


def place(fn: Any) -> str:
    return f"{FILE}:{fn.__code__.co_firstlineno}"


def wired(edges: dict[str, list[str]]) -> WorkflowDefinition:
    """Return a workflow of steps that come after others."""
    builder = FlowBuilder("flow")
    for name, upstream in edges.items():
        builder.step(lambda: None, name=name, after=upstream)
    return builder.build()


# What is planned.


def test_a_body_is_the_last_step_and_brings_only_what_it_needs() -> None:
    flows = Registry()

    @flows.step
    def unused() -> None: ...

    @flows.step
    def rows() -> int:
        return 1

    @flows.workflow
    def report(rows: int) -> int:
        return rows

    plan = flows.plan(report)
    assert (steps(plan), plan.body, plan.name) == (["rows", "report"], "report", "report")
    assert plan.by_name["report"].is_body
    assert plan.by_name["report"].executor == "thread"


def test_an_async_body_runs_on_the_loop() -> None:
    flows = Registry()

    @flows.workflow
    async def report() -> None: ...

    assert flows.plan(report).by_name["report"].executor == "loop"


def test_steps_adds_what_the_body_does_not_name() -> None:
    flows = Registry()

    @flows.step
    def rows() -> int:
        return 1

    @flows.step
    def notify() -> None: ...

    @flows.workflow(steps=[notify, "rows"])
    def report(rows: int) -> int:
        return rows

    plan = flows.plan(report)
    body = plan.by_name["report"]
    assert sorted(steps(plan)) == ["notify", "report", "rows"]
    assert (body.after, body.upstream) == (("notify",), ("rows", "notify"))


def test_a_workflow_without_a_body_adds_no_step() -> None:
    plan = Registry().plan(FlowBuilder("flow").step(lambda: 1, name="a").step(lambda a: a, name="b").build())
    assert (steps(plan), plan.body, plan.sinks) == (["a", "b"], None, ("b",))


def test_a_step_is_planned_with_all_its_upstream() -> None:
    flows = Registry()
    flows.step(name="a")(lambda: 1)
    flows.step(name="b")(lambda a: a)
    flows.step(name="c")(lambda b: b)
    plan = flows.plan("b")
    assert (steps(plan), plan.body, plan.name) == (["a", "b"], "b", "b")


def test_each_step_is_planned_once_however_often_it_is_needed() -> None:
    flow = wired({"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c", "b", "a"]})
    plan = Registry().plan(flow)
    assert steps(plan) == ["a", "b", "c", "d"]
    assert plan.by_name["d"].upstream == ("b", "c", "a")


def test_a_step_may_be_added_before_those_it_needs() -> None:
    assert steps(Registry().plan(wired({"c": ["b"], "b": ["a"], "a": []}))) == ["a", "b", "c"]


def test_two_steps_of_one_name_are_told_apart_by_their_modules() -> None:
    flows = Registry(lexical=True)
    for module in ("one", "two"):
        exec(f"@r.step(name='load')\ndef f(): ...\n@r.step\ndef {module}(load): ...", {"r": flows, "__name__": module})
    both = flows.workflow(name="both", steps=[flows["one"], flows["two"]])(lambda: None)
    assert steps(flows.plan(both)) == ["load", "one", "two.load", "two", "both"]


def test_two_steps_of_one_name_and_module_are_told_apart_by_a_number() -> None:
    flows = [Registry(), Registry(), Registry()]
    given = [one.step(name="load")(lambda: None) for one in flows]
    both = flows[0].workflow(name="both", steps=given)(lambda: None)
    here = f"{__name__}.load"
    assert steps(flows[0].plan(both)) == ["load", here, f"{here}~2", "both"]


@given(st.lists(st.sets(st.integers(0, 11), max_size=4), min_size=1, max_size=12))
def test_every_step_comes_after_its_upstream(needed: list[set[int]]) -> None:
    edges = {f"s{i}": [f"s{one}" for one in sorted(ones) if one < i] for i, ones in enumerate(needed)}
    plan = Registry().plan(wired(edges))
    place = {name: number for number, name in enumerate(steps(plan))}
    assert set(place) == set(edges)
    assert all(place[one] < place[step.name] for step in plan.steps for one in step.upstream)
    assert all(list(step.upstream) == edges[step.name] for step in plan.steps)


# Circles.


def test_a_circle_is_printed_in_order_with_places() -> None:
    flows = Registry()

    @flows.step
    def a(c: int) -> int:
        return c

    @flows.step
    def b(a: int) -> int:
        return a

    @flows.step
    def c(b: int) -> int:
        return b

    @flows.workflow
    def report(c: int) -> None: ...

    with pytest.raises(CycleError) as caught:
        flows.plan(report)
    assert [name for name, _ in caught.value.path] == ["c", "b", "a", "c"]
    assert str(caught.value) == (
        f"these steps need each other in a circle: c ({place(c)}) → b ({place(b)}) → a ({place(a)}) → c ({place(c)})"
        "\n  hint: a step is needed by one that it needs itself; remove one of these requests"
    )


@pytest.mark.parametrize("parameter", ["load", "load=5"])
def test_a_parameter_of_its_steps_own_name_is_a_circle(parameter: str) -> None:
    flows = Registry()
    namespace: dict[str, Any] = {"flows": flows, "__name__": "own"}
    exec(compile(f"@flows.step\ndef load({parameter}): ...", "own.py", "exec"), namespace)
    with pytest.raises(CycleError) as caught:
        flows.plan("load")
    assert str(caught.value).splitlines()[0] == (
        "these steps need each other in a circle: load (own.py:1) → load (own.py:1)"
    )


def test_a_body_that_requests_itself_is_a_circle() -> None:
    flows = Registry()
    report = flows.workflow(name="report")(lambda report: report)
    with pytest.raises(CycleError):
        flows.plan(report)


def test_providers_that_need_each_other_are_a_circle() -> None:
    flows = Registry()
    flows.provider(name="a")(lambda b: b)
    flows.provider(name="b")(lambda a: a)
    flows.step(name="load")(lambda a: a)
    with pytest.raises(CycleError) as caught:
        flows.plan("load")
    assert [name for name, _ in caught.value.path] == ["a", "b", "a"]
    assert str(caught.value).startswith("these providers need each other in a circle: a (")


def test_a_long_circle_is_printed_short() -> None:
    edges = {f"s{i}": [f"s{(i + 1) % 50}"] for i in range(50)}
    with pytest.raises(CycleError) as caught:
        Registry().plan(wired(edges))
    line = str(caught.value).splitlines()[0]
    assert len(caught.value.path) == 51
    assert (line.count("→"), "… 41 more …" in line) == (10, True)
    assert [name for name, _ in caught.value.path][-2:] == ["s49", "s0"]


# Size.


@pytest.mark.usefixtures("untraced")
def test_chains_and_circles_of_50_000_steps_are_planned_without_recursion_and_fast() -> None:
    edges = {f"s{i}": [f"s{i - 1}"] if i else [] for i in range(50_000)}
    started = time.process_time()
    chain = wired(edges)
    assert len(Registry().plan(chain).steps) == 50_000
    first = replace(chain.steps[0], after=("s49999",))
    circle = replace(chain, steps=(first, *chain.steps[1:]), own={**chain.own, "s0": first})
    with pytest.raises(CycleError):
        Registry().plan(circle)
    assert time.process_time() - started < 20


def cost(count: int) -> float:
    """Return the CPU seconds a step that building and planning a chain with one shared input takes."""
    started = time.process_time()
    builder = FlowBuilder("flow").step(lambda root: root, name="s0")
    for number in range(1, count):
        builder.step(lambda root, before: root, name=f"s{number}", needs={"before": f"s{number - 1}"})
    plan = Registry().plan(builder.then(lambda: 1, name="end").build(), {"root": 1})
    assert len(plan.batches) == count + 1
    return (time.process_time() - started) / count


@pytest.mark.usefixtures("untraced")
def test_the_cost_of_a_step_does_not_grow_with_their_number() -> None:
    cost(100)
    small = min(cost(1000) for _ in range(3))
    assert cost(20_000) < 6 * small


@pytest.mark.usefixtures("untraced")
def test_a_step_takes_little_memory() -> None:
    gc.collect()
    tracemalloc.start()
    builder = FlowBuilder("flow").step(lambda: 1, name="s0")
    for number in range(1, 5000):
        builder.step(after, name=f"s{number}", needs={"before": f"s{number - 1}"})
    plan = Registry().plan(builder.build())
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken / len(plan.steps) < 1400


def after(before: int) -> int:
    return before
