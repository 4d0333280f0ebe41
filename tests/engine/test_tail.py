"""The end of a long text, in bounded memory."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, strategies as st

from flowbuilder.engine.tail import LIMIT, Tail


def test_a_short_text_is_kept_whole() -> None:
    tail = Tail()
    for part in ("one ", "two", "\n"):
        tail.write(part)

    assert tail.text == "one two\n"
    assert tail.text == "one two\n"


@given(st.lists(st.integers(0, 3 * LIMIT), max_size=8))
def test_of_a_long_text_the_end_is_kept_and_the_rest_counted(sizes: list[int]) -> None:
    tail, whole = Tail(), ""
    for number, size in enumerate(sizes):
        part = chr(97 + number) * size
        tail.write(part)
        whole += part

    dropped = max(len(whole) - LIMIT, 0)
    note = f"[the first {dropped:,} characters were dropped]\n" if dropped else ""
    assert tail.text == note + whole[dropped:]


@pytest.mark.usefixtures("untraced")
def test_a_million_lines_are_cheap() -> None:
    tail, started = Tail(), time.process_time()
    for number in range(1_000_000):
        tail.write(f"line {number}")
        tail.write("\n")

    assert tail.text.endswith("line 999999\n")
    assert time.process_time() - started < 5
