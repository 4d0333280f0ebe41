"""Names of one plan are each given to one definition."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, strategies as st

from flowbuilder.declare.definitions import StepDefinition
from flowbuilder.errors import Where
from flowbuilder.plan.names import Names

MADE = st.builds(
    lambda name, module: StepDefinition(fn=None, name=name, where=Where("a.py", 1), module=module),
    st.sampled_from(["a", "b", "m.a", "m.a~2"]),
    st.sampled_from(["m", "n"]),
)


@given(st.lists(MADE))
def test_no_two_definitions_are_called_alike(definitions: list[StepDefinition]) -> None:
    names = Names()
    given_out = [names.of(one) for one in definitions]
    assert len(set(given_out)) == len(given_out)
    assert [names.of(one) for one in definitions] == given_out
    assert list(names) == given_out


def test_the_first_keeps_its_own_name() -> None:
    names = Names()
    first = StepDefinition(fn=None, name="a", where=Where("a.py", 1), module="m")
    assert (names.of(first), names.of(replace(first)), names.of(replace(first))) == ("a", "m.a", "m.a~2")
