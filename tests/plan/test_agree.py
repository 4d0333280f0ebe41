"""Two annotations of an edge contradict each other only where it is plain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NewType, Protocol, TypedDict, TypeVar

import pytest
from hypothesis import given, strategies as st

from flowbuilder.plan.agree import contradicts, has_no_items, item_of

T = TypeVar("T")
Key = NewType("Key", int)


class Moody(type):
    def __subclasscheck__(cls, other: type) -> bool:
        raise TypeError("not today")


class Unasked(metaclass=Moody): ...


class Row(TypedDict):
    size: int


class Point(NamedTuple):
    x: int


class Sized(Protocol):
    size: int


@dataclass
class Stats:
    lines: int


class Many(list[int]): ...


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        *[(int, str), (str, int), (float, int), (str, Path), (Path, str), (type(None), int), (bytes, str)],
        *[(int, list), (list[int], int), (list, dict), (dict[str, int], list[str]), (int, Sequence[int])],
        *[(list[int], list[str]), (list[list[int]], list[list[str]]), (tuple[int, ...], Sequence[str])],
        *[(list, Stats), (Stats, int), (int, Stats), (str, Decimal), (int, Callable[[], int]), (int, PathLike)],
        *[(int | None, list[int]), (int, str | list[str]), (Key, str), (Annotated[int, "n"], str)],
    ],
)  # fmt: skip
def test_a_plain_contradiction_is_one(given: object, wanted: object) -> None:
    assert contradicts(given, wanted)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        *[(int, int), (int, float), (bool, int), (bool, float), (int, complex), (float, float)],
        *[(None, int), (int, None), (Any, int), (int, Any), (object, int), (int, object), ("Missing", int), (int, T)],
        *[(list[int], list), (list, list[int]), (list[int], Sequence[int]), (list[int], list[float])],
        *[(list[int], Iterable[Any]), (dict[str, int], Mapping[str, int]), (dict[str, int], dict[str, str])],
        *[(int | str, int), (int | None, int), (int, int | str), (int | str, str | bytes)],
        *[(Stats, Many), (list[int], Many), (Many, list), (date, datetime), (datetime, date), (int, Sized)],
        *[(dict, Row), (Point, tuple), (int, Literal[1]), (Literal[1], str), (Unasked, int), (int, Unasked)],
        *[(Sequence[int], list[int]), (Path, PathLike), (int, Key), (tuple[int, str], list[int] | tuple[int, str])],
    ],
)
def test_what_may_fit_is_no_contradiction(given: object, wanted: object) -> None:
    assert not contradicts(given, wanted)


@pytest.mark.parametrize("note", [int, str, bytes, float, Path, type(None), dict[str, int], int | None, Mapping])
def test_what_has_no_items_cannot_be_mapped_over(note: object) -> None:
    assert has_no_items(note)


@pytest.mark.parametrize("note", [None, Any, list[int], tuple[int, ...], Sequence, Stats, int | list[int], "Missing"])
def test_what_may_have_items_can(note: object) -> None:
    assert not has_no_items(note)


@pytest.mark.parametrize(
    ("note", "item"),
    [(list[int], int), (tuple[int, ...], int), (tuple[int, str], Any), (list, Any), (dict[str, int], Any)],
)
def test_items_are_of_the_type_the_array_names(note: object, item: object) -> None:
    assert item_of(note) == item


NOTES = [int, str, float, bool, Path, None, Any, list, list[int], list[str], dict, Stats, int | str, T, Sequence[int]]


@given(st.sampled_from(NOTES), st.sampled_from(NOTES))
def test_whatever_agrees_with_one_option_agrees_with_all_of_them(given: Any, wanted: Any) -> None:
    assert not contradicts(given, given)
    if not contradicts(given, wanted):
        assert not contradicts(given, wanted | int if isinstance(wanted, type) else wanted)
