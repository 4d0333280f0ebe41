"""Parameters, colour and annotations of a function are read once, whatever wraps it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import pytest
from hypothesis import given, strategies as st

from flowbuilder import StepResult
from flowbuilder.declare.signature import annotations_of, default_of, read_signature, wants_result

if TYPE_CHECKING:
    from decimal import Decimal

F = TypeVar("F", bound=Callable[..., Any])


def timed(fn: F) -> F:
    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return fn(*args, **kwargs)

    return wrapper  # type: ignore[return-value]  # as decorators are written


def priced(name: str, price: Decimal | None = None, *, count: int = 1) -> list[str]:
    return [name] * count


def names(fn: Callable[..., Any]) -> list[tuple[str, bool]]:
    return [tuple(one) for one in read_signature(fn, None).parameters]  # type: ignore[misc]  # a pair


def test_parameters_are_read_in_order_with_their_defaults() -> None:
    assert names(priced) == [("name", False), ("price", True), ("count", True)]
    assert names(timed(priced)) == names(priced)


@given(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))
def test_the_quick_way_reads_what_inspect_reads(plain: int, with_default: int, kwonly: int, kw_default: int) -> None:
    parts = [
        *(f"a{i}" for i in range(plain)),
        *(f"b{i}=1" for i in range(with_default)),
        *(["*"] if kwonly + kw_default else []),
        *(f"c{i}" for i in range(kwonly)),
        *(f"d{i}=1" for i in range(kw_default)),
    ]
    namespace: dict[str, Any] = {}
    exec(f"def f({', '.join(parts)}): x = y = 1", namespace)
    assert names(namespace["f"]) == names(timed(namespace["f"]))


def test_a_default_is_found_through_partials_and_wrappers() -> None:
    assert default_of(priced, "count") == 1
    assert default_of(functools.partial(priced, name="a"), "count") == 1


def test_an_annotation_that_does_not_resolve_says_nothing_about_the_others() -> None:
    assert annotations_of(priced) == {"name": str, "price": "Decimal | None", "count": int, "return": list[str]}
    assert annotations_of(functools.partial(timed(priced), "a")) == annotations_of(priced)


def test_annotations_that_are_no_text_are_taken_as_they_are() -> None:
    def plain() -> None: ...

    plain.__annotations__ = {"x": 5, "return": None}
    assert annotations_of(plain) == {"x": 5, "return": None}


@pytest.mark.parametrize(
    ("note", "expected"),
    [
        (StepResult, True),
        (StepResult[int], True),
        (Annotated[StepResult[int], "why"], True),
        (StepResult[int] | None, True),
        ("StepResult[Missing]", True),
        ("flowbuilder.StepResult", True),
        ("StepResult [ int ] | None", True),
        ("list[StepResult[int]]", False),
        (list[StepResult[int]], False),
        (int, False),
        (None, False),
        ("Result", False),
    ],
)
def test_a_parameter_annotated_as_a_result_wants_the_result(note: object, expected: bool) -> None:
    assert wants_result(note) is expected
