"""Values given for inputs become what the annotation asks for, or an error that says what to type."""

from __future__ import annotations

import enum
import inspect
import json
import subprocess
import sys
import typing
from collections import UserList
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    Protocol,
    TypedDict,
    TypeVar,
)
from uuid import UUID

import pydantic
import pytest
from hypothesis import given, strategies as st

from flowbuilder.errors import InputError, Where
from flowbuilder.plan.convert import Given, Text, converted

T = TypeVar("T")
UserId = NewType("UserId", int)


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Odd(enum.Enum):
    ONE = 1

    @classmethod
    def _missing_(cls, value: object) -> Odd:
        raise KeyError(value)


class Port(int):
    """An int of the user's own."""


class Wheel(TypedDict):
    size: int
    name: NotRequired[str]


class Point(NamedTuple):
    x: int
    y: int


@dataclass(frozen=True)
class Part:
    name: str
    file: Path = Path()


@dataclass(frozen=True)
class Machine:
    name: str
    parts: list[Part] = field(default_factory=list)
    built: date | None = None

    def __post_init__(self) -> None:
        if self.name == "forbidden":
            raise KeyError(self.name)


class Model(pydantic.BaseModel):
    name: str
    size: int = 1


@pydantic.dataclasses.dataclass
class Checked:
    size: Annotated[int, pydantic.Field(gt=0)]


class HasName(Protocol):
    name: str


class Client:
    """A class that nothing written can stand for."""


def read(text: str, annotation: object) -> object:
    return converted("x", Text(text, "-P"), annotation, None)


def refused(value: object, annotation: object) -> InputError:
    with pytest.raises(InputError) as caught:
        converted("x", value, annotation, None)
    return caught.value


@pytest.mark.parametrize(
    ("text", "annotation", "value"),
    [
        ("5", int, 5),
        (" -5 ", int, -5),
        ("5", float, 5.0),
        ("1e3", float, 1000.0),
        ("inf", float, float("inf")),
        ("Yes", bool, True),
        ("off", bool, False),
        ("0", bool, False),
        ("5", str, "5"),
        ("", str, ""),
        ("é", bytes, "é".encode()),
        ("src/a.py", Path, Path("src/a.py")),
        ("src", PurePosixPath, PurePosixPath("src")),
        ("9.99", Decimal, Decimal("9.99")),
        (
            "12345678123456781234567812345678",
            UUID,
            UUID("12345678123456781234567812345678"),
        ),
        ("2024-05-31", date, date(2024, 5, 31)),
        ("2024-05-31T18:30:00Z", datetime, datetime(2024, 5, 31, 18, 30, tzinfo=UTC)),
        ("18:30", time, time(18, 30)),
        ("red", Colour, Colour.RED),
        ("GREEN", Colour, Colour.GREEN),
        ("Green", Colour, Colour.GREEN),
        ("2", Level, Level.HIGH),
        ("fast", Literal["fast", "slow"], "fast"),
        ("2", Literal[1, 2], 2),
        ("null", Literal["a", None], None),  # as a user may write it
        ("7", UserId, 7),
        ("8080", Port, Port(8080)),
        ("7", Annotated[int, "metadata"], 7),
        ("x", typing.LiteralString, "x"),
    ],
)
def test_text_becomes_a_simple_type(text: str, annotation: object, value: object) -> None:
    made = read(text, annotation)
    assert made == value
    assert type(made) is type(value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5s", 5),
        ("2m", 120),
        ("1h", 3600),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("2d", 172800),
        ("1w", 604800),
        ("500ms", 0.5),
        ("-5s", -5),
        ("PT5M", 300),
        ("P1DT2H", 93600),
    ],
)
def test_text_becomes_a_length_of_time(text: str, seconds: float) -> None:
    assert read(text, timedelta) == timedelta(seconds=seconds)


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
    ("text", "annotation", "value"),
    [
        ('{"name": "a"}', Machine, Machine("a")),
        (
            '{"name": "a", "parts": [{"name": "b", "file": "c"}], "built": "2024-05-31"}',
            Machine,
            Machine("a", [Part("b", Path("c"))], date(2024, 5, 31)),
        ),
        ('[{"name": "a"}]', list[Part], [Part("a")]),
        ('{"k": {"name": "a"}}', dict[str, Part], {"k": Part("a")}),
        ('{"name": "a"}', Part | None, Part("a")),
        ('{"size": "4"}', Wheel, {"size": 4}),
        ("[1, 2]", Point, Point(1, 2)),
        ('{"name": "a", "size": "2"}', Model, Model(name="a", size=2)),
        ('[{"name": "a"}]', list[Model], [Model(name="a")]),
        ('{"size": 2}', Checked, Checked(size=2)),
    ],
)
def test_json_becomes_a_structured_value(text: str, annotation: object, value: object) -> None:
    assert read(text, annotation) == value


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
    ("text", "problem"),
    [
        ("[1,]", "broken JSON: "),
        ("[1, NaN]", "NaN is no JSON number at character 5"),
        ("[\n-Infinity]", "-Infinity is no JSON number at line 2, column 1"),
        ("[1e999]", "the number 1e999 is too large"),
        ("[" + "9" * 5000 + "]", "a number with too many digits"),
        ('[{"a": 1, "a": 2}]', "the name 'a' is given twice at character 11"),
        ("[" * 65 + "]" * 65, "more than 64 levels at character 65"),
        ("[" * 200_000, "more than 64 levels at character 65"),
        ('["\\ud800"]', "half of a surrogate pair, which is no text"),
    ],
)
def test_json_has_one_meaning_and_bounds(text: str, problem: str) -> None:
    error = refused(Text(text, "-P"), list)
    assert f"cannot be read as list: {problem}" in error.what


def test_brackets_inside_json_strings_are_no_levels() -> None:
    assert read(json.dumps(["[" * 100, '\\"' * 100, "NaN"]), list) == [
        "[" * 100,
        '\\"' * 100,
        "NaN",
    ]


def test_64_levels_are_read() -> None:
    assert json.dumps(read("[" * 64 + "]" * 64, list)) == "[" * 64 + "]" * 64


def test_an_open_string_of_a_mebibyte_is_refused_at_once() -> None:
    refused(Text("[" + '"\\' * 500_000, "-P"), list)


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
    assert "got: (hidden) (environment)" in str(caught.value)


def test_a_pydantic_secret_is_read_from_plain_text() -> None:
    made = read("hunter2", pydantic.SecretStr)
    assert isinstance(made, pydantic.SecretStr)
    assert made.get_secret_value() == "hunter2"


def test_an_unmade_record_is_refused_with_its_reason() -> None:
    @dataclass
    class Holder:
        client: Client

    assert "client" in str(refused(Text('{"client": 1}', "-P"), Holder))


def test_neither_msgspec_nor_pydantic_loads_for_simple_types() -> None:
    code = (
        "import sys; from flowbuilder.plan.convert import Text, converted\n"
        "assert converted('x', Text('[1]', '-P'), list[int], None) == [1]\n"
        "assert not {'msgspec', 'pydantic', 'decimal', 'tomllib', 'networkx'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


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


@given(st.lists(st.integers() | st.text() | st.none()))
def test_a_json_array_keeps_its_items(items: list[object]) -> None:
    assert read(json.dumps(items), list[int | str | None]) == items


@given(st.dates() | st.datetimes() | st.times())
def test_iso_text_reads_back(moment: date | time) -> None:
    assert read(moment.isoformat(), type(moment)) == moment
