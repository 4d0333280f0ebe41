"""Strict JSON has one meaning per document, and bounds."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, strategies as st

from flowbuilder.plan.given import Text
from flowbuilder.plan.strictjson import JsonError, strict_json
from tests.plan.samples import read, refused


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


@given(st.lists(st.integers() | st.text() | st.none()))
def test_a_json_array_keeps_its_items(items: list[object]) -> None:
    assert read(json.dumps(items), list[int | str | None]) == items


def test_more_than_a_mebibyte_is_refused() -> None:
    with pytest.raises(JsonError, match="more than 1 MiB of text"):
        strict_json(" " * 1_100_000)
    assert strict_json(" " * 1_000_000 + "1") == 1
