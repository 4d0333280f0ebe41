"""Values as bytes: the very same comes back, or it is refused."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import IntEnum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from flowbuilder.store.rows import NOT_STORED, Encoded
from flowbuilder.store.values import decode, encode

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


class Colour(IntEnum):
    RED = 1


@dataclass
class Holder:
    inner: Any


def alike(one: Any, other: Any) -> bool:
    """Equal, and of the same types all the way down."""
    return repr(one) == repr(other) and type(one) is type(other)


@given(PLAIN)
def test_plain_data_comes_back_the_same(value: Any) -> None:
    assert alike(decode(encode(value)), value)


@pytest.mark.parametrize("value", [None, True, 2**70, "\ud800 \x00", [1, 2.5], {"a": [None]}, -0.0])
def test_plain_data_is_kept_as_json(value: Any) -> None:
    encoded = encode(value)
    assert encoded.format == "json"
    assert json.loads(encoded.data) == value


@pytest.mark.parametrize(
    "value",
    [
        (1, 2), {1: "a"}, {"a": (1,)}, [Colour.RED], float("inf"), b"\x00", {1, 2}, Decimal("1.0"),
        date(2024, 1, 2), Path("a"), OrderedDict(a=1), ..., NotImplemented, Holder([1]),
    ],
)  # fmt: skip
def test_what_json_would_change_is_pickled(value: Any) -> None:
    encoded = encode(value)
    assert encoded.format == "pickle"
    assert alike(decode(encoded), value)


def test_not_a_number_comes_back() -> None:
    assert repr(decode(encode([float("nan")]))) == "[nan]"


def test_a_number_of_thousands_of_digits_comes_back() -> None:
    assert decode(encode([10**5000])) == [10**5000]


def test_a_list_of_a_thousand_levels_comes_back_or_is_refused() -> None:
    value: list[Any] = []
    for _ in range(300):
        value = [value]
    assert decode(encode(value)) == value


def test_what_cannot_be_stored_is_named_with_its_place() -> None:
    with pytest.raises(
        ValueError, match=r"^result\['rows'\]\[1\]\.inner is <generator object .*, which cannot be stored"
    ):
        encode({"rows": [1, Holder(i for i in "")]})


def test_a_lock_alone_is_named_without_a_place() -> None:
    with pytest.raises(ValueError, match=r"^result is <unlocked _thread\.lock object at "):
        encode(threading.Lock())


class Unloadable:
    def __init__(self, one: int, two: int) -> None:
        self.args = (one, two)

    def __reduce__(self) -> Any:
        return Unloadable, (1,)


def test_what_would_not_load_again_is_refused_when_it_is_stored() -> None:
    with pytest.raises(ValueError, match="missing 1 required positional argument"):
        encode(Unloadable(1, 2))


class Leaving:
    def __reduce__(self) -> Any:
        raise SystemExit(3)


def test_a_value_that_ends_the_program_when_it_is_stored_is_one_that_cannot_be() -> None:
    with pytest.raises(ValueError, match=r"^result\[0\] is <.*Leaving .*, which cannot be stored \(SystemExit: '3'\)$"):
        encode([Leaving()])


def test_what_was_never_stored_cannot_be_read() -> None:
    with pytest.raises(ValueError, match="it was not stored"):
        decode(NOT_STORED)


def test_a_pickle_of_something_that_is_gone_says_what_is_wrong() -> None:
    gone = encode(Holder(1)).data.replace(b"Holder", b"Folder")
    with pytest.raises(ValueError, match=r"AttributeError: .*Folder"):
        decode(Encoded("pickle", gone))
