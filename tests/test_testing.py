"""What FlowBuilder brings for tests: a Recorder that hears everything, a tester that runs commands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flowbuilder import FlowBuilder, ParallelConfig, Retry, Status, hookimpl, registry, run
from flowbuilder.discovery import install_finder
from flowbuilder.runner import Backend
from flowbuilder.testing import FlowTester, Outcome, Recorder

FLOW = """
    from flowbuilder import step, workflow

    @step
    def rows(count: int = 2) -> list[int]:
        return list(range(count))

    @step(each={"n": "rows"})
    def inverse(n: int) -> float:
        return 1 / n

    @workflow
    def report(inverse: list[float]) -> float:
        return sum(inverse)
"""


def fails() -> None:
    raise OSError("no")


# Recorder


def test_every_hook_is_told_in_order(recorder: Recorder, backend: Backend) -> None:
    builder = FlowBuilder("all").step(lambda: 1, name="one").step(fails, retries=Retry(1))
    builder.step(lambda fails: fails, name="below").step(lambda: 1, name="off", when=lambda: False)
    config = ParallelConfig(max_concurrency=1, schedule="batches")
    run(builder.build(), config=config, plugins=[recorder], backend=backend)

    assert recorder.told == [
        "run_start all",
        "batch_start one fails off",
        "start one 1",
        "finish one",
        "start fails 1",
        "retry fails 1 OSError",
        "skip off its when was false",
        "start fails 2",
        "error fails failed",
        "batch_finish one fails off",
        "batch_start below",
        "skip below fails failed",
        "batch_finish below",
        "run_finish all failed",
    ]


def test_every_step_that_ended_has_its_result(recorder: Recorder) -> None:
    builder = FlowBuilder("ends").step(lambda n: n, name="items", each={"n": [7]}).step(fails)
    builder.step(lambda fails: fails, name="below")
    result = run(builder.build(), plugins=[recorder])

    assert recorder.runs == [result]
    assert {name: str(one.status) for name, one in recorder.results.items()} == {
        "items": "success",
        "items[0]": "success",
        "fails": "failed",
        "below": "skipped",
    }
    assert recorder.results["fails"] is result.steps["fails"]
    assert recorder.results["below"].reason == result.steps["below"].reason == "fails failed"


def test_what_was_told_of_one_step_is_found_by_its_whole_name(recorder: Recorder) -> None:
    flow = FlowBuilder("load").step(lambda: 1, name="load").step(lambda: 1, name="load all").build()
    run(flow, plugins=[recorder])
    assert recorder.of("load") == ["start load 1", "finish load"]
    assert recorder.of("load all") == ["start load all 1", "finish load all"]
    assert recorder.of("al") == []


# flowtester


def test_a_command_runs_in_this_process_and_is_recorded(flowtester: FlowTester) -> None:
    flowtester.write("flow_inverse.py", FLOW)
    outcome = flowtester.run("run", "flow_inverse.py", "-P", "count=2")

    assert outcome.exit_code == 1
    assert outcome.result.status == "failed"
    outcome.assert_counts(succeeded=1, failed=1, skipped=1)
    assert [outcome.status_of(name) for name in ("rows", "inverse[0]", "inverse[1]", "report")] == [
        Status.SUCCESS,
        Status.FAILED,
        Status.SUCCESS,
        Status.SKIPPED,
    ]
    outcome.assert_lines("*report, 3 steps*", "*ZeroDivisionError*")


def test_a_file_may_be_written_anew_between_two_commands(flowtester: FlowTester) -> None:
    for number in (1, 2):
        flowtester.write("flow_same.py", f"from flowbuilder import step\n@step\ndef one(): return {number}\n")
        assert flowtester.run("run", "flow_same.py").result.value == {"one": number}


def test_a_command_leaves_nothing_behind(flowtester: FlowTester) -> None:
    flowtester.write("inner/flow_left.py", FLOW)
    before = (set(sys.modules), list(sys.path), dict(install_finder().table), len(registry), Path.cwd())
    flowtester.run("list", "inner")
    new = {name for name in set(sys.modules) - before[0] if not name.startswith(("flowbuilder", "rich"))}
    assert {name for name in new if "left" in name} == set()
    assert (list(sys.path), dict(install_finder().table), len(registry), Path.cwd()) == before[1:]


def test_plugins_are_tested_beside_the_recorder(flowtester: FlowTester) -> None:
    class Greeting:
        @hookimpl
        def flowbuilder_report_header(self) -> str:
            return "good morning"

    flowtester.write("flow_one.py", "from flowbuilder import step\n@step\ndef one(): ...\n")
    flowtester.run("run", plugins=[Greeting()]).assert_lines("good morning", "*1 succeeded*")


def test_values_in_the_environment_of_a_developer_disturb_no_test(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setenv("FLOWBUILDER_PARAM_COUNT", "5")
    tester: FlowTester = request.getfixturevalue("flowtester")
    tester.write("flow_inverse.py", FLOW)
    assert len(tester.run("run").result.steps["rows"].value) == 2


def test_a_command_runs_as_a_process_of_its_own(flowtester: FlowTester) -> None:
    flowtester.write("flow_inverse.py", FLOW)
    outcome = flowtester.run_process("run", environ={"FLOWBUILDER_PARAM_COUNT": "0"})
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    outcome.assert_lines("*3 succeeded*")
    with pytest.raises(AssertionError, match="nobody hears what a process of its own does"):
        outcome.assert_counts(succeeded=3)


def test_a_process_that_takes_too_long_is_killed(flowtester: FlowTester) -> None:
    flowtester.write("flow_long.py", "import time\ntime.sleep(60)\n")
    with pytest.raises(subprocess.TimeoutExpired):
        flowtester.run_process("run", timeout=0.5)


# What a failing assertion says.


def outcome(**facts: Any) -> Outcome:
    return Outcome(**{"exit_code": 1, "stdout": "first\nsecond\n", "stderr": "oh\n", "heard": Recorder(), **facts})


PRINTED = "\nexit code 1\n--- stdout\nfirst\nsecond\n--- stderr\noh\n"


def test_lines_are_looked_for_in_order() -> None:
    outcome().assert_lines("fir*", "second")
    with pytest.raises(AssertionError) as caught:
        outcome().assert_lines("second", "first")
    assert str(caught.value) == f"no line like 'first' after those before it{PRINTED}"


def test_wrong_counts_show_what_was_printed() -> None:
    with pytest.raises(AssertionError) as caught:
        outcome().assert_counts(succeeded=1)
    assert all(line in str(caught.value) for line in PRINTED.splitlines())
    assert "{'succeeded': 0} != {'succeeded': 1}" in str(caught.value)


def test_a_step_that_is_not_there_shows_those_that_are(recorder: Recorder) -> None:
    run(FlowBuilder("f").step(lambda: 1, name="one").build(), plugins=[recorder])
    with pytest.raises(AssertionError) as caught:
        outcome(heard=recorder).status_of("two")
    assert str(caught.value) == f"no run has a step 'two', but one{PRINTED}"
    assert outcome(heard=recorder).status_of("one") == "success"


def test_the_result_is_that_of_one_run(recorder: Recorder) -> None:
    with pytest.raises(AssertionError, match="there were 0 runs, not one"):
        _ = outcome().result
    result = run(FlowBuilder("f").step(lambda: 1, name="one").build(), plugins=[recorder])
    assert outcome(heard=recorder).result is result


# The pytest plugin, as the author of a plugin uses it.


@pytest.mark.usefixtures("unmeasured")
def test_the_fixtures_are_there_for_whoever_installs_flowbuilder(tmp_path: Path) -> None:
    (tmp_path / "my_plugin.py").write_text(
        "from flowbuilder import hookimpl\n@hookimpl\ndef flowbuilder_report_header(config): return 'my header'\n"
    )
    (tmp_path / "test_my_plugin.py").write_text(
        "def test_header(flowtester, recorder):\n"
        "    flowtester.write('flow_a.py', 'from flowbuilder import step\\n@step\\ndef a(): return 1\\n')\n"
        "    outcome = flowtester.run('run', '-p', 'my_plugin')\n"
        "    outcome.assert_counts(succeeded=1)\n"
        "    outcome.assert_lines('my header')\n"
        "    assert recorder.told == []\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "1 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.usefixtures("unmeasured")
def test_a_failure_points_at_the_line_of_the_test(tmp_path: Path) -> None:
    wrong = ["assert_counts(failed=1)", "status_of('b')", "assert_lines('*no such line*')", "result"]
    (tmp_path / "test_wrong.py").write_text(
        "".join(
            f"def test_wrong_{number}(flowtester):\n"
            "    flowtester.write('flow_a.py', 'from flowbuilder import step\\n@step\\ndef a(): ...\\n')\n"
            "    outcome = flowtester.run('list')\n"
            f"    outcome.{call}\n"
            for number, call in enumerate(wrong)
        )
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    lines = [f"test_wrong.py:{line}" for line in (4, 8, 12, 16)]
    assert re.findall(r"^(test_wrong\.py:\d+): AssertionError$", done.stdout, re.M) == lines


def test_the_plugin_is_loaded_by_its_entry_point(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.pluginmanager.has_plugin("flowbuilder")
