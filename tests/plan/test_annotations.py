"""Annotations are named in messages as their reader would write them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Literal,
)
from uuid import UUID

import attrs
import msgspec
import pytest
from typing_extensions import TypeAliasType

from flowbuilder.plan.annotations import Annotations, bare, field_names
from flowbuilder.plan.given import Text
from tests.plan.samples import Client, Colour, Machine, Model, Part, Point, Wheel, refused


@pytest.mark.parametrize(
    ("text", "annotation", "line"),
    [
        ("5.0", int, "hint: write 5"),
        ("5", timedelta, "hint: name the unit: 5s for seconds"),
        ("", Path, "hint: write . for the current folder"),
        ("blue", Colour, "allowed: RED, GREEN"),
        ("blue", Literal["red", 1], "allowed: red, 1"),
        (
            "blue",
            int | bool,
            "allowed: a whole number, as in 5 · true, false, yes, no, on, off, 1 or 0",
        ),
        ("1,x", list[int], "list[int]: item 2: 'x' is not int"),
        ("1,x", list[int], "allowed: a JSON array, or items separated by commas"),
        ("1", list[list[int]], "allowed: a JSON array\n"),
        ("1", dict[str, int], 'allowed: a JSON object, as in {"name": 1}'),
        ('{"a": "x"}', dict[str, int], "a: 'x' is not int"),
        ('{"nam": "a"}', Part, "there is no field 'nam'"),
        ('{"nam": "a"}', Part, "hint: did you mean 'name'?"),
        (
            '{"name": "a", "parts": [{"name": "b", "zz": 1}]}',
            Machine,
            "there is no field 'parts.0.zz'",
        ),
        ('{"name": 1}', Part, "Expected `str`, got `int` - at `name`"),
        ("1", Part, "allowed: a JSON object with name, file"),
        ("1", Point, "allowed: a JSON array of x, y"),
        ('{"name": "forbidden"}', Machine, "KeyError: 'forbidden'"),
        ('{"name": "a", "size": "x"}', Model, "size: Input should be a valid integer"),
        ("x", Client, "hint: give it from code"),
        ("12", UUID, "allowed: a UUID, as in"),
    ],
)
def test_messages_tell_what_to_type(text: str, annotation: object, line: str) -> None:
    assert line in str(refused(Text(text, "-P"), annotation)) + "\n"


def test_an_alias_is_what_it_stands_for() -> None:
    whole = TypeAliasType("whole", int)
    again: Any = TypeAliasType("again", whole)
    assert bare(Annotated[again, "why"]) is int


def test_an_alias_that_names_itself_may_be_anything() -> None:
    class TypeAliasType:
        @property
        def __value__(self) -> Any:
            return self

    assert bare(TypeAliasType()) is Any


def test_fields_of_every_kind_of_record_are_found() -> None:
    @attrs.define
    class Attrs:
        size: int
        _hidden: int = attrs.field(init=False, default=1)

    class Struct(msgspec.Struct):
        size: int

    assert field_names(Attrs) == field_names(Struct) == ("size",)
    assert field_names(Wheel) == ("size", "name")
    assert field_names(Point) == ("x", "y")
    assert field_names(int) is None


def test_annotations_of_a_function_are_read_once() -> None:
    def plain(a: int) -> None: ...

    annotations = Annotations()
    assert (annotations.of(plain, "a"), annotations.of(plain, "return")) == (int, type(None))
    plain.__annotations__ = {"a": str}
    assert annotations.of(plain, "a") is int
    assert annotations.of(plain, "b") is None
    assert annotations.of(lambda a: a, "a") is None
    assert annotations.of(None, "a") is None
