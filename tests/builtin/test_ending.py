"""The end of the report: skips by reason, notes, values and counts."""

from __future__ import annotations

import io
from typing import Any

import pytest

from flowbuilder import RunResult, Status, StepResult, Terminal
from flowbuilder.builtin.ending import counts, print_ending


def result(
    *steps: StepResult[Any], status: Status = Status.SUCCESS, started: float = 0.0, **words: Any
) -> RunResult[Any]:
    return RunResult(
        run_id="1", workflow=words.pop("workflow", "flow"), status=status, steps={s.name: s for s in steps},
        started_at=started, duration=1.5, **words,
    )  # fmt: skip


def ending(*results: RunResult[Any], level: int = 0) -> list[str]:
    stream = io.StringIO()
    print_ending(Terminal(stream), results, level)
    return stream.getvalue().splitlines()


def skipped(number: int, reason: str) -> StepResult[Any]:
    return StepResult(f"s{number}", Status.SKIPPED, reason=reason)


def test_counts_name_only_what_there_is() -> None:
    items: tuple[StepResult[Any], ...] = (StepResult("m[0]", Status.SUCCESS), StepResult("m[1]", Status.FAILED))
    steps: list[StepResult[Any]] = [
        StepResult("a", Status.SUCCESS), StepResult("m", Status.FAILED, items=items),
        StepResult("t", Status.TIMED_OUT), skipped(1, "why"),
    ]  # fmt: skip
    assert counts([result(*steps)]) == "1 succeeded, 1 failed, 1 timed out, 1 skipped, 2 items in 1.50 s"
    assert counts([result()]) == "no steps in 1.50 s"


def test_what_was_undone_is_counted_by_itself() -> None:
    steps: list[StepResult[Any]] = [StepResult("a", Status.SUCCESS), StepResult("b", Status.SUCCESS, undone=True)]
    assert counts([result(*steps)]) == "1 succeeded, 1 undone in 1.50 s"


def test_a_body_that_was_undone_has_no_value() -> None:
    body: StepResult[Any] = StepResult("flow", Status.SUCCESS, "value", undone=True)
    assert ending(result(body, status=Status.FAILED, body="flow"))[:-1] == []


def test_errors_beside_the_steps_are_counted() -> None:
    torn = result(StepResult("a", Status.SUCCESS), errors=(ValueError("torn"), OSError("too")))
    assert counts([torn]) == "1 succeeded, 2 errors in 1.50 s"


def test_time_is_counted_from_the_first_start_to_the_last_end() -> None:
    step: StepResult[Any] = StepResult("a", Status.SUCCESS)
    assert counts([result(step, started=0.0), result(step, started=10.0)]) == "2 succeeded in 11.5 s"


def test_an_interrupted_run_says_so_first() -> None:
    stopped: StepResult[Any] = StepResult("a", Status.CANCELLED)
    assert counts([result(stopped, status=Status.CANCELLED)]) == "interrupted: 1 cancelled in 1.50 s"


def test_runs_that_failures_of_others_stopped_say_so_first() -> None:
    failed = result(StepResult("a", Status.FAILED), status=Status.FAILED)
    stopped = result(skipped(1, "why"), status=Status.CANCELLED, notes=("cancelled: too many steps failed",))
    assert counts([failed, stopped]) == "stopped: 1 failed, 1 skipped in 1.50 s"


def test_skips_and_notes_of_several_runs_name_their_workflows() -> None:
    runs = [
        result(skipped(1, "why"), workflow=name, status=Status.CANCELLED, notes=("cancelled: SIGINT", *notes))
        for name, notes in (("sales", ()), ("stock", ("x overran and its thread still runs",)))
    ]
    assert ending(*runs)[:4] == [
        "sales: skipped s1: why",
        "stock: skipped s1: why",
        "note: cancelled: SIGINT (sales, stock)",
        "note: x overran and its thread still runs (stock)",
    ]


def test_skips_are_grouped_by_reason_and_bounded_unless_verbose() -> None:
    steps = [skipped(n, "load failed") for n in range(20)] + [skipped(100 + n, f"reason {n}") for n in range(20)]
    lines = ending(result(*steps))
    assert lines[0] == "skipped s0, s1, s2, s3, s4, s5, s6, s7, … and 12 more: load failed"
    assert lines[-2] == "skipped 11 more steps for other reasons; -v shows all"
    assert len(lines) == 12

    verbose = ending(result(*steps), level=1)
    assert "s19: load failed" in verbose[0]
    assert len(verbose) == 22


def test_notes_are_bounded_unless_verbose() -> None:
    run = result(notes=tuple(f"note {n}\x1b" for n in range(30)))
    assert ending(run)[:1] == ["note: note 0\\x1b"]
    assert [len(ending(run, level=level)) for level in (-1, 0, 1)] == [1, 11, 31]


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        (None, []),
        ("one\ntwo", ["", "one", "two"]),
        ([1, "a"], ["", "[1, 'a']"]),
        ("\n".join("x" * 40), ["", *"x" * 30, "… and 20 more characters"]),
    ],
)
def test_the_value_of_the_body_is_printed(value: Any, lines: list[str]) -> None:
    assert ending(result(StepResult("body", Status.SUCCESS, value), body="body"))[:-1] == lines


def test_without_a_body_the_values_of_the_last_steps_are_printed() -> None:
    steps: list[StepResult[Any]] = [
        StepResult("a", Status.SUCCESS, 1), StepResult("b", Status.SUCCESS), StepResult("c", Status.FAILED),
    ]  # fmt: skip
    assert ending(result(*steps, sinks=("a", "b", "c")))[:-1] == ["", "a: 1"]


def test_a_body_that_failed_has_no_value() -> None:
    assert len(ending(result(StepResult("body", Status.FAILED), body="body"))) == 1


def test_nothing_is_printed_where_nothing_ran() -> None:
    assert ending() == []
