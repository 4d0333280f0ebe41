"""Runs that are kept: resume, runs, show, purge, doctor."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from flowbuilder.store.rows import AttemptMade, AttemptRow, RunBegan, RunEnded, RunRow, Unit, UnitEnded, UnitRow
from flowbuilder.store.sqlite import SqliteStore
from flowbuilder.testing import FlowTester
from tests.store.samples import write

from .conftest import error_of

FLOW = """
    from pathlib import Path

    from flowbuilder import step, workflow

    LOG = Path(__file__).with_name("log.txt")

    def note(text):
        with LOG.open("a") as file:
            file.write(f"{text}\\n")

    @step
    def numbers(n: int) -> list[int]:
        note("numbers")
        return list(range(n))

    @step(each={"x": "numbers"})
    def square(x: int) -> int:
        note(f"square {x}")
        if x == 2 and not LOG.with_name("mended").exists():
            print("about to fail")
            raise ValueError("two")
        return x * x

    @workflow
    def total(square: list[int], api_token: str = "") -> int:
        note("total")
        return sum(square)
"""


def ran(tester: FlowTester) -> list[str]:
    """Return what ran since the last time this was asked."""
    log = tester.path / "log.txt"
    lines = sorted(log.read_text().splitlines()) if log.exists() else []
    log.unlink(missing_ok=True)
    return lines


def only_run(tester: FlowTester) -> str:
    (run,) = json.loads(tester.run("runs", "--json").stdout)
    return str(run["run_id"])


@pytest.fixture
def failed(flowtester: FlowTester) -> FlowTester:
    """A run of which one item failed."""
    flowtester.write("flow_total.py", FLOW)
    assert flowtester.run("run", "-P", "n=4", "-P", "api_token=hush").exit_code == 1
    assert ran(flowtester) == ["numbers", "square 0", "square 1", "square 2", "square 3"]
    return flowtester


def test_the_command_that_goes_on_is_printed_and_does(failed: FlowTester) -> None:
    (failed.path / "mended").touch()
    run = only_run(failed)
    outcome = failed.run("resume", run)
    assert (outcome.exit_code, ran(failed)) == (0, ["square 2", "total"])
    outcome.assert_lines(
        f"total, run {run}, failed",
        "  kept: 1 step and 3 items (numbers)",
        "  runs: square: all but 3 items",
        "  runs: total: skipped",
        "[[]2/3] success   square*4 items",
        "[[]3/3] success   total*",
    )
    assert outcome.result.value == 14


def test_a_failure_prints_how_to_go_on_and_a_success_does_not(failed: FlowTester) -> None:
    outcome = failed.run("resume")
    assert outcome.exit_code == 1
    assert outcome.stdout.splitlines()[-1] == f"go on: flowbuilder resume {only_run(failed)}"
    (failed.path / "mended").touch()
    assert "go on:" not in failed.run("resume").stdout


@pytest.mark.parametrize(("word", "ended"), [("flow_odd.py", ["calm", "odd"]), ("flow_odd.py::odd", ["odd"])])
def test_a_file_and_its_step_of_the_same_name_go_on_each_as_it_was(
    flowtester: FlowTester, word: str, ended: list[str]
) -> None:
    text = """
        from pathlib import Path
        from flowbuilder import step

        def go():
            if not Path(__file__).with_name("mended").exists(): raise ValueError

        @step
        def calm(): go()

        @step
        def odd(): go()
    """
    flowtester.write("flow_odd.py", text)
    assert flowtester.run("run", word).exit_code == 1
    (flowtester.path / "mended").touch()
    outcome = flowtester.run("resume")
    assert (outcome.exit_code, sorted(outcome.result.steps)) == (0, ended), outcome


def test_a_dry_run_prints_and_runs_nothing(failed: FlowTester) -> None:
    outcome = failed.run("resume", "--dry-run")
    assert (outcome.exit_code, ran(failed)) == (0, [])
    outcome.assert_lines("  kept: 1 step and 3 items (numbers)")


def test_a_rerun_does_a_step_again_with_all_that_follows(failed: FlowTester) -> None:
    (failed.path / "mended").touch()
    assert failed.run("resume", "--rerun", "numbers").exit_code == 0
    assert ran(failed) == ["numbers", "square 0", "square 1", "square 2", "square 3", "total"]


def test_nothing_is_left_after_a_success(failed: FlowTester) -> None:
    (failed.path / "mended").touch()
    run = only_run(failed)
    failed.run("resume")
    outcome = failed.run("resume")
    assert (outcome.exit_code, outcome.stderr) == (5, "error: no run that was kept is unfinished\n")
    outcome = failed.run("resume", run)
    assert outcome.exit_code == 7
    assert outcome.stderr == f"error: the run {run} has succeeded: nothing is left of it to do\n"


def test_a_finished_step_that_is_wired_anew_is_refused_unless_that_is_accepted(failed: FlowTester) -> None:
    text = FLOW.replace("def square(x: int)", "def square(x: int, by: int = 1)")
    failed.write("flow_total.py", text)
    run = only_run(failed)
    outcome = failed.run("resume")
    assert (outcome.exit_code, ran(failed)) == (7, [])
    assert outcome.stderr == (
        f"error: steps of the run {run} that have finished were changed\n"
        "  got: square had (x: each of step numbers), has (x: each of step numbers, by: input by)\n"
        "  hint: --accept-changes runs them again, with all that follows from them\n"
    )
    (failed.path / "mended").touch()
    assert failed.run("resume", "--accept-changes").exit_code == 0
    assert ran(failed) == ["square 0", "square 1", "square 2", "square 3", "total"]


def test_changed_code_is_kept_and_named(failed: FlowTester) -> None:
    failed.write("flow_total.py", FLOW.replace("list(range(n))", "[*range(n)]"))
    (failed.path / "mended").touch()
    outcome = failed.run("resume")
    outcome.assert_lines("  kept although changed since: numbers; --rerun NAME runs one again")
    assert ran(failed) == ["square 2", "total"]


def test_a_run_has_one_owner(failed: FlowTester) -> None:
    run = only_run(failed)
    store = SqliteStore(failed.path / ".flowbuilder" / "runs.db")
    claim = store.claim(run)
    outcome = failed.run("resume", run)
    assert outcome.exit_code == 7
    assert outcome.stderr.startswith(
        f"error: the run {run} is owned by another process\n  got: process {os.getpid()} on "
    )
    claim.release()
    store.close()


def test_options_of_the_run_hold_when_it_goes_on(flowtester: FlowTester) -> None:
    flowtester.write(
        "flow_where.py",
        """
        import os, threading
        from pathlib import Path
        from flowbuilder import step

        @step
        def where() -> str:
            if not Path("mended").exists():
                raise ValueError
            return threading.current_thread().name
        """,
    )
    assert flowtester.run("run", "--executor", "inline").exit_code == 1
    (flowtester.path / "mended").touch()
    assert flowtester.run("resume").result.steps["where"].value == "MainThread"


def test_several_runs_go_on_together(flowtester: FlowTester) -> None:
    for name in ("one", "two"):
        flowtester.write(
            f"flow_{name}.py",
            f"""
            from pathlib import Path
            from flowbuilder import step

            @step(name="{name}")
            def body() -> str:
                if not Path("mended").exists():
                    raise ValueError
                return "{name}"
            """,
        )
    outcome = flowtester.run("run", "--all")
    words = outcome.stdout.splitlines()[-1].removeprefix("go on: flowbuilder ").split()
    assert (words[0], len(words)) == ("resume", 3)
    (flowtester.path / "mended").touch()
    assert flowtester.run(*words).exit_code == 0
    assert {run["status"] for run in json.loads(flowtester.run("runs", "--json").stdout)} == {"success"}


def test_the_history_is_listed_and_filtered(failed: FlowTester) -> None:
    outcome = failed.run("runs")
    assert re.fullmatch(r"\w{12}  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d  total  failed  0\.\d\d s  .*\n", outcome.stdout)
    assert "1 succeeded, 1 failed, 1 skipped" in outcome.stdout
    assert failed.run("runs", "--status", "failed", "--workflow", "total", "--since", "2020-01-31").exit_code == 0
    outcome = failed.run("runs", "--status", "success")
    assert (outcome.exit_code, outcome.stderr) == (5, "error: no run that was kept is like that\n")


def test_a_workflow_of_which_no_run_was_kept_is_answered_with_those_there_are(failed: FlowTester) -> None:
    assert error_of(failed.run("runs", "--workflow", "totl"), 5) == (
        "no run of a workflow named 'totl' was kept\n  allowed: total\n  hint: did you mean 'total'?"
    )
    assert error_of(failed.run("runs", "--workflow", "total", "--status", "success"), 5) == (
        "no run that was kept is like that"
    )


def test_a_run_whose_flow_file_is_gone_says_what_to_do(failed: FlowTester) -> None:
    (failed.path / "flow_total.py").rename(failed.path / "flow_sum.py")
    assert error_of(failed.run("resume"), 7) == (
        f"the flow file of the run {only_run(failed)} is gone\n  got: flow_total.py::total\n"
        "  hint: put it back under this name, or begin anew with flowbuilder run"
    )


def test_a_run_is_shown_with_inputs_times_errors_and_output(failed: FlowTester) -> None:
    outcome = failed.run("show")
    outcome.assert_lines(
        "total, run *: failed",
        "began *, took *; 1 succeeded, 1 failed, 1 skipped",
        "from flow_total.py::total",
        "  api_token = [*][*][*]",
        "  n = 4",
        "  numbers  success * s*",
        "  square   failed * s*",
        "  total    skipped * square failed",
        "square[[]2] failed",
        "  Traceback*",
        '    File "*flow_total.py", line *, in square',
        "*raise ValueError(*",
        "  ValueError: two",
        "  stdout:",
        "    about to fail",
    )
    assert "square[3]" in failed.run("show", "--items").stdout
    document = json.loads(failed.run("show", "--json", only_run(failed)).stdout)
    assert {one["name"] for one in document["steps"]} >= {"numbers", "square", "square[2]", "total"}
    made = {(one["name"], one["attempt"], one["status"]) for one in document["attempts"]}
    assert made == {
        ("numbers", 1, "success"), ("square[2]", 1, "failed"),
        *((f"square[{index}]", 1, "success") for index in (0, 1, 3)),
    }  # fmt: skip


def test_an_error_of_no_step_is_shown_after_those_of_steps(flowtester: FlowTester) -> None:
    flowtester.write(
        "flow_late.py",
        """
        from flowbuilder import provider, workflow

        @provider
        def resource():
            yield 1
            raise OSError("cannot be closed")

        @workflow
        def late(resource: int) -> int:
            return resource
        """,
    )
    assert flowtester.run("run", "flow_late.py").exit_code == 1
    flowtester.run("show").assert_lines("late, run *: failed", "after the steps", "  OSError: cannot be closed")
    document = json.loads(flowtester.run("show", "--json").stdout)
    assert [one["message"] for one in document["errors"]] == ["cannot be closed"]


def test_what_is_no_run_is_named(failed: FlowTester) -> None:
    for command in ("show", "resume", "purge"):
        outcome = failed.run(command, "nobody")
        assert outcome.exit_code == 4
        assert outcome.stderr == f"error: there is no run named 'nobody'\n  allowed: {only_run(failed)}\n"


def test_a_beginning_that_several_runs_have_is_said_to_be_one(flowtester: FlowTester) -> None:
    flowtester.write("flow_total.py", FLOW)
    for _ in range(17):  # with sixteen digits, two begin alike
        flowtester.run("run", "-P", "n=4")
    ids = [run["run_id"] for run in json.loads(flowtester.run("runs", "--json").stdout)]
    (start, count), *_ = Counter(one[0] for one in ids).most_common()
    alike = ", ".join(one for one in ids if one.startswith(start))
    for command in ("show", "resume", "purge"):
        outcome = flowtester.run(command, start)
        assert outcome.exit_code == 4
        assert outcome.stderr == (
            f"error: {count} runs begin with '{start}'\n  allowed: {alike}\n  hint: give more of the id\n"
        )


def test_a_mapped_step_that_was_running_when_its_process_died_is_shown(flowtester: FlowTester) -> None:
    flowtester.path.joinpath(".flowbuilder").mkdir()
    store = SqliteStore(flowtester.path / ".flowbuilder" / "runs.db")
    ended = [
        UnitEnded("dead", UnitRow(Unit("square", item), status, attempts=1, started_at=1.0))
        for item, status in enumerate(["success", "success", "failed"])
    ]
    running = [AttemptMade("dead", AttemptRow(Unit(step, 3), 1, 1.0)) for step in ("square", "cube")]
    assert write(store, RunBegan(RunRow(run_id="dead", workflow="flow")), *ended, *running) is None
    store.close()
    assert "square[3]" not in flowtester.run("show").stdout
    flowtester.run("show").assert_lines(
        "  square  - * had not ended; of its items 2 succeeded, 1 failed",
        "  cube    - * had not ended; no item has ended",
    )
    assert "square[3]" in flowtester.run("show", "--items").stdout


def test_a_secret_is_nowhere_in_the_store(failed: FlowTester) -> None:
    files = [file for file in (failed.path / ".flowbuilder").rglob("*") if file.is_file()]
    assert files
    assert not any(b"hush" in file.read_bytes() for file in files)


def test_without_a_store_nothing_is_kept(flowtester: FlowTester) -> None:
    flowtester.write("flow_total.py", FLOW)
    outcome = flowtester.run("run", "-P", "n=4", "--no-store")
    assert "go on:" not in outcome.stdout
    assert not (flowtester.path / ".flowbuilder").exists()
    outcome = flowtester.run("runs")
    assert (outcome.exit_code, outcome.stderr) == (
        5,
        "error: no run was kept yet (.flowbuilder/runs.db)\n  hint: flowbuilder run keeps its history there\n",
    )


def test_the_store_may_be_elsewhere(flowtester: FlowTester, tmp_path: Path) -> None:
    flowtester.write("flow_total.py", FLOW)
    place = str(tmp_path / "else" / "where.db")
    outcome = flowtester.run("run", "-P", "n=4", "--store", place, "--durability", "normal")
    assert outcome.stdout.splitlines()[-1].endswith(f" --store {place}")
    assert not (flowtester.path / ".flowbuilder").exists()
    assert flowtester.run("runs", "--store", place).exit_code == 0


def test_the_store_of_the_settings_is_below_the_root(flowtester: FlowTester) -> None:
    flowtester.write("pyproject.toml", '[tool.flowbuilder]\nstore = "kept/runs.db"\n')
    flowtester.write("flow_total.py", FLOW)
    flowtester.run("run", "-P", "n=4")
    assert (flowtester.path / "kept" / "runs.db").is_file()
    assert flowtester.run("runs").exit_code == 0


def test_purge_forgets(failed: FlowTester) -> None:
    assert failed.run("purge").stderr == (
        "error: purge has to be told which runs\n  hint: name them, or give --older-than DAYS or --all\n"
    )
    assert failed.run("purge", "--older-than", "1").stdout == "0 runs forgotten\n"
    assert failed.run("purge", only_run(failed)).stdout == "1 run forgotten\n"
    assert failed.run("runs").exit_code == 5


def test_the_doctor_says_that_all_is_well_and_what_is_not(failed: FlowTester) -> None:
    path = failed.path / ".flowbuilder" / "runs.db"
    outcome = failed.run("doctor")
    assert (outcome.exit_code, outcome.stdout) == (
        0,
        f"{path}: no damage found\n1 run: 1 failed\ncan go on with flowbuilder resume RUN: {only_run(failed)}\n",
    )
    path.write_bytes(path.read_bytes()[:4096] + b"\x00" * 4096 + path.read_bytes()[8192:])
    outcome = failed.run("doctor")
    assert outcome.exit_code == 6
    assert "error: the run store " in outcome.stderr
    assert "hint: flowbuilder doctor --salvage NEW saves what can be read into a new store\n" in outcome.stderr


def test_the_doctor_names_the_newest_runs_that_can_go_on_however_they_ended(flowtester: FlowTester) -> None:
    flowtester.path.joinpath(".flowbuilder").mkdir()
    store = SqliteStore(flowtester.path / ".flowbuilder" / "runs.db")
    ends = ["failed", "interrupted", "success", "cancelled", "skipped", "timed_out", "failed", "failed"]
    for number, status in enumerate(ends):
        entries: list[Any] = [RunBegan(RunRow(run_id=f"run{number}", workflow="flow", source="flow.py"))]
        if status != "interrupted":
            entries.append(RunEnded(f"run{number}", status, 1.0, {}))
        assert write(store, *entries) is None
    store.close()
    assert flowtester.run("doctor").stdout.splitlines()[-1] == (
        "can go on with flowbuilder resume RUN: run7, run6, run5, run3, run1, … and 1 more"
    )


def test_what_is_salvaged_goes_on_without_what_was_lost(failed: FlowTester) -> None:
    (failed.path / "mended").touch()
    path, run = failed.path / ".flowbuilder" / "runs.db", only_run(failed)
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE units SET value = x'00' WHERE step = 'square' AND item = 1")
    raw.close()
    path.write_bytes(b"\0" * 100 + path.read_bytes()[100:])
    assert failed.run("runs").exit_code == 6
    outcome = failed.run("doctor", "--salvage", "saved.db")
    assert outcome.exit_code == 0
    assert outcome.stdout == (
        "saved in saved.db\n"
        "  runs             1 saved, 0 lost\n"
        "  steps and items  6 saved, 1 lost\n"
        "  attempts         1 saved, 0 lost\n"
        "  inner calls      0 saved, 0 lost\n"
        "  cached results   0 saved, 0 lost\n"
        "  large values     0 saved, 0 lost\n"
        "the first page could not be read: where the tables are was taken from a new store\n"
        "look at it: flowbuilder runs --store saved.db\n"
    )
    assert failed.run("resume", run, "--store", "saved.db", "-P", "api_token=hush").result.value == 14
    assert ran(failed) == ["square 1", "square 2", "total"]


def test_nothing_is_salvaged_where_nothing_was_kept_or_something_is_there(flowtester: FlowTester) -> None:
    outcome = flowtester.run("doctor", "--salvage", "saved.db")
    assert (outcome.exit_code, outcome.stderr) == (5, "error: no run was kept yet (.flowbuilder/runs.db)\n")
    flowtester.write("flow_total.py", FLOW)
    flowtester.run("run", "-P", "n=1")
    flowtester.write("saved.db", "mine")
    outcome = flowtester.run("doctor", "--salvage", "saved.db")
    assert (outcome.exit_code, outcome.stderr) == (
        6,
        "error: there is something already (saved.db)\n  hint: name a file that is not there yet\n",
    )


@pytest.mark.parametrize("command", ["run", "resume", "runs", "show", "doctor"])
def test_a_store_of_a_newer_version_ends_every_command(failed: FlowTester, command: str) -> None:
    with sqlite3.connect(failed.path / ".flowbuilder" / "runs.db") as raw:
        raw.execute("PRAGMA user_version = 99")
    raw.close()
    outcome = failed.run(command, *(["-P", "n=4"] if command == "run" else []))
    assert (outcome.exit_code, ran(failed)) == (6, [])
    assert outcome.stderr.startswith(
        "error: this run store was written by a newer FlowBuilder (.flowbuilder/runs.db)\n"
    )


def test_a_run_from_code_is_resumed_from_code(flowtester: FlowTester) -> None:
    from flowbuilder import FlowBuilder, run

    def bad() -> None:
        raise ValueError

    result = run(FlowBuilder("own").step(bad).build(), store=flowtester.path / ".flowbuilder" / "runs.db")
    outcome = flowtester.run("resume")
    assert outcome.exit_code == 7
    assert outcome.stderr == (
        f"error: the run {result.run_id} of 'own' was started from code\n"
        f'  hint: resume it there: run(…, store=…, resume="{result.run_id}")\n'
    )


def test_a_step_that_kills_its_process_again_and_again_is_not_tried_for_ever(flowtester: FlowTester) -> None:
    flowtester.write(
        "flow_dies.py",
        """
        import os
        from flowbuilder import step

        @step
        def dies() -> None:
            os._exit(0)
        """,
    )
    outcome = flowtester.run_process("run")
    run = only_run(flowtester)
    assert (outcome.exit_code, outcome.stderr.splitlines()[-1]) == (3, f"go on: flowbuilder resume {run}")
    for attempt in range(2, 6):
        assert f"attempt {attempt} follows" in flowtester.run_process("resume").stdout
    outcome = flowtester.run_process("resume")
    assert outcome.exit_code == 7
    assert outcome.stderr == (
        f"error: the run {run} died 5 times in a row at dies\n  hint: mend that first; --rerun dies tries again\n"
    )


def test_a_run_that_was_interrupted_goes_on(flowtester: FlowTester) -> None:
    flowtester.write(
        "flow_waits.py",
        """
        import asyncio
        from pathlib import Path
        from flowbuilder import Context, step

        @step
        def first() -> int:
            Path("first.txt").open("a").write("x")
            return 1

        @step
        async def waits(first: int, ctx: Context) -> int:
            if ctx.attempt == 1:
                Path("began").touch()
                await asyncio.sleep(60)
            return first + ctx.attempt
        """,
    )
    command = [sys.executable, "-m", "flowbuilder", "run"]
    process = subprocess.Popen(command, cwd=flowtester.path, stdout=subprocess.PIPE, text=True)
    while not (flowtester.path / "began").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=30)
    assert process.returncode == 2
    assert printed.splitlines()[-1] == f"go on: flowbuilder resume {only_run(flowtester)}"
    outcome = flowtester.run("resume")
    assert outcome.result.steps["waits"].value == 3
    assert (flowtester.path / "first.txt").read_text() == "x"
    outcome.assert_lines("  kept: 1 step (first)", "  runs: waits: cancelled")


def test_a_store_that_cannot_be_made_ends_the_command_before_anything_runs(flowtester: FlowTester) -> None:
    flowtester.write("flow_total.py", FLOW)
    flowtester.write(".flowbuilder", "in the way")
    outcome = flowtester.run("run", "-P", "n=4")
    assert (outcome.exit_code, ran(flowtester)) == (6, [])
    assert outcome.stderr == (
        "error: the run store cannot be used: Not a directory (.flowbuilder/runs.db)\n"
        "  hint: --no-store runs without a history\n"
    )
