"""A workflow is requested by name like a step, and brings steps of its own along."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, strategies as st

from flowbuilder import FlowBuilder, ParallelConfig, Registry, WorkflowDefinition
from flowbuilder.errors import CycleError, FlowBuilderError, InputError, PlanError
from flowbuilder.plan.build import PlanOptions
from flowbuilder.plan.given import Text
from flowbuilder.plan.pieces import Kind
from flowbuilder.plan.plan import Plan
from tests.conftest import Collect

HEAD = "from flowbuilder import provider, step, workflow\n"


def steps(plan: Plan) -> list[str]:
    return [step.name for step in plan.steps]


def place(fn: Any) -> str:
    return f"{__file__}:{fn.__code__.co_firstlineno}"


def sales_flows() -> Registry:
    """Return a registry with a workflow ``sales`` of two steps and the input ``path``."""
    flows = Registry()

    @flows.step
    def load(path: str) -> list[str]:
        return [path]

    @flows.step
    def clean(load: list[str]) -> list[str]:
        return load

    @flows.workflow
    def sales(clean: list[str]) -> list[str]:
        return clean

    return flows


def monthly(flows: Registry) -> Registry:
    flows.workflow(name="month")(lambda sales: sales)
    return flows


def sources(plan: Plan, step: str) -> dict[str, tuple[Kind, str]]:
    return {one.parameter: (one.kind, one.source) for one in plan.by_name[step].bindings}


# Its steps.


def test_its_steps_and_its_body_join_the_plan_under_its_name() -> None:
    plan = monthly(sales_flows()).plan("month", {"path": "a"})
    assert steps(plan) == ["sales.load", "sales.clean", "sales", "month"]
    assert sources(plan, "sales") == {"clean": (Kind.STEP, "sales.clean")}
    assert (plan.body, plan.sub_workflows, plan.sinks) == ("month", ("sales",), ("month",))
    assert plan.batches == (("sales.load",), ("sales.clean",), ("sales",), ("month",))
    assert plan.critical_path == ("sales.load", "sales.clean", "sales", "month")


def test_it_is_requested_in_every_way_a_step_is() -> None:
    flows = sales_flows()
    sales: Any = flows["sales"]
    made = {
        "parameter": flows.step(name="parameter")(lambda sales: sales),
        "needs": flows.step(name="needs", needs={"rows": sales})(lambda rows: rows),
        "after": flows.step(name="after", after=(sales,))(lambda: None),
        "each": flows.step(name="each", each={"row": sales})(lambda row: row),
        "when": flows.step(name="when", when=lambda sales: sales)(lambda: None),
        "on_error": flows.step(name="on_error", on_error=lambda sales: sales)(lambda: None),
        "steps": flows.workflow(name="steps", steps=[sales])(lambda: None),
    }
    for name, fn in made.items():
        plan = flows.plan(fn, {"path": "a"})
        assert steps(plan) == ["sales.load", "sales.clean", "sales", name]
        assert plan.by_name[name].upstream == ("sales",)


def test_a_sub_workflow_in_a_sub_workflow_has_both_names() -> None:
    flows = monthly(sales_flows())
    flows.workflow(name="year")(lambda month: month)
    assert steps(flows.plan("year", {"path": "a"})) == [
        "month.sales.load",
        "month.sales.clean",
        "month.sales",
        "month",
        "year",
    ]


def test_one_that_several_steps_request_is_there_once() -> None:
    flows = sales_flows()
    flows.step(name="report")(lambda sales: sales)
    flows.workflow(name="month")(lambda report, sales: report)
    assert steps(flows.plan("month", {"path": "a"})) == ["sales.load", "sales.clean", "sales", "report", "month"]


def test_what_one_function_is_in_two_workflows_are_two_steps() -> None:
    flows = sales_flows()
    flows.workflow(name="stock")(lambda load: load)
    flows.workflow(name="month")(lambda sales, stock, load: load)
    assert steps(flows.plan("month", {"path": "a"})) == [
        "sales.load",
        "sales.clean",
        "sales",
        "stock.load",
        "stock",
        "load",
        "month",
    ]


def test_providers_are_shared_by_all() -> None:
    flows = Registry()
    flows.provider(name="api")(lambda url: url)
    flows.step(name="load")(lambda api: api)
    flows.workflow(name="sales")(lambda load: load)
    flows.workflow(name="month")(lambda sales, load: load)
    plan = flows.plan("month", {"url": "here"})
    assert (list(plan.providers), list(plan.inputs)) == (["api"], ["url"])
    assert plan.by_name["sales.load"].providers == plan.by_name["load"].providers == ("api",)


def test_its_steps_look_names_up_where_they_are_written(collect: Collect) -> None:
    collect(HEAD + "@step\ndef rows(): ...\n@workflow\ndef sales(rows): ...\n", "sales.py")
    flows = collect(
        HEAD + "from sales import sales\n@step\ndef rows(): ...\n@workflow\ndef month(sales, rows): ...\n", "flow_m.py"
    )
    plan = flows.plan("month")
    assert steps(plan) == ["sales.rows", "sales", "rows", "month"]
    modules = [plan.by_name[name].definition.module.rpartition(".")[2] for name in ("sales.rows", "rows")]
    assert modules == ["sales", "flow_m"]


def test_what_a_builder_brings_along_is_for_its_own_steps_alone() -> None:
    def total(rows: int) -> int:
        return rows

    inner = FlowBuilder("inner").step(lambda: 1, name="rows").step(total).build()
    outer = FlowBuilder("outer").step(lambda: 2, name="rows").step(inner).step(total)
    plan = Registry().plan(outer.step(lambda inner: inner, name="last").build())
    assert steps(plan) == ["rows", "inner.rows", "inner.total", "inner", "total", "last"]
    assert sources(plan, "inner.total")["rows"] == (Kind.STEP, "inner.rows")
    assert sources(plan, "total")["rows"] == (Kind.STEP, "rows")


def test_a_step_is_asked_for_by_its_own_name_only() -> None:
    flows = sales_flows()
    flows.step(name="odd", needs={"rows": "sales.load"})(lambda rows: rows)
    with pytest.raises(FlowBuilderError, match=r"there is no step named 'sales\.load'"):
        flows.plan("odd")


# One without a body.


def test_one_without_a_body_gives_the_values_of_its_last_steps_by_name() -> None:
    flow = FlowBuilder("inner").step(lambda: 1, name="a").step(lambda a: a, name="b").step(lambda a: a, name="c")
    outer = FlowBuilder("outer").step(flow.build()).step(lambda inner: inner, name="last").build()
    plan = Registry().plan(outer)
    assert steps(plan) == ["inner.a", "inner.b", "inner.c", "inner", "last"]
    assert sources(plan, "inner") == {"b": (Kind.STEP, "inner.b"), "c": (Kind.STEP, "inner.c")}
    assert plan.by_name["inner"].upstream == ("inner.b", "inner.c")
    assert (plan.sinks, plan.body) == (("last",), None)


def test_a_sub_workflow_is_among_the_last_steps_of_one_without_a_body() -> None:
    inner = FlowBuilder("inner").step(lambda: 1, name="a").build()
    middle = FlowBuilder("middle").step(inner).step(lambda: 2, name="b").build()
    plan = Registry().plan(FlowBuilder("outer").step(middle).build())
    assert steps(plan) == ["middle.inner.a", "middle.inner", "middle.b", "middle"]
    assert sources(plan, "middle") == {"inner": (Kind.STEP, "middle.inner"), "b": (Kind.STEP, "middle.b")}


# What it cannot be.


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ({"timeout": 5}, "timeout"),
        ({"resources": {"db": 1}}, "resources"),
        ({"config": ParallelConfig(), "timeout": 5}, "timeout, config"),
    ],
)
def test_one_that_declares_something_for_its_run_is_refused(words: Mapping[str, Any], named: str) -> None:
    flows = Registry()
    sales = flows.workflow(name="sales", **words)(lambda: 1)

    @flows.workflow
    def month(sales: int) -> None: ...

    with pytest.raises(PlanError) as caught:
        flows.plan(month)
    assert str(caught.value) == (
        f"'month' requests the workflow 'sales' ({place(sales)}), which declares {named} for a run of its own"
        f" ({place(month)})\n  hint: give it a run of its own, in a body: await ctx.run(sales)"
    )
    assert steps(flows.plan(month, overrides={"sales": 1})) == ["month"]


def test_its_priority_is_that_of_the_run_it_is_part_of() -> None:
    flows = Registry()
    flows.workflow(name="sales", priority=7)(lambda: 1)
    plan = flows.plan(flows.workflow(name="month", priority=2)(lambda sales: sales))
    assert plan.workflow.priority == 2


def test_a_provider_cannot_request_one() -> None:
    flows = monthly(sales_flows())

    @flows.provider
    def api(sales: str) -> str:
        return sales

    with pytest.raises(PlanError) as caught:
        flows.plan(flows.step(name="get")(lambda api: api), {"path": "a"})
    assert str(caught.value) == (
        f"the provider 'api' requests the workflow 'sales' ({place(api)})"
        "\n  allowed: a provider may request providers and inputs"
    )


def test_a_circle_of_workflows_is_printed_in_order_with_places() -> None:
    flows = Registry()

    @flows.workflow
    def sales(month: int) -> None: ...

    @flows.workflow
    def month(sales: int) -> None: ...

    with pytest.raises(CycleError) as caught:
        flows.plan(month)
    assert str(caught.value).splitlines()[0] == (
        "these workflows need each other in a circle:"
        f" month ({place(month)}) → sales ({place(sales)}) → month ({place(month)})"
    )


def test_a_circle_through_steps_names_them_too() -> None:
    flows = Registry()

    @flows.step
    def load(month: int) -> None: ...

    @flows.workflow
    def sales(load: int) -> None: ...

    @flows.step
    def report(sales: int) -> None: ...

    month = flows.workflow(name="month", steps=[report])(lambda: None)
    with pytest.raises(CycleError) as caught:
        flows.plan(month)
    names = [name for name, _ in caught.value.path]
    assert names == ["report", "sales", "sales.load", "month", "report"]


@pytest.mark.parametrize("has_body", [True, False])
def test_one_that_requests_itself_is_a_circle(has_body: bool) -> None:
    flows = Registry()
    if has_body:
        flows.workflow(name="sales", timeout=5)(lambda sales: sales)
    else:
        flows.add(FlowBuilder("sales").step(lambda sales: sales, name="load").build())
    with pytest.raises(CycleError) as caught:
        flows.plan("sales")
    names = [name for name, _ in caught.value.path]
    assert names == (["sales", "sales"] if has_body else ["load", "sales", "load"])


def test_a_wrong_edge_names_the_step_of_the_sub_workflow() -> None:
    flows = Registry()

    @flows.step
    def load() -> str:
        return ""

    @flows.workflow
    def sales(load: int) -> str:
        return ""

    @flows.workflow
    def month(sales: int) -> None: ...

    with pytest.raises(PlanError, match=r"'sales' wants load: int, but 'sales\.load' gives str"):
        flows.plan(month)
    with pytest.raises(PlanError, match="'month' wants sales: int, but 'sales' gives str"):
        flows.plan(month, overrides={"sales.load": 1})


# Its inputs.


def test_an_input_is_shared_by_name() -> None:
    flows = sales_flows()
    flows.workflow(name="month")(lambda sales, path: path)
    found = flows.plan("month", {"path": "a"}).inputs
    assert list(found) == ["path"]
    assert (found["path"].requested_by, found["path"].qualified) == (("month", "sales.load"), ("sales.path",))


def test_a_qualified_value_is_for_the_sub_workflow_alone() -> None:
    flows = sales_flows()
    flows.workflow(name="month")(lambda sales, path: path)
    plan = flows.plan("month", {"path": "a", "sales.path": Text("b", "-P")})
    assert {name: one.value for name, one in plan.inputs.items()} == {"path": "a", "sales.path": "b"}
    assert sources(plan, "sales.load")["path"] == (Kind.INPUT, "sales.path")
    assert sources(plan, "month")["path"] == (Kind.INPUT, "path")


def test_the_innermost_qualified_value_is_taken() -> None:
    flows = monthly(sales_flows())
    flows.workflow(name="year")(lambda month: month)
    for params, taken in (({"month.path": "b"}, "b"), ({"month.path": "b", "month.sales.path": "c"}, "c")):
        plan = flows.plan("year", params, options=PlanOptions(allow_unknown=True))
        assert [one.value for one in plan.inputs.values()] == [taken]


def test_a_body_takes_a_qualified_value_too() -> None:
    flows = Registry()
    flows.workflow(name="sales")(lambda path: path)
    plan = flows.plan(flows.workflow(name="month")(lambda sales: sales), {"sales.path": "b"})
    assert sources(plan, "sales")["path"] == (Kind.INPUT, "sales.path")


def test_a_qualified_name_that_nothing_asks_for_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError) as caught:
        monthly(sales_flows()).plan("month", {"path": "a", "sales.pth": "b"})
    assert str(caught.value) == (
        "there is no input named 'sales.pth'\n  got: 'b'\n  allowed: path\n  hint: did you mean 'sales.path'?"
    )


def test_an_input_of_two_types_is_refused_and_may_be_qualified() -> None:
    flows = Registry()

    @flows.workflow
    def sales(day: int) -> None: ...

    @flows.workflow
    def month(sales: None, day: str) -> None: ...

    with pytest.raises(InputError) as caught:
        flows.plan(month, {"day": "1"})
    assert str(caught.value) == (
        f"the input 'day' is used with two types ({place(sales)})"
        f"\n  got: str in 'month' ({place(month)}), int in 'sales'"
        "\n  hint: annotate both alike, or give sales one of its own: -P sales.day=…"
    )
    plan = flows.plan(month, {"day": "1", "sales.day": 2})
    assert plan.params == {"sales.day": 2, "day": "1"}


def test_one_without_a_value_names_the_step_of_the_sub_workflow() -> None:
    with pytest.raises(InputError) as caught:
        monthly(sales_flows()).plan("month")
    assert caught.value.what.startswith("'sales.load' needs 'path'")


# Overrides.


def test_a_step_of_a_sub_workflow_is_overridden_by_its_qualified_name() -> None:
    flows = sales_flows()
    flows.workflow(name="month")(lambda sales, load: load)
    assert steps(flows.plan("month", {"path": "a"}, {"sales.load": []})) == ["sales.clean", "sales", "load", "month"]
    assert steps(flows.plan("month", {}, {"load": []})) == ["sales.clean", "sales", "month"]
    assert steps(flows.plan("month", {}, {flows["load"]: []})) == ["sales.clean", "sales", "month"]


def test_the_name_that_says_most_wins() -> None:
    flows = sales_flows()
    flows.workflow(name="month")(lambda sales, load: load)
    plan = flows.plan("month", {}, {"load": 1, "sales.load": 2})
    values = [plan.by_name[name].bindings[-1].value for name in ("sales.clean", "month")]
    assert values == [2, 1]


def test_a_whole_sub_workflow_is_overridden_by_name_or_function() -> None:
    flows = monthly(sales_flows())
    for key in ("sales", flows["sales"]):
        assert steps(flows.plan("month", {}, {key: []})) == ["month"]


def test_what_cannot_be_overridden_names_what_can() -> None:
    with pytest.raises(FlowBuilderError) as caught:
        monthly(sales_flows()).plan("month", {"path": "a"}, {"sales.laod": 1})
    assert str(caught.value) == (
        "there is no step or provider to override named 'sales.laod'"
        "\n  allowed: month, sales, sales.clean, sales.load"
        "\n  hint: did you mean 'sales.load' or 'sales.clean' or 'sales'?"
    )


# Pictures.


def test_pictures_and_words_say_the_qualified_names() -> None:
    plan = monthly(sales_flows()).plan("month", {"sales.path": "a"})
    assert 's0["sales.load"]' in plan.to_mermaid()
    assert '"sales.load" -> "sales.clean"' in plan.to_dot()
    assert "sales.path = 'a' (params=)" in plan.explain()
    assert "  sales.load\n      path ← input sales.path\n" in plan.explain()
    assert "  sales  (body)\n      clean ← step sales.clean\n" in plan.explain()


# Wherever it is part of a plan, it is the same.


@st.composite
def nested(draw: st.DrawFn, depth: int = 0) -> WorkflowDefinition:
    """Draw a workflow of steps and sub-workflows that come after one another, down to some depth."""
    builder = FlowBuilder(f"flow_{depth}_{draw(st.integers(0, 2))}")
    added: list[Any] = []
    for number in range(draw(st.integers(1, 4))):
        if depth < 3 and draw(st.integers(0, 3)) == 0:
            inner = draw(nested(depth + 1))
            if all(one.name != inner.name for one in added):
                added.append(inner)
                builder.step(inner)
            continue
        after = draw(st.lists(st.sampled_from(added), max_size=2)) if added else []
        name = f"step_{number}"
        builder.step(lambda: None, name=name, after=[one.name for one in after])
        added.append(builder.step(lambda: None, name=f"{name}_too").build().own[name])
    return builder.step(lambda: None, name="last").build()


def parts(plan: Plan, prefix: str = "") -> dict[str, tuple[str, ...]]:
    """Return the upstream of each step whose name has a prefix, all without it."""
    mine = [step for step in plan.steps if step.name.startswith(prefix)]
    return {one.name.removeprefix(prefix): tuple(name.removeprefix(prefix) for name in one.upstream) for one in mine}


@given(nested())
def test_a_sub_workflow_is_the_same_as_by_itself(flow: WorkflowDefinition) -> None:
    plan = Registry().plan(flow)
    place = {name: number for number, name in enumerate(steps(plan))}
    assert len(place) == len(plan.steps)
    assert all(place[name] < place[step.name] for step in plan.steps for name in step.upstream)
    for name in plan.sub_workflows:
        definition = plan.by_name[name].definition
        assert isinstance(definition, WorkflowDefinition)
        alone = Registry().plan(replace(definition, fn=None))
        assert parts(plan, f"{name}.") == parts(alone)
        assert {one.parameter for one in plan.by_name[name].bindings} == set(alone.sinks)
