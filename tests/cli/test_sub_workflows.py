"""A workflow that another one requests, on the command line: its steps, and values meant for it alone."""

from __future__ import annotations

import json

import pytest

from flowbuilder.testing import FlowTester

from .conftest import error_of

MONTH = """
    from flowbuilder import step, workflow

    @step
    def load(path: str, options: dict[str, int] = {}) -> str:
        return f"{path} {options}"

    @workflow
    def sales(load: str) -> str:
        return load

    @workflow
    def month(sales: str, load: str) -> str:
        return f"{sales}, {load}"
"""


@pytest.fixture
def month(flowtester: FlowTester) -> FlowTester:
    """Return a tester with flow_month.py."""
    flowtester.write("flow_month.py", MONTH)
    return flowtester


def value(tester: FlowTester, *words: str) -> str:
    outcome = tester.run("run", "flow_month.py::month", "--json", "-", *words)
    assert outcome.exit_code == 0, outcome
    return str(json.loads(outcome.stdout)["runs"][0]["value"])


def test_a_tree_and_a_plan_show_its_steps(month: FlowTester) -> None:
    assert month.run("graph", "flow_month.py::month").stdout == "month\n├─ sales\n│  └─ sales.load\n└─ load\n"
    shown = month.run("plan", "flow_month.py::month", "-P", "sales.path=a").stdout
    assert "  sales.path = 'a' (-P)\n" in shown
    assert "  path = ? (missing, str: give it with -P path=…)\n" in shown


def test_a_value_is_given_to_it_alone(month: FlowTester) -> None:
    assert value(month, "-P", "path=a", "-P", "sales.path=b") == "b {}, a {}"


def test_two_underscores_in_the_environment_are_the_point(month: FlowTester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWBUILDER_PARAM_PATH", "a")
    monkeypatch.setenv("FLOWBUILDER_PARAM_SALES__PATH", "b")
    assert value(month) == "b {}, a {}"
    assert value(month, "-P", "sales.path=c") == "c {}, a {}"


def test_a_table_of_a_file_is_for_it_too(month: FlowTester) -> None:
    month.write("p.toml", 'path = "a"\nsales.path = "b"\n[sales.options]\nn = 1\n')
    assert value(month, "--params", "p.toml") == "b {'n': 1}, a {}"
    assert value(month, "--params", "p.toml", "-P", "sales.path=c") == "c {'n': 1}, a {}"


def test_a_table_of_the_settings_is_for_it_too(month: FlowTester) -> None:
    month.write("pyproject.toml", '[tool.flowbuilder.params]\npath = "a"\nsales.path = "b"\nother.path = "c"\n')
    assert value(month) == "b {}, a {}"


def test_a_slip_inside_a_table_is_refused(month: FlowTester) -> None:
    month.write("p.toml", 'path = "a"\n[sales]\npth = "b"\n')
    assert error_of(month.run("run", "flow_month.py::month", "--params", "p.toml")) == (
        "there is no input named 'sales.pth'\n  got: a value from --params p.toml\n  allowed: path, options"
        "\n  hint: did you mean 'sales.path' or 'sales.options'?"
    )


def test_a_table_for_nobody_is_refused(month: FlowTester) -> None:
    month.write("p.toml", 'path = "a"\n[stock]\npath = "b"\n')
    assert error_of(month.run("run", "flow_month.py::month", "--params", "p.toml")).startswith(
        "there is no input named 'stock'"
    )


def test_a_part_of_an_input_is_no_input(month: FlowTester) -> None:
    month.write("p.toml", 'path = "a"\n[options]\nn = 1\n')
    assert value(month, "--params", "p.toml") == "a {'n': 1}, a {'n': 1}"
    words = ("run", "flow_month.py::month", "-P", "path=a", "-P", "options.n=1")
    assert error_of(month.run(*words)).startswith("there is no input named 'options.n'")


def test_its_step_is_named_by_its_own_name(month: FlowTester) -> None:
    text = error_of(month.run("run", "flow_month.py::sales.load", "-P", "path=a"))
    assert text.endswith("\n  hint: did you mean 'load'?")


def test_a_workflow_that_others_request_is_run_by_itself_under_its_name(month: FlowTester) -> None:
    outcome = month.run("run", "-k", "sales", "-P", "path=a", "-v")
    assert "sales, 2 steps\n" in outcome.stdout
    text = error_of(month.run("run", "-k", "sales", "-P", "path=a", "-P", "sales.path=b"))
    assert text.startswith("there is no input named 'sales.path'")
