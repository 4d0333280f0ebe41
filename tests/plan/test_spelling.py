"""A name is near another one if a slip of the finger lies between them."""

from __future__ import annotations

import pytest

from flowbuilder import Registry
from flowbuilder.plan.home import Home, Member
from flowbuilder.plan.spelling import Spelling

flows = Registry()


@flows.workflow
def report() -> None: ...


MEMBER = Member(Home(workflow=flows["report"]), flows["report"])  # type: ignore[arg-type]  # it is a workflow


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("measures", ["measure"]),
        ("mesure", ["measure"]),
        ("neasure", ["measure"]),
        ("measrue", ["measure"]),
        ("measure", []),
        ("measurement", []),
        ("row", []),
        ("rows", []),
        ("数据处理了", ["数据处理"]),
    ],
)
def test_one_letter_more_less_other_or_two_swapped_are_near(name: str, near: list[str]) -> None:
    assert Spelling(lambda member: ["measure", "row", "数据处理"]).near(name, MEMBER) == near


def test_the_names_of_a_place_are_looked_at_once() -> None:
    asked: list[Member] = []

    def names(member: Member) -> list[str]:
        asked.append(member)
        return ["measure"]

    spelling = Spelling(names)
    assert [spelling.near(name, MEMBER) for name in ("mesure", "summary")] == [["measure"], []]
    assert asked == [MEMBER]
