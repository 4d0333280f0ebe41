"""Until says what ends the rounds of a step, and how far apart they are; each wrong argument has its own message."""

from __future__ import annotations

import math
from typing import Any

import pytest

from flowbuilder import Until
from flowbuilder.errors import DefinitionError

PREDICATE = "def or lambda that returns a bool"


def holds(result: int) -> bool:
    return result > 3


def test_a_round_a_second_and_a_hundred_of_them_if_nothing_else_is_said() -> None:
    until = Until(holds)
    assert (until.predicate, until.every, until.limit) == (holds, 1.0, 100)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"predicate": True}, f"Until(predicate) takes a function\n  got: True\n  allowed: {PREDICATE}"),
        ({"predicate": bool}, f"Until(predicate) takes a function\n  got: <class 'bool'>\n  allowed: {PREDICATE}"),
        ({"every": -1}, "Until(every=…) is too small\n  got: -1\n  allowed: 0 or more"),
        ({"every": "1s"}, "Until(every=…) takes a number\n  got: '1s'\n  allowed: 0 or more"),
        ({"every": math.inf}, "Until(every=…) takes a number\n  got: inf\n  allowed: 0 or more"),
        ({"limit": 0}, "Until(limit=…) takes a whole number of rounds\n  got: 0\n  allowed: 1 to 1000000"),
        ({"limit": None}, "Until(limit=…) takes a whole number of rounds\n  got: None\n  allowed: 1 to 1000000"),
        ({"limit": True}, "Until(limit=…) takes a whole number of rounds\n  got: True\n  allowed: 1 to 1000000"),
        ({"limit": 10**7}, "Until(limit=…) takes a whole number of rounds\n  got: 10000000\n  allowed: 1 to 1000000"),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_refused_at_once(words: dict[str, Any], message: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        Until(**({"predicate": holds} | words))
    assert str(caught.value) == message
