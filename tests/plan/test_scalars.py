"""Scalars: one piece of text stands for one value."""

from __future__ import annotations

import typing
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import (
    Annotated,
    Literal,
)
from uuid import UUID

import pytest
from hypothesis import given, strategies as st

from tests.plan.samples import Colour, Level, Port, UserId, read


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
        ("None", type(None), None),
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


@given(st.dates() | st.datetimes() | st.times())
def test_iso_text_reads_back(moment: date | time) -> None:
    assert read(moment.isoformat(), type(moment)) == moment
