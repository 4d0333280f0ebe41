"""Undo on the command line: lines, counts, reports, and what a resumed run does again."""

from __future__ import annotations

import json

import pytest

from flowbuilder.testing import FlowTester

TRIP = """
    from pathlib import Path
    from flowbuilder import step, workflow

    def unbook(result: str) -> None:
        with Path("undone").open("a") as file:
            file.write(result)

    @step(undo=unbook)
    def book() -> str:
        return "booked;"

    @workflow
    def trip(book: str, cars: int = 0) -> str:
        if not cars:
            raise LookupError("no car is left")
        return book
"""


@pytest.fixture
def trip(flowtester: FlowTester) -> FlowTester:
    flowtester.write("flow_trip.py", TRIP)
    return flowtester


@pytest.mark.parametrize("options", [(), ("-x",), ("-n", "1"), ("--maxfail", "1", "-q")])
def test_a_failed_run_is_undone_whatever_stops_it(trip: FlowTester, options: tuple[str, ...]) -> None:
    outcome = trip.run("run", "flow_trip.py", *options)

    assert outcome.exit_code == 1
    assert (trip.path / "undone").read_text() == "booked;"
    outcome.assert_lines("*1 failed, 1 undone in*")


def test_the_document_has_what_was_undone(trip: FlowTester) -> None:
    document = json.loads(trip.run("run", "flow_trip.py", "--json", "-").stdout)

    (run,) = document["runs"]
    assert (run["success_count"], run["undone_count"]) == (0, 1)
    assert [(step["name"], step["undone"], step["reason"]) for step in run["steps"]] == [
        ("book", True, "it was undone"),
        ("trip", False, None),
    ]


def test_with_several_workflows_the_others_go_on(trip: FlowTester) -> None:
    trip.write("flow_good.py", "from flowbuilder import step\n\n@step(undo=lambda: 1 / 0)\ndef good(): return 1\n")
    outcome = trip.run("run", ".", "--all")

    outcome.assert_lines("*undone *book*", "good: 1 succeeded in*", "trip: 1 failed, 1 undone in*")


def test_a_run_that_was_undone_is_done_again_when_it_is_resumed(trip: FlowTester) -> None:
    trip.run("run", "flow_trip.py")
    outcome = trip.run("resume", "--rerun", "trip")

    assert outcome.exit_code == 1
    assert ": undone" in outcome.stdout
    assert (trip.path / "undone").read_text() == "booked;booked;"


def test_show_tells_what_was_undone_and_why_an_undo_failed(flowtester: FlowTester) -> None:
    flowtester.write("flow_trip.py", TRIP.replace('with Path("undone")', 'with Path("no/such/folder")'))
    flowtester.write("flow_good.py", TRIP.replace("trip", "tour"))
    flowtester.run("run", "flow_good.py")
    outcome = flowtester.run("show")
    outcome.assert_lines("  book  undone *s  it was undone")
    assert "\nbook undone" not in outcome.stdout

    flowtester.run("run", "flow_trip.py")
    outcome = flowtester.run("show")
    outcome.assert_lines("  book  undone *its undo failed", "book undone", "*FileNotFoundError: *")


def test_show_lists_steps_as_they_started_and_within_the_width(flowtester: FlowTester) -> None:
    steps = """
    from flowbuilder import Until, step, workflow

    @step(undo=lambda: None)
    def first() -> int:
        return 1

    @step(until=Until(lambda result: result == 3, every=0.001))
    def polls(previous: int = 0) -> int:
        return previous + 1

    @step
    def last(first: int, polls: int) -> int:
        return 1 // 0
    """
    flowtester.write("flow_long.py", steps)
    assert flowtester.run("run", "-n", "1").exit_code == 1
    lines = flowtester.run("show").stdout.splitlines()[4:7]

    assert [line.split()[:2] for line in lines] == [["first", "undone"], ["polls", "success"], ["last", "failed"]]
    assert lines[1].endswith("━  attempt 3")
    assert max(map(len, lines)) < 80
