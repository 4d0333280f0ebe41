"""Other values for the inputs of a run that goes on."""

from __future__ import annotations

import json

import pytest

from flowbuilder.testing import FlowTester

FLOW = """
    from flowbuilder import Context, provider, step, workflow

    @provider
    def offset(by: int = 0) -> int:
        return by

    @step
    def load(n: int, offset: int) -> int:
        return 10 * n + offset

    @step
    def work(load: int, ok: int = 0) -> int:
        if not ok:
            raise ValueError
        return load + ok

    @workflow
    def m(work: int) -> int:
        return work
"""


@pytest.fixture
def failed(flowtester: FlowTester) -> FlowTester:
    """A run whose first step has succeeded, and whose second one failed."""
    flowtester.write("flow_m.py", FLOW)
    assert flowtester.run("run", "flow_m.py::m", "-P", "n=1").exit_code == 1
    return flowtester


def run_id(tester: FlowTester) -> str:
    return str(json.loads(tester.run("runs", "--json").stdout)[0]["run_id"])


@pytest.mark.parametrize("words", [[], ["--accept-changes"]])
def test_another_value_of_what_a_kept_step_was_made_of_is_refused(failed: FlowTester, words: list[str]) -> None:
    outcome = failed.run("resume", "-P", "n=2", *words)
    assert outcome.exit_code == 7
    assert outcome.stderr == (
        f"error: the run {run_id(failed)} began with another value of 'n', which may be in what is kept of load\n"
        "  got: 2\n  allowed: 1\n"
        "  hint: flowbuilder run flow_m.py::m -P n=… begins a new run;"
        " resume --accept-changes --rerun load goes on with this value\n"
    )


def test_another_value_of_an_input_that_a_provider_of_a_kept_step_has_is_refused(failed: FlowTester) -> None:
    outcome = failed.run("resume", "-P", "by=5", "--accept-changes")
    assert outcome.exit_code == 7
    assert "which may be in what is kept of load\n  got: 5\n  allowed: its default, 0\n" in outcome.stderr


def test_another_value_than_the_default_is_a_change_that_may_be_accepted(failed: FlowTester) -> None:
    outcome = failed.run("resume", "-P", "ok=1")
    assert outcome.exit_code == 7
    assert outcome.stderr == (
        f"error: the run {run_id(failed)} began with another value of 'ok'\n"
        "  got: 1\n  allowed: its default, 0\n"
        "  hint: flowbuilder run flow_m.py::m -P ok=… begins a new run;"
        " resume --accept-changes goes on with this value\n"
    )
    assert failed.run("resume", "-P", "ok=1", "--accept-changes").result.value == 11
    failed.run("show").assert_lines("  n = 1", "  ok = 1")


def test_the_default_itself_may_be_given(failed: FlowTester) -> None:
    assert failed.run("resume", "-P", "ok=0", "-P", "n=1").exit_code == 1


def test_another_value_is_gone_on_with_where_all_that_was_made_of_it_is_done_again(failed: FlowTester) -> None:
    words = ["-P", "n=2", "-P", "ok=1", "--accept-changes", "--rerun", "load"]
    assert failed.run("resume", *words).result.value == 21
    failed.run("show").assert_lines("  n = 2", "  ok = 1")


def test_a_kept_step_that_has_the_context_may_have_read_any_input(flowtester: FlowTester) -> None:
    flowtester.write("flow_m.py", FLOW.replace("n: int, offset: int", "ctx: Context, n: int = 1, offset: int = 0"))
    assert flowtester.run("run", "flow_m.py::m").exit_code == 1
    outcome = flowtester.run("resume", "-P", "ok=1", "--accept-changes")
    assert "began with another value of 'ok', which may be in what is kept of load" in outcome.stderr
    words = ["-P", "ok=1", "--accept-changes", "--rerun", "load"]
    assert flowtester.run("resume", *words).result.value == 11


def test_a_value_that_is_equal_is_no_change_however_it_is_kept(failed: FlowTester) -> None:
    text = FLOW.replace("n: int", "n: set[str], when: Path").replace("10 * n", "len(n)")
    failed.write("flow_m.py", "    from pathlib import Path\n" + text)
    words = [f'n=["{one}"]'.replace(" ", '","') for one in ("a b cc d e", "e d cc b a")]
    assert failed.run("run", "flow_m.py::m", "-P", words[0], "-P", "when=a/b").exit_code == 1
    # Another process has another order of the set.
    assert failed.run_process("resume").exit_code == 1
    assert failed.run_process("resume", "-P", words[1], "-P", "when=a/b").exit_code == 1
    assert failed.run("resume", "-P", 'n=["a"]').exit_code == 7


def test_an_input_that_a_mended_step_asks_for_first_now_is_no_change(failed: FlowTester) -> None:
    failed.write("flow_m.py", FLOW.replace("ok: int = 0", "fine: int").replace("ok", "fine"))
    assert failed.run("resume", "-P", "fine=1").result.value == 11
