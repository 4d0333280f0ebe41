"""Counts and times as people read them."""

from __future__ import annotations

import pytest

from flowbuilder.builtin.wording import counted, in_seconds, in_whole_seconds, message_of, reason_of
from flowbuilder.errors import StepTimeoutError


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0.00 s"), (9.994, "9.99 s"), (9.996, "10.0 s"), (99.94, "99.9 s"), (99.96, "1 min 40 s"),
        (5999.4, "99 min 59 s"), (5999.6, "1 h 40 min"), (360_000, "100 h 00 min"),
    ],
)  # fmt: skip
def test_a_duration_has_two_figures_of_interest(seconds: float, text: str) -> None:
    assert in_seconds(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.9, "0 s"), (99.9, "99 s"), (100.0, "1 min 40 s")])
def test_a_growing_duration_has_no_parts_of_a_second(seconds: float, text: str) -> None:
    assert in_whole_seconds(seconds) == text


def test_a_noun_agrees_with_its_number() -> None:
    assert [counted(1, "item"), counted(2134, "item"), counted(0, "this", "these")] == [
        "1 item",
        "2,134 items",
        "0 these",
    ]


def test_an_error_says_its_class_unless_it_is_of_flowbuilder() -> None:
    assert message_of(ValueError("one\ntwo")) == "ValueError: one\ntwo"
    assert reason_of(ValueError("one\ntwo")) == "ValueError: one"
    assert reason_of(StepTimeoutError("load", 3.0)) == "load timed out after 3 s"
    assert reason_of(None) == ""
