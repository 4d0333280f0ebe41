"""Lines and rows stand in the same columns, in wide and narrow terminals."""

from __future__ import annotations

import io
import time

import pytest

from flowbuilder import Terminal
from flowbuilder.builtin.lines import Lines
from flowbuilder.builtin.rows import Rows
from tests.builtin.conftest import Screen
from tests.builtin.test_rows import info, started, step


def told(stream: io.StringIO, *names: str, detail: str = "") -> list[str]:
    rows = Rows()
    rows.run_planned(info("flow", *"abcdefghij").plan)
    lines = Lines(Terminal(stream), rows)
    lines.align(names)
    for name in names:
        lines.tell("timed_out", name, 1.5, detail)
    return (stream.written if isinstance(stream, Screen) else stream.getvalue()).splitlines()


def test_names_in_any_script_are_aligned() -> None:
    assert told(io.StringIO(), "数据处理", "short", "longer name") == [
        "[ 0/10] timed out 数据处理       1.50 s",
        "[ 0/10] timed out short          1.50 s",
        "[ 0/10] timed out longer name    1.50 s",
    ]


def test_a_line_without_time_and_reason_ends_with_its_name() -> None:
    stream = io.StringIO()
    lines = Lines(Terminal(stream), Rows())
    lines.align(["short", "longer name"])
    lines.tell("undone", "short")
    lines.tell("skipped", "short", detail="why")
    assert stream.getvalue().splitlines() == ["[0/0] undone    short", "[0/0] skipped   short" + " " * 16 + "  why"]


def test_a_very_long_name_does_not_push_the_others_away() -> None:
    lines = told(io.StringIO(), "x" * 300, "short")
    assert len(lines[0]) < 240
    assert lines[1] == "[ 0/10] timed out short" + " " * 35 + "    1.50 s"


def test_only_the_first_line_of_a_reason_is_told_and_it_fits_a_terminal(screen: Screen) -> None:
    detail = "ValueError: " + "x" * 500 + "\nmore"
    assert len(told(io.StringIO(), "a", detail=detail)[0]) < 240

    told(screen, "a", detail=detail)
    assert len(screen.rows[0]) == 80
    assert screen.rows[0].endswith("x…")
    assert len(screen.rows) == 2


def test_a_narrow_terminal_gets_no_columns(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    told(screen, "a", "longer", detail="why")
    assert screen.rows[:2] == ["[ 0/10] timed out a 1.50 s why", "[ 0/10] timed out longer 1.50 s why"]


def test_control_characters_in_names_and_reasons_are_escaped() -> None:
    assert told(io.StringIO(), "a\x1b", detail="b\x07") == ["[ 0/10] timed out a\\x1b    1.50 s  b\\x07"]


def test_the_column_of_names_only_grows_until_it_is_forgotten() -> None:
    stream = io.StringIO()
    lines = Lines(Terminal(stream), Rows())
    for names in (["longer name"], ["x"]):
        lines.align(names)
    lines.tell("success", "x", 1.5)
    lines.forget()
    lines.tell("success", "x", 1.5)
    assert [line.partition("success")[2] for line in stream.getvalue().splitlines()] == [
        "   x              1.50 s",
        "   x    1.50 s",
    ]


def test_on_a_terminal_a_long_name_loses_its_middle_and_leaves_room_for_the_reason(screen: Screen) -> None:
    told(screen, "a_long_name_" * 6 + "› load", "nightly report › sum_of_all", detail="it was so")
    assert screen.rows[:2] == [
        "[ 0/10] timed out a_long_name_a_…ng_name_› load     1.50 s  it was so",
        "[ 0/10] timed out nightly report › sum_of_all       1.50 s  it was so",
    ]


def test_rows_and_lines_with_long_names_stand_in_the_same_columns(screen: Screen) -> None:
    names = ["orders", "download_the_whole_catalogue_of_all_products", "join_the_catalogue_with_orders"]
    run = info("flow", *names)
    rows = started(run, *names)
    lines = Lines(Terminal(screen), rows)
    lines.align(names)
    for name in names:
        lines.tell("success", name, 1.5, "5 items")
    rows.step_started(run, step(run, "orders/an_inner_one_with_a_long_name")._replace(parent="orders"), 1)
    drawn = lines.picture(time.monotonic())[2]
    assert [" ".join(text for text, _ in line) for line in drawn] == [
        "      running   orders                                 0 s",
        "      running     an_inner_one_with_a_long_name        0 s",
        "      running   download_the_wh…of_all_products        0 s",
        "      running   join_the_catalogue_with_orders         0 s",
    ]
    assert screen.rows[:3] == [
        "[0/3] success   orders                              1.50 s  5 items",
        "[0/3] success   download_the_wh…of_all_products     1.50 s  5 items",
        "[0/3] success   join_the_catalogue_with_orders      1.50 s  5 items",
    ]
