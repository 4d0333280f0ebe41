"""Errors as a user reads them."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given, strategies as st

from flowbuilder import errors
from flowbuilder.errors import (
    CollectError,
    CycleError,
    DuplicateNameError,
    FlowBuilderError,
    InsideLoopError,
    NothingToDoError,
    StepTimeoutError,
    UnhandledCaseError,
    UnknownNameError,
    Where,
    did_you_mean,
    error_line,
    listed,
    nearest,
    shown,
    shown_value,
)


class Broken(Exception):
    """Says nothing, however it is asked."""

    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


# Foreign text.


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain é 数", "plain é 数"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("a\u202eb", "a\\u202eb"),
        ("a\u2028b", "a\\u2028b"),
        ("\ud800", "\\ud800"),
        (5, "5"),
        (Broken(), "<unprintable Broken: RuntimeError>"),
    ],
)
def test_foreign_text_is_shown_without_control_characters(text: object, expected: str) -> None:
    assert shown(text) == expected


def test_long_text_is_cut() -> None:
    assert shown("x" * 300) == "x" * 199 + "…"
    assert shown("x" * 300, 10) == "x" * 9 + "…"


@given(st.text(st.characters()) | st.binary() | st.lists(st.text(st.characters())))
def test_whatever_is_shown_is_printable_and_of_one_line(value: object) -> None:
    assert shown(value).isprintable() or not str(value)
    assert shown_value(value).isprintable()


def test_a_value_without_a_repr_is_named() -> None:
    assert shown_value(Broken()) == "<unprintable Broken: RuntimeError>"
    assert shown_value([Broken()]) == "<unprintable list: RuntimeError>"


@pytest.mark.parametrize(
    ("value", "begins"),
    [
        (range(10**9), "range(0, 1000000000)"),
        ([0] * 5_000_000, "list of 5000000 items: [0, 0, "),
        (dict.fromkeys(range(1_000_000)), "dict of 1000000 items: [(0, None), (1, "),
        ("x" * 50_000_000, "'xxx"),
    ],
)
def test_a_large_value_is_shown_by_its_beginning(value: Any, begins: str) -> None:
    assert shown_value(value).startswith(begins)
    assert len(shown_value(value)) <= 120


def test_near_names_are_hinted_at() -> None:
    assert nearest("laod", ["load", "save", "lead"]) == ["load", "lead"]
    assert did_you_mean("laod", ["load", "lo\x1bad"]) == "did you mean 'load' or 'lo\\x1bad'?"
    assert did_you_mean("zzz", ["load"]) == ""


def test_long_lists_are_cut() -> None:
    assert listed([]) == ""
    assert listed(["a", "b\n"]) == "a, b\\n"
    assert listed(map(str, range(20)), 3) == "0, 1, 2, … and 17 more"


# The shape of a message.


def test_a_message_says_what_where_got_allowed_and_hint() -> None:
    error = FlowBuilderError("it is wrong", where=Where("flow_a.py", 3), got="5", allowed="1 to 3", hint="write 3")
    assert str(error) == "it is wrong (flow_a.py:3)\n  got: 5\n  allowed: 1 to 3\n  hint: write 3"
    assert str(FlowBuilderError("it is wrong", where="here")) == "it is wrong (here)"
    assert str(FlowBuilderError("it is wrong", hint="right it")) == "it is wrong\n  hint: right it"


def test_frames_stand_below_the_message() -> None:
    assert str(CollectError("no", frames="  File …")) == "no\n  File …"


def test_a_name_that_is_not_there_lists_those_that_are() -> None:
    error = UnknownNameError("step", "laod", ["load", "save"], Where("flow_a.py", 3))
    assert str(error) == (
        "there is no step named 'laod' (flow_a.py:3)\n  allowed: load, save\n  hint: did you mean 'load'?"
    )
    assert (error.name, error.known) == ("laod", ("load", "save"))


def test_a_loop_that_runs_names_what_to_await() -> None:
    assert str(InsideLoopError("run", "flowbuilder.arun")) == (
        "run() cannot be called while an event loop runs in this thread\n  hint: use: await flowbuilder.arun(...)"
    )


HERE, THERE = Where("a.py", 1), Where("b.py", 2)
EVERY = [
    FlowBuilderError("x", where=HERE, got="g", allowed="a", hint="h"),
    DuplicateNameError("load", HERE, THERE),
    UnknownNameError("step", "laod", ["load"], HERE),
    CycleError([("a", HERE), ("b", THERE), ("a", HERE)]),
    CollectError("x", where=HERE, frames="frames"),
    InsideLoopError("run", "arun"),
    StepTimeoutError("load", 2.5, "; its thread is still running"),
    errors.StepCancelledError("cancelled"),
    errors.WorkerDiedError("killed"),
    errors.NotRunError("never"),
]


@pytest.mark.parametrize("error", EVERY, ids=lambda error: type(error).__name__)
def test_errors_survive_pickling(error: Exception) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_each_kind_has_its_exit_code() -> None:
    codes = {
        kind.__name__: kind.exit_code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, FlowBuilderError)
    }
    assert codes.pop("NothingToDoError") == NothingToDoError.exit_code == 5
    assert (codes.pop("StoreError"), codes.pop("RunRefusedError")) == (6, 7)
    assert set(codes.values()) == {4}


# Errors of steps.


def test_a_time_out_says_step_limit_and_note() -> None:
    error = StepTimeoutError("load", 2.5, "; its thread is still running")

    assert str(error) == "load timed out after 2.5 s; its thread is still running"


def test_a_time_out_keeps_its_facts() -> None:
    error = pickle.loads(pickle.dumps(StepTimeoutError("load", 2.5)))

    assert (error.step, error.seconds, error.note) == ("load", 2.5, "")


def test_an_unhandled_case_is_pickled_with_its_facts() -> None:
    error = pickle.loads(pickle.dumps(UnhandledCaseError("mode", "'x'", ["'a'", "'b'"])))
    assert (error.name, error.value, error.cases) == ("mode", "'x'", ("'a'", "'b'"))
    assert str(error) == "mode was 'x', and the cases are 'a', 'b'; add one, or a default="


def test_an_error_line_has_no_notes() -> None:
    error = ValueError("no such table")
    error.add_note("step load, attempt 1, run 2a685a3e046f")

    assert error_line(error) == "ValueError: no such table"


def test_an_error_line_of_an_error_that_says_nothing_is_its_kind() -> None:
    assert error_line(Broken()).endswith("Broken: <exception str() failed>")
    assert error_line(KeyError("rows")) == "KeyError: 'rows'"
