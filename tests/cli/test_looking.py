"""``list``, ``plan`` and ``graph``: what there is, what would happen, and a picture of it."""

from __future__ import annotations

import pytest

from flowbuilder.cli.catalog import COMMANDS, fresh
from flowbuilder.testing import FlowTester

from .conftest import error_of

SALES = """
    from flowbuilder import step, workflow

    @step
    def load(path: str, limit: int = 10) -> int:
        \"\"\"Read the file.

        All of it.
        \"\"\"
        return 1

    @step
    def clean(load: int) -> int:
        return load

    @step
    def spare() -> int:
        \"\"\"Nobody wants it.\"\"\"
        return 1

    @workflow(tags=("nightly",))
    def sales(clean: int, load: int) -> int:
        \"\"\"Sum up.\"\"\"
        return clean + load
"""


@pytest.fixture
def both(tester: FlowTester) -> FlowTester:
    """Return a tester with flow_report.py and sub/sales_flow.py."""
    tester.write("sub/sales_flow.py", SALES)
    return tester


def test_list_shows_files_workflows_and_steps(both: FlowTester) -> None:
    outcome = both.run("list")
    assert outcome.exit_code == 0, outcome
    assert outcome.stdout == (
        "flow_report.py\n"
        "  workflow  report  Add up.\n"
        "  step      rows    Count.\n"
        "  step      double\n"
        "sub/sales_flow.py\n"
        "  workflow  sales  Sum up.\n"
        "  step      load   Read the file.\n"
        "  step      clean\n"
        "  step      spare  Nobody wants it. (no workflow asks for it by name)\n"
    )


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["-k", "sal"], ["sales", "load", "clean"]),
        (["-m", "nightly"], ["sales", "load", "clean"]),
        (["flow_report.py::rows"], ["rows"]),
        (["flow_report.py"], ["report", "rows", "double"]),
    ],
)
def test_list_is_narrowed_like_a_run(both: FlowTester, words: list[str], names: list[str]) -> None:
    lines = both.run("list", *words).stdout.splitlines()
    assert [line.split()[1] for line in lines if line.startswith(" ")] == names


def test_list_shows_what_else_there_is_beside_a_workflow_that_cannot_be_planned(both: FlowTester) -> None:
    both.write(
        "flow_wrong.py",
        """
        from flowbuilder import step

        @step
        def one(two): pass

        @step
        def two(one): pass
        """,
    )
    outcome = both.run("list")
    assert outcome.exit_code == 0
    assert (
        "  workflow  wrong  (cannot be planned: these steps need each other in a circle:"
        " one (flow_wrong.py:4) → two (flow_wrong.py:7) → one (flow_wrong.py:4))\n"
    ) in outcome.stdout
    assert "  workflow  report  Add up.\n" in outcome.stdout


def test_plan_explains_and_shows_what_is_missing(both: FlowTester) -> None:
    outcome = both.run("plan", "sub")
    assert outcome.exit_code == 0, outcome
    assert outcome.stdout.startswith(
        "workflow sales: 3 steps\n\n"
        "inputs\n"
        "  path = ? (missing, str: give it with -P path=…)\n"
        "  limit = 10 (default)\n\n"
        "batch 1\n"
    )
    assert "  limit = 3 (-P)\n" in both.run("plan", "sub", "-P", "limit=3").stdout


def test_plan_shows_every_workflow_and_refuses_a_value_that_none_takes(both: FlowTester) -> None:
    out = both.run("plan", "-P", "count=2", "-P", "limit=3").stdout
    assert "  count = 2 (-P)\n" in out
    assert "  limit = 3 (-P)\n" in out
    assert "allowed: count, path, limit" in error_of(both.run("plan", "-P", "size=2"))


def test_plan_shows_in_which_order_workflows_run_and_what_they_need(flowtester: FlowTester) -> None:
    flowtester.write(
        "flow_night.py",
        """
        from flowbuilder import step, workflow

        @step(resources={"db": 2, "disk": 1})
        def load(): ...

        @workflow
        def late(load): ...

        @workflow(priority=5, resources={"gpu": 2})
        def early(): ...
        """,
    )
    outcome = flowtester.run("plan", "--resource", "db=4", "--resource", "gpu=1")

    assert outcome.stdout.startswith(
        "2 workflows, by priority\n     5  early\n     0  late\n\nworkflow early: 1 step\n"
    )
    assert outcome.stdout.endswith(
        "\n\nresources, the most that is needed at once\n"
        "  db: 2 of 4\n"
        "  disk: 1 of ? (missing: say how much there is with --resource disk=…)\n"
        "  gpu: 2 of 1 (more than there is)\n"
    )


def test_plugins_look_at_each_plan(both: FlowTester) -> None:
    both.write(
        "flowconf.py",
        """
        from flowbuilder import hookimpl

        @hookimpl
        def flowbuilder_plan(plan): print("planned", plan.name)
        """,
    )
    assert both.run("graph").stdout.splitlines()[:2] == ["planned report", "planned sales"]


def test_a_graph_is_a_tree_of_text(both: FlowTester) -> None:
    both.write("flow_steps.py", "from flowbuilder import step\n@step\ndef one(): pass\n@step\ndef two(): pass\n")
    assert both.run("graph").stdout == (
        "report\n└─ double × each item\n   └─ rows\n\nsteps\n├─ one\n└─ two\n\nsales\n├─ clean\n│  └─ load\n└─ load\n"
    )


def test_a_step_with_upstream_is_drawn_below_one_that_needs_it_and_then_only_named(flowtester: FlowTester) -> None:
    flowtester.write(
        "flow_diamond.py",
        """
        from flowbuilder import step

        @step
        def top(): pass

        @step
        def base(top): pass

        @step
        def left(base): pass

        @step
        def right(base): pass
        """,
    )
    assert flowtester.run("graph").stdout == ("diamond\n├─ left\n│  └─ base\n│     └─ top\n└─ right\n   └─ base ↑\n")


def test_a_graph_is_drawn_for_graphviz_and_one_for_mermaid(both: FlowTester) -> None:
    assert both.run("graph", "--format", "dot").stdout.count("digraph") == 2
    assert both.run("graph", "--format", "mermaid", "sub").stdout.startswith("flowchart TD\n")
    assert error_of(both.run("graph", "--format", "mermaid")) == (
        "--format mermaid draws one workflow, and there are 2\n"
        "  got: report, sales\n"
        "  hint: name PATH::NAME, or choose with -k or -m"
    )


def test_a_long_chain_is_drawn_without_recursion(flowtester: FlowTester) -> None:
    flowtester.write(
        "flow_chain.py",
        """
        from flowbuilder import step

        for number in range(3000):
            step(name=f"s{number}", after=(f"s{number - 1}",) if number else ())(lambda: None)
        """,
    )
    outcome = flowtester.run("graph")
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.stdout.count("\n") == 3001


@pytest.mark.parametrize("name", list(COMMANDS))
def test_the_help_of_the_group_is_that_of_its_commands(name: str) -> None:
    assert fresh(name).short_help == COMMANDS[name]
    assert fresh(name).help
