"""Errors become data whatever is broken in them; their tracebacks show the user's frames alone."""

from __future__ import annotations

from typing import Any

from flowbuilder import FlowBuilder, run
from flowbuilder.errors import StepTimeoutError
from flowbuilder.plain import error_dict, error_text, traceback_text


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


def test_an_error_that_says_nothing_is_named() -> None:
    assert error_text(Mute()) == "<unprintable Mute>"
    assert "Mute" in traceback_text(Mute())
    assert error_dict(None) is None


def test_a_traceback_that_cannot_be_formatted_is_named() -> None:
    class Cursed(Exception):
        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError(name)

    assert traceback_text(Cursed()) == "<unprintable traceback of Cursed>"


def test_a_long_message_is_cut() -> None:
    assert len(error_text(ValueError("x" * 10**6))) == 65536


def test_a_traceback_has_the_frames_of_the_user_and_none_of_the_engine() -> None:
    def inner() -> None:
        raise KeyError("inner")

    def body() -> None:
        try:
            inner()
        except KeyError as error:
            raise ExceptionGroup("both", [ValueError("outer")]) from error

    (error,) = run(FlowBuilder("flow").step(body, name="body").build()).to_dict()["errors"]
    assert f'File "{__file__}", line {inner.__code__.co_firstlineno + 1}, in inner' in error["traceback"]
    assert "The above exception was the direct cause of the following exception" in error["traceback"]
    assert "attempt.py" not in error["traceback"]


def test_an_error_without_a_frame_of_the_user_has_no_heading() -> None:
    told = traceback_text(StepTimeoutError("slow", 1.0))
    assert told == "flowbuilder.errors.StepTimeoutError: slow timed out after 1 s\n"
