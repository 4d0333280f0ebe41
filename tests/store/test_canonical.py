"""Values as canonical bytes: equal ones are equal in every process, different ones differ, the rest is refused."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections import OrderedDict, namedtuple
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import attrs
import pydantic
import pytest
from hypothesis import given, strategies as st

from flowbuilder.store.canonical import Canonical, UnstableError

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.decimals()
    | st.fractions()
    | st.uuids()
    | st.dates()
    | st.datetimes()
    | st.datetimes(timezones=st.timezones())
    | st.timedeltas()
    | st.complex_numbers()
)
KEYS = st.text() | st.integers() | st.tuples(st.text(), st.integers())
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(KEYS, inner)
        | st.sets(KEYS)
        | st.frozensets(KEYS)
    ),
)
FEW = st.recursive(
    st.sampled_from([0, 1, -1, True, False, None, 0.0, -0.0, 1.0, "", "1", "a", b"", b"1"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.lists(inner, max_size=2).map(tuple)
        | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2)
        | st.sets(st.sampled_from(["a", "b", "1"]), max_size=2)
    ),
    max_leaves=4,
)
CHILD = """
import pickle, sys
from flowbuilder.store.canonical import Canonical
canonical = Canonical(lambda thing: None)
while True:
    encoded = canonical.of(pickle.load(sys.stdin.buffer))
    sys.stdout.buffer.write(pickle.dumps(encoded))
    sys.stdout.buffer.flush()
"""


class Colour(Enum):
    RED = 1
    BLUE = 2


@dataclass
class Point:
    x: int
    y: Any = None

    @cached_property
    def length(self) -> int:
        return self.x


@dataclass(frozen=True, slots=True)
class Slotted:
    x: int
    late: int = field(init=False)


@attrs.define
class Attrs:
    x: int


class Model(pydantic.BaseModel):
    x: int


Pair = namedtuple("Pair", "x y")


def name_of(thing: Any) -> bytes | None:
    return thing.__qualname__.encode() if isinstance(thing, type) else None


def encoded(value: Any) -> bytes:
    return Canonical(name_of).of(value)


def refused(value: Any) -> str:
    with pytest.raises(UnstableError) as caught:
        encoded(value)
    return str(caught.value)


@pytest.fixture(scope="module")
def other_process() -> Iterator[subprocess.Popen[bytes]]:
    """A process in which strings have other hashes, so that its sets and dicts are in another order."""
    environment = {**os.environ, "PYTHONHASHSEED": "4711"}
    command = [sys.executable, "-c", CHILD]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield process
        process.kill()


@given(value=VALUES)
def test_a_value_is_the_same_in_a_process_of_another_hash_seed(
    other_process: subprocess.Popen[bytes], value: Any
) -> None:
    assert other_process.stdin is not None
    assert other_process.stdout is not None
    pickle.dump(value, other_process.stdin)
    other_process.stdin.flush()
    assert pickle.load(other_process.stdout) == encoded(value)


def alike(one: Any, other: Any) -> bool:
    """Return whether two values are equal and of the same types all the way down; 0.0 and -0.0 are not."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(part, other[key]) for key, part in one.items())
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    return repr(one) == repr(other) if isinstance(one, float) else bool(one == other)


@given(FEW, FEW)
def test_values_have_equal_bytes_exactly_where_they_are_alike(one: Any, other: Any) -> None:
    assert (encoded(one) == encoded(other)) is alike(one, other)


@given(FEW, FEW)
def test_what_stands_beside_a_value_never_runs_into_it(one: Any, other: Any) -> None:
    assert encoded([[one], [other]]) != encoded([[one, other]]) != encoded([[one, other], []])


def test_the_order_of_a_dict_and_of_a_set_does_not_count() -> None:
    assert encoded({"a": 1, "b": 2}) == encoded({"b": 2, "a": 1})
    assert encoded({8, 16, 0}) == encoded({16, 0, 8})
    assert encoded(OrderedDict(a=1, b=2)) != encoded(OrderedDict(b=2, a=1))


