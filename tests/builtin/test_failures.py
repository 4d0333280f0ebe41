"""The failures section: what is shown in full, what by name, and what is only counted."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from flowbuilder import FlowBuilder, Registry, RunResult, Section, Status, StepResult, Terminal, run
from flowbuilder.builtin.failures import print_failures
from flowbuilder.errors import StepCancelledError
from flowbuilder.testing import FlowTester


def failures(*results: RunResult[Any], is_bounded: bool = True) -> list[str]:
    stream = io.StringIO()
    print_failures(Terminal(stream), results, is_bounded=is_bounded)
    return stream.getvalue().splitlines()


def titles(lines: list[str]) -> list[str]:
    return [line.strip("- ") for line in lines if line.startswith("--")]


def failed(*steps: StepResult[Any], workflow: str = "flow") -> RunResult[Any]:
    return RunResult(
        run_id="1",
        workflow=workflow,
        status=Status.FAILED,
        steps={s.name: s for s in steps},
        started_at=0.0,
        duration=1,
    )


def test_a_run_that_succeeded_prints_nothing() -> None:
    assert failures(failed(StepResult("fine", Status.SUCCESS))) == []


def test_a_failure_has_its_attempts_its_error_and_its_output() -> None:
    step: StepResult[Any] = StepResult(
        "load", Status.FAILED, error=ValueError("bad"), attempts=3,
        sections=(Section("stdout", "one\n\ttwo\x07\n"), Section("log", "WARNING x")),
    )  # fmt: skip
    assert failures(failed(step)) == [
        "=================================== failures ===================================",
        "------------------------------- load, attempt 3 --------------------------------",
        "ValueError: bad",
        "captured stdout:",
        "  one",
        "          two\\x07",
        "captured log:",
        "  WARNING x",
        "",
    ]


def test_of_long_output_the_first_line_and_the_end_are_shown() -> None:
    text = "\n".join(f"line {number}" for number in range(100))
    step: StepResult[Any] = StepResult(
        "load", Status.FAILED, error=ValueError("bad"), sections=(Section("stdout", text),)
    )
    lines = failures(failed(step))

    assert lines[4:7] == ["  line 0", "  … 88 more lines …", "  line 89"]
    assert "  line 1" in failures(failed(step), is_bounded=False)


def test_what_a_plugin_adds_was_not_captured() -> None:
    step: StepResult[Any] = StepResult(
        "load", Status.FAILED, error=ValueError("bad"), sections=(Section("time", "1 s"),)
    )
    assert failures(failed(step))[3:5] == ["time:", "  1 s"]


def test_items_stand_for_their_step_three_in_full_and_others_by_name() -> None:
    flows = Registry()

    @flows.step(each={"n": list(range(40))})
    def inverse(n: int) -> None:
        raise ValueError(n)

    result = run("inverse", registry=flows)
    lines = failures(result)
    assert titles(lines) == ["inverse[0]", "inverse[1]", "inverse[2]"]
    assert lines[-3:] == [
        "inverse[21] ValueError: 21",
        "inverse[22] ValueError: 22",
        "… and 17 more failures; -v shows all",
    ]
    assert len(titles(failures(result, is_bounded=False))) == 40


def test_where_some_failures_have_a_line_each_it_is_said_once_what_shows_them_in_full() -> None:
    flows = Registry()

    @flows.step(each={"n": list(range(5))})
    def inverse(n: int) -> None:
        raise ValueError(n)

    result = run("inverse", registry=flows)
    assert failures(result)[-3:] == [
        "inverse[3] ValueError: 3",
        "inverse[4] ValueError: 4",
        "-v shows all failures in full",
    ]
    assert "-v" not in "".join(failures(result, is_bounded=False))


def test_one_step_with_many_failing_items_does_not_hide_another() -> None:
    items: tuple[StepResult[Any], ...] = tuple(
        StepResult(f"many[{n}]", Status.FAILED, error=ValueError(n)) for n in range(1000)
    )
    many: StepResult[Any] = StepResult("many", Status.FAILED, items=items)
    other: StepResult[Any] = StepResult("other", Status.TIMED_OUT, error=TimeoutError("late"))

    assert titles(failures(failed(many, other))) == ["many[0]", "many[1]", "many[2]", "other"]


def test_what_fails_after_the_steps_is_shown_too() -> None:
    flows = Registry()

    @flows.provider
    def client() -> Iterator[int]:
        yield 1
        raise RuntimeError("torn")

    @flows.step
    def uses(client: int) -> None: ...

    lines = failures(run("uses", registry=flows))
    assert titles(lines) == ["after the steps"]
    assert "RuntimeError: torn" in lines


def test_what_fails_behind_a_body_that_failed_names_its_step() -> None:
    flows = Registry()

    @flows.provider(scope="step")
    def client() -> Iterator[int]:
        yield 1
        raise RuntimeError("torn")

    @flows.step
    def uses(client: int) -> None:
        raise ValueError("used up")

    assert titles(failures(run("uses", registry=flows))) == ["uses", "uses, after its body"]


def test_failures_of_several_runs_name_their_workflow() -> None:
    def bad() -> None:
        raise ValueError("bad")

    results = [run(FlowBuilder(name).step(bad).build()) for name in ("one", "two")]
    assert titles(failures(*results)) == ["one › bad", "two › bad"]


def test_an_item_that_was_cancelled_belongs_to_its_step() -> None:
    stopped = StepCancelledError("stopped")
    items: tuple[StepResult[Any], ...] = (
        StepResult("many[0]", Status.FAILED, error=ValueError("bad")),
        StepResult("many[1]", Status.CANCELLED, error=stopped),
    )
    result = replace(failed(StepResult("many", Status.FAILED, items=items)), errors=(stopped,))
    assert titles(failures(result)) == ["many[0]"]


def test_of_a_line_that_was_written_over_the_last_state_is_shown() -> None:
    bar = Section("stderr", "10 %\r50 %\r100 %\r\nnext\r\n")
    lines = failures(failed(StepResult("load", Status.FAILED, error=ValueError("bad"), sections=(bar,))))
    assert lines[-3:] == ["  100 %", "  next", ""]


def test_a_failure_without_a_frame_says_where_its_step_is(flowtester: FlowTester) -> None:
    flowtester.write(
        "flow_gone.py",
        """
        import os, time
        from flowbuilder import step

        @step(executor="process")
        def killed(): os.kill(os.getpid(), 9)

        @step(executor="process", timeout=0.2)
        def slow(): time.sleep(20)
        """,
    )
    outcome = flowtester.run("run", "--json", "out.json")

    outcome.assert_lines("*- killed -*", "flow_gone.py:5 in killed", "the worker process was killed by SIGKILL*")
    outcome.assert_lines("*- slow -*", "flow_gone.py:8 in slow", "slow timed out after 0.2 s")
    place = f"step killed ({flowtester.path / 'flow_gone.py'}:5), attempt 1, run "
    assert place in (flowtester.path / "out.json").read_text()
