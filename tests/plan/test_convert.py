"""Values given for inputs become what the annotation asks for, or an error that says what to type."""

from __future__ import annotations

import inspect
import json
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import (
    Any,
    Literal,
)
from uuid import UUID

import pydantic
import pytest
from hypothesis import given, strategies as st

from flowbuilder.errors import InputError, Where
from flowbuilder.plan.convert import converted
from flowbuilder.plan.given import Given, Text
from tests.plan.samples import (
    Checked,
    Client,
    Colour,
    HasName,
    Level,
    Machine,
    Model,
    Odd,
    Part,
    Point,
    Port,
    T,
    UserId,
    Wheel,
    read,
    refused,
)


@pytest.mark.parametrize(
    "annotation",
    [None, inspect.Parameter.empty, Any, object, "Unresolved", T, HasName, 5],
)
def test_text_stays_text_where_no_type_is_known(annotation: object) -> None:
    assert read("5", annotation) == "5"


@pytest.mark.parametrize(
    ("text", "annotation", "value"),
    [
        ("none", int | None, None),
        ("", typing.Optional[str], None),  # noqa: UP045  # a spelling that old code has
        ("5", int | None, 5),
        ("5", str | int, 5),
        ("five", str | int, "five"),
        ("5", float | int, 5),
        ("1", bool | int, 1),
        ("true", int | bool, True),
        ("auto", int | Literal["auto"], "auto"),
        ("a,b", str | list[str], "a,b"),
        ('["a"]', str | list[str], ["a"]),
        ("[draft] b", str | list[str], "[draft] b"),
        ("a,b", list[str] | None, ["a", "b"]),
        ("2024-05-31", date | str, date(2024, 5, 31)),
        ("any", T | int, "any"),
    ],
)
def test_a_union_takes_the_narrowest_type_that_fits(text: str, annotation: object, value: object) -> None:
    made = read(text, annotation)
    assert made == value
    assert type(made) is type(value)


@pytest.mark.parametrize(
    ("text", "annotation", "value"),
    [
        ("1, 2", list[int], [1, 2]),
        ("[1, 2]", list[int], [1, 2]),
        ("", list[int], []),
        ("a", list, ["a"]),
        ("5s,1m", tuple[timedelta, ...], (timedelta(seconds=5), timedelta(minutes=1))),
        ("a,1", tuple[str, int], ("a", 1)),
        ("", tuple[()], ()),
        ("a,b", typing.Tuple, ("a", "b")),  # noqa: UP006  # a spelling that old code has
        ("1,1", set[int], {1}),
        ("1,2", frozenset[int], frozenset({1, 2})),
        ("a,b", Sequence[Path], [Path("a"), Path("b")]),
        ("a", Iterable[str], ["a"]),
        ("[[1], [2, 3]]", list[list[int]], [[1], [2, 3]]),
        ('["2024-05-31"]', list[date], [date(2024, 5, 31)]),
        ('["none", null]', list[str | None], ["none", None]),
        ('["5", 5, 5.5]', list[int | str | float], ["5", 5, 5.5]),
        (
            '["red", "LOW", 2]',
            list[Colour | Level],
            [Colour.RED, Level.LOW, Level.HIGH],
        ),
        ("[1, 2.5]", list[float], [1.0, 2.5]),
        ("[1, 2.5]", list[Decimal], [Decimal(1), Decimal("2.5")]),
        ("[80]", list[Port], [Port(80)]),
        ('[1, "a"]', tuple[int, *tuple[str, ...]], (1, "a")),
        ('{"a": 1}', dict[str, int], {"a": 1}),
        ('{"1": "b"}', dict[int, Path], {1: Path("b")}),
        ('{"a": [1]}', Mapping[str, list[int]], {"a": [1]}),
        ('{"a": [1, {}]}', dict, {"a": [1, {}]}),
    ],
)
def test_text_becomes_a_container(text: str, annotation: object, value: object) -> None:
    made = read(text, annotation)
    assert made == value
    assert type(made) is type(value)


@pytest.mark.parametrize(
    ("text", "annotation"),
    [
        ("", int),
        ("five", int),
        ("9" * 5000, int),
        ("1e999", float),
        ("maybe", bool),
        ("", Path),
        ("a\0b", Path),
        ("\udcff", str),
        ("\udcff", None),
        ("12", UUID),
        ("1.2.3", Decimal),
        ("2024-13-01", date),
        ("25:00", time),
        ("5", timedelta),
        ("P", timedelta),
        ("P1Y", timedelta),
        ("9" * 400 + "s", timedelta),
        ("blue", Colour),
        ("two", Odd),
        ("medium", Literal["fast", "slow"]),
        ("x", type(None)),
        ("x", int | float),
        ("1,x", list[int]),
        ("1,2", list[list[int]]),
        ("1", tuple[int, str]),
        ("[[1]]", set),
        ('{"a": 1}', list[int]),
        ("[1]", dict),
        ("a=1", dict),
        ('{"1": 1, "01": 2}', dict[int, int]),
        ("[true]", list[int]),
        ("[1]", list[bool]),
        ("[1]", list[str]),
        ("[3]", list[Colour]),
        ('["none"]', list[int | None]),
        ('[{"x": 1}]', list[Point]),
        ('{"name": 1}', Part),
        ("{}", Part),
        ('{"name": "forbidden"}', Machine),
        ('{"size": 1, "extra": 2}', Wheel),
        ('{"name": "a", "size": "x"}', Model),
        ('{"name": "a", "name": "b"}', Model),
        ('{"size": 0}', Checked),
        ("x", Client),
        ("x", type[int]),
        ("x", Callable[[], int]),
        ("x" * 2_000_000, str),
        ("é" * 600_000, str),
    ],
)
def test_text_of_another_type_is_refused(text: str, annotation: object) -> None:
    refused(Text(text, "-P"), annotation)


