"""Values given from code fit their annotation, or are refused."""

from __future__ import annotations

import inspect
from collections import UserList
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import (
    Any,
    Literal,
)

import pytest

from flowbuilder.plan.convert import converted
from tests.plan.samples import Client, HasName, Part, T, UserId, Wheel, refused


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (5, int),
        (True, int),
        (5, float),
        (5, float | None),
        (None, None),
        ("x", inspect.Parameter.empty),
        ([1], list[int]),
        ([1, 2.5], list[float]),
        ((1, "a"), tuple[int, str]),
        ((1, 2), tuple[int, ...]),
        ({"a": [1]}, dict[str, list[int]]),
        ("abc", Sequence[str]),
        (UserList([1]), Sequence[int]),
        ({"size": 1}, Wheel),
        (5, UserId),
        ("fast", Literal["fast"]),
        (Part("a"), Part),
        (5, "Unresolved"),
        (5, T),
        ([5], list["Unresolved"]),  # type: ignore[name-defined]  # noqa: F821  # as a user may write it
        (5, HasName),
        (5, Callable[[], int]),
        (int, type[int]),
        (object(), object),
        (5, Any),
        (5, 5),
    ],
)
def test_a_value_from_code_that_fits_is_returned_itself(value: object, annotation: object) -> None:
    assert converted("x", value, annotation, None) is value


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        ("5", int),
        (5, str),
        (None, int),
        (5.0, int),
        (Decimal(1), float),
        ([1, "a"], list[int]),
        ((1, 2), tuple[int]),
        ([1], tuple[int, ...]),
        ({"a": 1}, dict[str, str]),
        ("slow", Literal["fast"]),
        (True, Literal[1]),
        ("x", int | list[int]),
        ([], Wheel),
        ({}, Part),
        (5, Path),
        ("", Path),
    ],
)
def test_a_value_from_code_of_another_type_is_refused(value: object, annotation: object) -> None:
    refused(value, annotation)


def test_a_str_from_code_becomes_the_path_it_is_given_for() -> None:
    assert converted("root", "src", Path, None) == Path("src")
    assert converted("root", "src", Path | None, None) == Path("src")
    assert converted("root", "src", str | Path, None) == "src"


def test_only_the_first_items_of_a_long_list_are_judged() -> None:
    value = [1] * 5000 + ["a"]
    assert converted("x", value, list[int], None) is value


def test_a_class_that_was_executed_again_is_the_same_class() -> None:
    again = type("Client", (), {"__qualname__": "Client", "__module__": "elsewhere"})
    value = again()
    assert converted("x", value, Client, None) is value


def test_a_class_that_refuses_to_be_asked_is_not_judged() -> None:
    class Moody(type):
        def __instancecheck__(cls, instance: object) -> bool:
            raise RuntimeError("not today")

    class Thing(metaclass=Moody):
        pass

    assert converted("x", 5, Thing, None) == 5
