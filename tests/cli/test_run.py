"""``flowbuilder run``: which workflows run, in which order, and with which exit code."""

from __future__ import annotations

import pytest

from flowbuilder import Status
from flowbuilder.testing import FlowTester, Outcome

TWO = """
    from flowbuilder import workflow

    @workflow(tags=("nightly",))
    def first() -> int:
        return 1

    @workflow(priority=5, tags=("nightly", "slow"))
    def second() -> int:
        return 2
"""
FAILING = """
    from flowbuilder import workflow

    @workflow
    def broken(): raise ValueError("broken")

    @workflow
    def fine(): pass
"""


def ran(outcome: Outcome) -> list[str]:
    return [run.workflow for run in outcome.recorder.runs]


def test_the_only_workflow_runs_without_being_named(tester: FlowTester) -> None:
    outcome = tester.run("run")
    assert outcome.exit_code == 0, outcome
    assert outcome.recorder.runs[0].value == "total 6"
    assert outcome.stderr == ""


def test_several_workflows_are_listed_and_none_runs(flowtester: FlowTester) -> None:
    flowtester.write("flow_two.py", TWO)
    outcome = flowtester.run("run")
    assert outcome.exit_code == 4
    assert ran(outcome) == []
    assert outcome.stderr == (
        "error: there are 2 workflows, and none was named\n"
        "  got: second, first\n"
        "  hint: name a file or PATH::NAME, choose with -k or -m, or run them all with --all\n"
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--all"], ["second", "first"]),
        (["flow_two.py"], ["second", "first"]),
        (["."], ["second", "first"]),
        (["flow_two.py::first"], ["first"]),
        (["flow_two.py::first", "flow_two.py"], ["second", "first"]),
        (["-k", "FIR"], ["first"]),
        (["-k", "not first"], ["second"]),
        (["-m", "slow"], ["second"]),
        (["-m", "nightly and not slow"], ["first"]),
        (["-k", "first", "-m", "nightly"], ["first"]),
    ],
)
def test_workflows_are_chosen_and_run_by_priority(
    flowtester: FlowTester, words: list[str], expected: list[str]
) -> None:
    flowtester.write("flow_two.py", TWO)
    outcome = flowtester.run("run", "-n", "1", *words)
    assert outcome.exit_code == 0, outcome
    assert ran(outcome) == expected


def test_a_step_that_is_named_runs_with_its_upstream(tester: FlowTester) -> None:
    outcome = tester.run("run", "flow_report.py::double")
    assert outcome.exit_code == 0, outcome
    outcome.assert_counts(succeeded=2)
    assert outcome.recorder.runs[0].value == [0, 2, 4]


def test_the_steps_of_a_file_without_a_workflow_run_as_one_and_lend_it_their_tags(flowtester: FlowTester) -> None:
    flowtester.write("sales_flow.py", "from flowbuilder import step\n@step(tags=('slow',))\ndef load(): pass\n")
    assert ran(flowtester.run("run", "-m", "slow")) == ["sales"]


def test_a_step_that_was_named_twice_runs_once(tester: FlowTester) -> None:
    assert ran(tester.run("run", "flow_report.py::rows", "./flow_report.py::rows")) == ["rows"]


def test_nothing_starts_when_one_plan_is_wrong(flowtester: FlowTester) -> None:
    flowtester.write("flow_a.py", "from flowbuilder import workflow\n@workflow(priority=1)\ndef fine(): pass\n")
    flowtester.write("flow_b.py", "from flowbuilder import workflow\n@workflow\ndef lacks(size: int): pass\n")
    outcome = flowtester.run("run", "--all")
    assert outcome.exit_code == 4
    assert ran(outcome) == []
    assert "'lacks' needs 'size'" in outcome.stderr


def test_a_failed_step_is_exit_code_1_and_other_workflows_run(flowtester: FlowTester) -> None:
    flowtester.write("flow_failing.py", FAILING)
    outcome = flowtester.run("run", "--all", "-n", "1")
    assert outcome.exit_code == 1
    assert ran(outcome) == ["broken", "fine"]
    assert outcome.status_of("fine") is Status.SUCCESS
    assert outcome.stderr == ""


@pytest.mark.parametrize("words", [["-x"], ["--maxfail", "1"], ["-x", "--maxfail", "1"]])
def test_so_many_failures_stop_the_other_workflows_too(flowtester: FlowTester, words: list[str]) -> None:
    flowtester.write("flow_failing.py", FAILING)
    outcome = flowtester.run("run", "--all", "-n", "1", *words)
    assert outcome.exit_code == 1
    assert [run.status for run in outcome.recorder.runs] == [Status.FAILED, Status.CANCELLED]
    assert "stopped by a failure; not run: fine" in outcome.stdout


