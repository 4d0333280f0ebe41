"""What the calls of a body are known by: the function, what it is given, and the number among equal ones."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from flowbuilder import FlowBuilder, Registry, Secret
from flowbuilder.durable.marks import Marks
from flowbuilder.durable.prints import CodeMarks
from flowbuilder.store.canonical import UnstableError

PLAN = Registry().plan(FlowBuilder("flow").step(lambda: None, name="body").build())


class Tool:
    def __call__(self) -> None: ...

    def ask(self) -> None: ...


TOOL = Tool()


def key(fn: Callable[..., Any], *, above: bytes = b"", marks: Marks | None = None, **arguments: Any) -> bytes:
    """Return the key of a call, the first of its kind unless ``marks`` has seen others."""
    assert PLAN.inner is not None
    marks = marks or Marks(above, lambda: {id(TOOL): "tool"}, CodeMarks())
    return marks.key(marks.base(PLAN.inner(fn, 0, frozenset(arguments)), {}), arguments)


def load(a: Any = None, b: Any = None) -> None: ...


def save(a: Any = None, b: Any = None) -> None: ...


def adder(more: Any) -> Any:
    def add(a: int) -> Any:
        return a, more

    return add


@dataclass(frozen=True)
class Point:
    x: int


@dataclass
class Cursor:
    x: int

    def move(self, a: int) -> None: ...


PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)


@settings(max_examples=50, deadline=None)
@given(first=PLAIN | st.lists(PLAIN, max_size=3), second=PLAIN | st.lists(PLAIN, max_size=3))
def test_calls_are_one_where_their_arguments_are_the_same_and_of_one_type(first: Any, second: Any) -> None:
    same = repr(first) == repr(second)
    assert (key(load, a=first) == key(load, a=second)) is same


def test_each_part_counts() -> None:
    keys = [
        key(load), key(load, a=1), key(load, b=1), key(load, a=1, b=1), key(save), key(load, above=b"x"),
        key(partial(load, a=1)), key(partial(load, a=2)), key(Cursor(1).move, a=1), key(Cursor(2).move, a=1),
        key(adder(1), a=1), key(adder(2), a=1), key(adder(Point(1)), a=1), key(adder(TOOL), a=1),
        key(lambda a: a, a=1), key(lambda a: -a, a=1), key(load, a=Secret("x")), key(load, a=Secret("y")),
        key(adder("x".join), a=1), key(adder("y".join), a=1), key(adder(math.sqrt), a=1), key(adder(math.exp), a=1),
        key(adder(TOOL.ask), a=1), key(adder(Tool.__call__), a=1), key(adder(partial(load, TOOL)), a=1),
        key(load, a=TOOL), key(load, a=load), key(load, a=save), key(load, a=Point), key(load, a=Path),
    ]  # fmt: skip
    assert len(set(keys)) == len(keys)
    assert key(adder(1), a=1) == keys[10]


def test_equal_calls_are_told_apart_by_their_number() -> None:
    marks = Marks(b"", dict, CodeMarks())
    keys = [key(load, marks=marks, a=a) for a in (1, 2, 1, 1, 2)]
    assert len(set(keys)) == 5
    assert keys == [key(load, marks=again, a=a) for again in [Marks(b"", dict, CodeMarks())] for a in (1, 2, 1, 1, 2)]


def recursive() -> Any:
    def down(a: int) -> Any:
        return down(a - 1) if a else up

    def up(a: int) -> Any:
        return down(a)

    return up


def test_functions_that_need_each_other_are_known() -> None:
    assert key(recursive(), a=1) == key(recursive(), a=1)


UNSETTLED = [[], {}, set(), bytearray(), Cursor(1), object(), (1, []), {"a": 1}]
UNSETTLED += [[].append, Cursor(1).move, partial(load, []), partial(load, b=[]), partial([].append), (Cursor(1).move,)]


@pytest.mark.parametrize("shared", UNSETTLED)
def test_a_function_that_shares_what_may_change_is_not_known(shared: Any) -> None:
    with pytest.raises(UnstableError, match=r"^its variable more is .*, which it shares with the body it is from$"):
        key(adder(shared), a=1)


def test_a_function_is_not_known_where_one_inside_it_changes_a_variable_of_the_body() -> None:
    count = 0

    def tally(a: int) -> Any:
        def add() -> None:
            nonlocal count
            count += a

        return add

    with pytest.raises(UnstableError, match=r"which changes count of the body it is from$"):
        key(tally, a=1)


def test_an_object_that_says_nothing_stable_is_not_known() -> None:
    with pytest.raises(UnstableError, match=r"^a\[1\] is <object object at .*>, and a object says nothing stable"):
        key(load, a=[1, object()])


class Hostile:
    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError("go away")


def test_an_object_that_cannot_be_looked_into_is_not_known() -> None:
    with pytest.raises(UnstableError, match=r"^a is <unprintable Hostile: RuntimeError>, which cannot be looked into"):
        key(load, a=Hostile())


def test_keys_are_the_same_in_another_process() -> None:
    code = "from tests.durable.test_marks import *; print(key(adder(frozenset('abc')), a={'b', 'c'}).hex())"
    environ = {"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": "1"}
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environ)
    assert found.stdout.strip() == key(adder(frozenset("abc")), a={"b", "c"}).hex()
