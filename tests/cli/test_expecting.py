"""What ``plan`` says of how long a run will take."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowbuilder.store.rows import RunBegan, RunEnded, RunRow
from flowbuilder.store.sqlite import SqliteStore
from flowbuilder.testing import FlowTester
from tests.store.samples import ended, write

SECONDS = {"rows": 0.5, "double": 2.0, "report": 1.0}


@pytest.fixture
def place(tester: FlowTester) -> Path:
    """Return where the runs of flow_report.py are kept."""
    return tester.path / ".flowbuilder" / "runs.db"


def keep(place: Path, *steps: str, items: int = 3) -> None:
    store = SqliteStore(place)
    entries = [ended("one", step, duration=SECONDS[step]) for step in steps if step != "double"]
    if "double" in steps:
        entries += [ended("one", "double", item=item, duration=SECONDS["double"]) for item in range(items)]
    began = RunBegan(RunRow(run_id="one", workflow="report"))
    assert write(store, began, *entries, RunEnded("one", "success", 9.0, {})) is None
    store.close()


def expectation(tester: FlowTester, *words: str) -> str:
    return tester.run("plan", *words).stdout.partition("expected, by past runs\n")[2]


def test_plan_shows_what_each_step_takes_the_critical_path_and_all_of_it(tester: FlowTester, place: Path) -> None:
    keep(place, "rows", "double", "report")
    assert expectation(tester, "-n", "2") == (
        "  rows    0.50 s\n"
        "  double  2.00 s × 3 items\n"
        "  report  1.00 s\n"
        "critical path: rows → double → report, 3.50 s\n"
        "in all: 5.50 s, with 2 at once\n"
    )
    assert expectation(tester, "-n", "1").endswith("in all: 7.50 s, with 1 at once\n")


def test_without_a_number_of_slots_the_lanes_say_how_many_run(tester: FlowTester, place: Path) -> None:
    keep(place, "rows", "double", "report")
    assert expectation(tester).endswith("in all: 3.50 s, with as many at once as their lanes allow\n")


def test_a_number_of_slots_in_the_settings_counts(tester: FlowTester, place: Path) -> None:
    keep(place, "rows", "double", "report")
    tester.write("pyproject.toml", "[tool.flowbuilder]\nmax-concurrency = 1\n")
    assert expectation(tester).endswith("in all: 7.50 s, with 1 at once\n")


def test_a_step_that_never_succeeded_counts_as_the_mean_of_the_others(tester: FlowTester, place: Path) -> None:
    keep(place, "rows", "double", items=1)
    assert expectation(tester, "-n", "1") == (
        "  rows    0.50 s\n"
        "  double  2.00 s × 1 item\n"
        "  report  ? (counted as the mean of the others)\n"
        "critical path: rows → double → report, 3.75 s\n"
        "in all: 3.75 s, with 1 at once\n"
    )


def test_plan_expects_nothing_of_a_workflow_that_did_not_run_and_makes_no_store(
    tester: FlowTester, place: Path
) -> None:
    assert expectation(tester) == ""
    assert not place.parent.exists()
    keep(place)
    assert expectation(tester) == ""


def test_what_a_run_kept_is_what_plan_expects(tester: FlowTester) -> None:
    assert tester.run("run").exit_code == 0
    assert expectation(tester).splitlines()[1].endswith(" × 3 items")


def test_plan_stands_where_the_store_cannot_be_read(tester: FlowTester, place: Path) -> None:
    place.parent.mkdir()
    place.write_bytes(b"this is no database at all" * 100)
    outcome = tester.run("plan")
    assert (outcome.exit_code, outcome.stdout.splitlines()[0]) == (0, "workflow report: 3 steps, 1 of them mapped")
    assert outcome.stderr == (
        "warning: no expected times: the run store cannot be used: it is no database (file is not a database)\n"
    )