def test_maxfail_counts_over_all_workflows(flowtester: FlowTester) -> None:
    flowtester.write("flow_a.py", FAILING)
    flowtester.write("flow_b.py", FAILING.replace("broken()", "broken_too()").replace("fine", "last"))
    outcome = flowtester.run("run", "--all", "-n", "1", "--maxfail", "2")
    assert [f"{one.workflow} {one.status}" for one in outcome.recorder.runs] == [
        "broken failed",
        "fine success",
        "broken_too failed",
        "last cancelled",
    ]
    assert "stopped by a failure; not run: last\n" in outcome.stdout


def test_a_workflow_whose_body_was_skipped_is_a_success(flowtester: FlowTester) -> None:
    flowtester.write(
        "flow_skip.py",
        """
        from flowbuilder import step, workflow

        @step(when=lambda: False)
        def extra() -> int: return 1

        @workflow
        def maybe(extra: int): pass
        """,
    )
    outcome = flowtester.run("run")
    assert outcome.exit_code == 0
    assert outcome.status_of("maybe") is Status.SKIPPED


def test_limits_of_the_command_line_go_over_the_workflow_s_own_over_those_of_pyproject(flowtester: FlowTester) -> None:
    flowtester.write("pyproject.toml", "[tool.flowbuilder]\nmax-concurrency = 2\nstep-timeout = 7\nbatch-size = 9\n")
    flowtester.write(
        "flow_a.py",
        """
        from flowbuilder import ParallelConfig, hookimpl, workflow

        @workflow(config=ParallelConfig(max_concurrency=3, step_timeout=8))
        def limited(): pass
        """,
    )
    flowtester.write(
        "flowconf.py",
        """
        from flowbuilder import hookimpl

        @hookimpl
        def flowbuilder_run_start(run):
            print(run.config.max_concurrency, run.config.step_timeout, run.config.batch_size)
        """,
    )
    outcome = flowtester.run("run", "-n", "4", "-q")
    assert outcome.stdout.splitlines()[0] == "4 8.0 9"


@pytest.mark.parametrize("name", ["thread", "inline"])
def test_plain_steps_run_where_the_executor_says(tester: FlowTester, name: str) -> None:
    tester.write(
        "flowconf.py",
        """
        from flowbuilder import hookimpl

        @hookimpl
        def flowbuilder_plan(plan):
            print(*(step.executor for step in plan.steps))
        """,
    )
    assert f"{name} {name} thread" in tester.run("run", "--executor", name).stdout


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_run_is_driven_by_the_back_end_that_is_asked_for(flowtester: FlowTester, backend: str) -> None:
    flowtester.write(
        "flow_a.py",
        """
        import sniffio
        from flowbuilder import workflow

        @workflow
        async def library(): return sniffio.current_async_library()
        """,
    )
    assert flowtester.run("run", "--backend", backend).recorder.runs[0].value == backend


@pytest.mark.parametrize("hook", ["run_start", "run_finish"])
def test_a_plugin_that_failed_decides_only_where_it_is_asked_to_and_nothing_else_failed(
    flowtester: FlowTester, hook: str
) -> None:
    flowtester.write("flow_failing.py", FAILING)
    flowtester.write(
        "flowconf.py",
        f"""
        from flowbuilder import hookimpl

        @hookimpl
        def flowbuilder_{hook}(run): raise OSError("unlucky")
        """,
    )
    assert flowtester.run("run", "-k", "fine").exit_code == 0
    assert flowtester.run("run", "-k", "fine", "--strict-plugins").exit_code == 3
    assert flowtester.run("run", "-k", "broken", "--strict-plugins").exit_code == 1


def test_the_summary_is_told_of_all_runs_together(flowtester: FlowTester) -> None:
    flowtester.write("flow_two.py", TWO)
    flowtester.write(
        "flowconf.py",
        """
        from flowbuilder import hookimpl

        @hookimpl
        def flowbuilder_summary(terminal, results):
            terminal.print("summary of " + " ".join(result.workflow for result in results))
        """,
    )
    assert "summary of second first\n" in flowtester.run("run", "--all").stdout


def test_names_and_inputs_may_be_typed_in_any_width_of_letters(flowtester: FlowTester) -> None:
    flowtester.write("flow_wide.py", "from flowbuilder import step\n@step\ndef 売上ＡＢＣ(税率: int): return 税率\n")
    for word in ("売上ABC", "売上ＡＢＣ"):
        outcome = flowtester.run("run", f"flow_wide.py::{word}", "-P", "税率=８")
        assert outcome.result.value == 8
