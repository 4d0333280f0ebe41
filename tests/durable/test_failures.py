"""Errors as data: with the user's frames, whatever the error does."""

from __future__ import annotations

from flowbuilder import FlowBuilder, run
from flowbuilder.durable.failures import failure_data


def test_only_the_users_frames_are_kept_through_the_chain() -> None:
    def inner() -> None:
        raise KeyError("first")

    def body() -> None:
        try:
            inner()
        except KeyError as error:
            raise ExceptionGroup("several", [ValueError("second")]) from error

    error = run(FlowBuilder("flow").step(body).build()).steps["body"].error
    data = failure_data(error)
    assert data is not None
    assert (data["type"], data["message"]) == ("builtins.ExceptionGroup", "several (1 sub-exception)")
    text = str(data["traceback"])
    assert "in inner" in text
    assert "in body" in text
    assert "ValueError: second" in text
    assert "flowbuilder/engine" not in text


def test_an_error_that_cannot_be_printed_is_kept_all_the_same() -> None:
    class Unprintable(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    data = failure_data(Unprintable())
    assert data is not None
    assert data["message"] == "<unprintable Unprintable>"
    assert failure_data(None) is None
