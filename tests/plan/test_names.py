"""Names of one plan are each given to one definition."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, strategies as st

from flowbuilder.declare.definitions import StepDefinition, WorkflowDefinition
from flowbuilder.errors import Where
from flowbuilder.plan.home import Home, Member
from flowbuilder.plan.homes import Homes
from flowbuilder.plan.names import Names

FLOW = WorkflowDefinition(fn=None, name="flow", where=Where("a.py", 9), module="m")

MADE = st.builds(
    lambda name, module: StepDefinition(fn=None, name=name, where=Where("a.py", 1), module=module),
    st.sampled_from(["a", "b", "m.a", "m.a~2"]),
    st.sampled_from(["m", "n"]),
)


@given(st.lists(MADE))
def test_no_two_definitions_are_called_alike(definitions: list[StepDefinition]) -> None:
    names, home = Names(), Home(workflow=FLOW)
    given_out = [names.of(Member(home, one)) for one in definitions]
    assert len(set(given_out)) == len(given_out)
    assert [names.of(Member(home, one)) for one in definitions] == given_out
    assert list(names) == given_out


def test_the_first_keeps_its_own_name() -> None:
    names, home = Names(), Home(workflow=FLOW)
    first = StepDefinition(fn=None, name="a", where=Where("a.py", 1), module="m")
    given_out = [names.of(Member(home, one)) for one in (first, replace(first), replace(first))]
    assert given_out == ["a", "m.a", "m.a~2"]


def test_a_name_that_reads_like_a_sub_workflows_step_is_told_apart_from_it() -> None:
    names = Names()
    homes = Homes(FLOW, names)
    written = StepDefinition(fn=None, name="sales.load", where=Where("a.py", 1), module="m")
    load, sales = replace(written, name="load"), replace(FLOW, name="sales")
    assert names.of(homes.member(homes.root, written)) == "sales.load"
    body = homes.member(homes.root, sales)
    assert [names.of(body), names.of(homes.member(body.home, load))] == ["sales", "sales.m.load"]


def test_two_sub_workflows_of_one_name_are_told_apart_with_all_their_steps() -> None:
    names = Names()
    homes = Homes(FLOW, names)
    load = StepDefinition(fn=None, name="load", where=Where("a.py", 1), module="m")
    bodies = [homes.member(homes.root, replace(FLOW, name="sales")) for _ in range(2)]
    given_out = [names.of(one) for body in bodies for one in (body, homes.member(body.home, load))]
    assert given_out == ["sales", "sales.load", "m.sales", "m.sales.load"]