@pytest.mark.parametrize(
    ("data", "annotation", "value"),
    [
        (["a"], list[Path], [Path("a")]),
        (5, float, 5.0),
        (5, int, 5),
        (None, int | None, None),
        ({"name": "a"}, Part, Part("a")),
        ({"name": "a"}, Model, Model(name="a")),
        (date(2024, 5, 31), date, date(2024, 5, 31)),
        ([1, "a"], None, [1, "a"]),
        (1, Level, Level.LOW),
        (1, Level | str, Level.LOW),
        ("fast", Literal["fast"], "fast"),
        (2, Literal[1, 2], 2),
    ],
)
def test_data_of_a_file_is_converted(data: object, annotation: object, value: object) -> None:
    made = converted("x", Given(data, "--params p.json"), annotation, None)
    assert made == value
    assert type(made) is type(value)


def test_a_number_of_a_file_is_no_text() -> None:
    error = refused(Given(3, "--params p.toml"), str)
    assert str(error) == (
        "the input 'x' cannot be read as str\n  got: 3 (--params p.toml)\n  allowed: str\n  hint: put it in quotes"
    )


def test_data_that_holds_itself_is_refused() -> None:
    data: list[Any] = []
    data.append(data)
    nested: Any = list[int]
    for _ in range(2000):
        nested = list[nested]
    refused(Given(data, "--params p.json"), nested)


def test_the_message_for_text_says_all() -> None:
    with pytest.raises(InputError) as caught:
        converted("count", Text("five", "-P"), int, Where("flow_a.py", 3))
    assert str(caught.value) == (
        "the input 'count' cannot be read as int (flow_a.py:3)\n  got: 'five' (-P)\n  allowed: a whole number, as in 5"
    )


def test_the_message_for_a_value_from_code_says_all() -> None:
    assert str(refused("five", int)) == "the input 'x' must be int\n  got: 'five' (str)"


def test_foreign_text_is_shown_escaped() -> None:
    with pytest.raises(InputError) as caught:
        converted("a\x1b[31m", Text('{"\x1b]0;": 1}', "-P\x07"), dict[str, str], None)
    assert not set("\x1b\x07") & set(str(caught.value))


@pytest.mark.parametrize("annotation", [int, Literal["a"], list[int], Odd])
def test_secrets_are_never_shown(annotation: object) -> None:
    with pytest.raises(InputError) as caught:
        converted("api_token", Text("hunter2", "environment"), annotation, None)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert "got: *** (environment)" in str(caught.value)


ANNOTATIONS = [
    *(
        int,
        float,
        complex,
        bool,
        str,
        bytes,
        Path,
        datetime,
        date,
        time,
        timedelta,
        Decimal,
        UUID,
        None,
        Any,
    ),
    *(
        Colour,
        Level,
        Odd,
        Literal["a", 1] | None,
        int | None,
        str | int | float,
        UserId,
        Port,
        Client,
        T,
        HasName,
    ),
    *(
        list,
        list[int],
        list[list[str]],
        tuple[int, str],
        tuple[int, ...],
        set,
        frozenset[float],
        Sequence[date],
    ),
    *(
        dict,
        dict[int, Any],
        dict[str, list[int] | None],
        Wheel,
        Point,
        Part,
        Machine,
        list[Part],
        Part | Wheel | int,
    ),
    *(
        Model,
        Checked,
        pydantic.SecretStr,
        list[Model],
        Callable[..., Any],
        type[int],
        "Unresolved",
    ),
]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["name", "size", "x"]), inner),
    max_leaves=8,
)


ANY_CHARACTER = st.text(st.characters())


LIKELY = st.text(st.sampled_from('0123456789-+.,:eEPTZsmhdw[]{}"\\ naNIiftu'), max_size=24)


@given(
    text=ANY_CHARACTER | LIKELY | JSON.map(json.dumps),
    annotation=st.sampled_from(ANNOTATIONS),
)
def test_junk_text_is_converted_or_refused(text: str, annotation: object) -> None:
    try:
        read(text, annotation)
    except InputError as error:
        assert all(line.isprintable() for line in str(error).splitlines())


@given(data=JSON, annotation=st.sampled_from(ANNOTATIONS))
def test_junk_data_is_converted_or_refused(data: object, annotation: object) -> None:
    try:
        converted("x", Given(data, "--params p.json"), annotation, None)
    except InputError as error:
        assert all(line.isprintable() for line in str(error).splitlines())


@given(value=JSON, annotation=st.sampled_from(ANNOTATIONS))
def test_junk_values_from_code_pass_or_are_refused(value: object, annotation: object) -> None:
    try:
        converted("x", value, annotation, None)
    except InputError as error:
        assert all(line.isprintable() for line in str(error).splitlines())
