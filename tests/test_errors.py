"""Errors as a user reads them."""

from __future__ import annotations

import pickle

from flowbuilder.errors import StepTimeoutError, error_line


def test_a_time_out_says_step_limit_and_note() -> None:
    error = StepTimeoutError("load", 2.5, "; its thread is still running")

    assert str(error) == "load timed out after 2.5 s; its thread is still running"


def test_a_time_out_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(StepTimeoutError("load", 2.5, "; its thread is still running")))

    assert (error.step, error.seconds) == ("load", 2.5)
    assert str(error) == "load timed out after 2.5 s; its thread is still running"


def test_an_error_line_has_no_notes() -> None:
    error = ValueError("no such table")
    error.add_note("step load, attempt 1, run 2a685a3e046f")

    assert error_line(error) == "ValueError: no such table"