DIFFERENT = [
    0, False, 0.0, -0.0, float("nan"), float("inf"), 0j, "", b"", bytearray(), None, ..., (), [], {}, set(),
    frozenset(), range(3), Decimal("1.0"), Decimal("1.00"), Decimal("NaN"), Fraction(1), 10**5000, "x" * 1000,
    b"x" * 1000, [1] * 9,
    date(2024, 1, 2), datetime(2024, 1, 2), datetime(2024, 1, 2, tzinfo=UTC), datetime(2024, 1, 2, fold=1),
    datetime(2024, 1, 2, tzinfo=ZoneInfo("UTC")), time(1), timedelta(1), timedelta(0, 1), UUID(int=1), Path("a"),
    PurePosixPath("a"), "a", Colour.RED, Colour.BLUE, Point(1), Point(2), Point(1, Point(1)), Slotted(1), Attrs(1),
    Model(x=1), Pair(1, 2), (1, 2), [1, 2], OrderedDict(), [10**5000], [10**5001], ["\ud800"], ["\\ud800"],
]  # fmt: skip


def test_what_differs_in_value_or_type_has_other_bytes() -> None:
    assert len({encoded(value) for value in DIFFERENT}) == len(DIFFERENT)


def test_what_is_equal_is_equal_however_it_was_made() -> None:
    point = Point(1)
    assert point.length == 1
    assert encoded(point) == encoded(Point(1))
    assert encoded(float("nan")) == encoded(-float("nan"))
    assert encoded("".join(["a", "b"])) == encoded("ab")


def test_what_contains_itself_or_is_too_deep_is_refused() -> None:
    loop: list[Any] = [1]
    loop.append({"again": loop})
    assert refused(loop) == "[1]['again'] is [1, {'again': [...]}], which contains itself"
    deep: list[Any] = []
    for _ in range(200):
        deep = [deep]
    assert refused(deep).endswith("nested deeper than 100")


def test_one_object_at_two_places_is_no_circle() -> None:
    part = [1]
    assert encoded([part, part]) == encoded([[1], [1]])


class Counter(dict[str, int]): ...


class Client:
    def __repr__(self) -> str:
        return "<client>"


class Zone(tzinfo):
    def utcoffset(self, when: datetime | None) -> timedelta:
        return timedelta(0)

    def dst(self, when: datetime | None) -> timedelta:
        return timedelta(0)

    def tzname(self, when: datetime | None) -> str:
        return "here"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"x": [1, Client()]}, "['x'][1] is <client>, and a Client says nothing stable about itself"),
        (Point(1, Client()), ".y is <client>, and a Client says nothing stable about itself"),
        (Counter(a=1), "it is {'a': 1}, and a Counter says nothing stable about itself"),
        ({Client(): 1}, "{<client>} is <client>, and a Client says nothing stable about itself"),
    ],
)
def test_a_refusal_says_what_and_where(value: Any, message: str) -> None:
    assert refused(value) == message


@pytest.mark.parametrize(
    "value", [iter([1]), (n for n in "ab"), threading.Lock(), open, datetime(2024, 1, 1, tzinfo=Zone())]
)
def test_what_says_nothing_stable_is_refused(value: Any) -> None:
    refused([value])


def test_an_iterator_is_refused_since_it_can_be_read_only_once() -> None:
    assert "which can be read only once" in refused({"rows": iter([1])})


def test_an_object_with_more_than_its_fields_is_refused() -> None:
    point = Point(1)
    point.more = 2  # type: ignore[attr-defined]  # as a user's code may do
    assert refused([point]) == "[0] is Point(x=1, y=None), which has .more beside its fields"


def test_after_a_refusal_the_next_value_is_taken() -> None:
    canonical = Canonical(name_of)
    value: list[Any] = [Client()]
    with pytest.raises(UnstableError):
        canonical.of(value)
    value.pop()
    assert canonical.of(value) == encoded([])


def test_arrays_and_tables_count_by_their_bytes() -> None:
    numpy = pytest.importorskip("numpy", reason="numpy is not installed")
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")

    def make() -> list[Any]:
        table = pandas.DataFrame({"a": [1, 2], "b": ["x", "y"], "c": pandas.to_datetime(["2024-01-01", "2024-01-02"])})
        return [
            numpy.arange(6), numpy.arange(6.0), numpy.arange(6).reshape(2, 3), numpy.float64(1.5), table,
            table.rename(columns={"a": "z"}), table.set_index("b"), table["a"], table["b"], table.index,
        ]  # fmt: skip

    once, again = list(map(encoded, make())), list(map(encoded, make()))
    assert once == again
    assert len(set(once)) == len(once)
    assert "an ndarray says nothing" in refused(numpy.array([Client()])).replace("a ndarray", "an ndarray")
