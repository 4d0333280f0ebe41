"""Several workflows at once in the report: the overview, the lines, the rows and what stands at the end."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Callable
from typing import Any

import pytest

from flowbuilder import FlowBuilder, Plan, Registry, RunResult, Terminal, WorkflowScheduler
from flowbuilder.builtin.overview import print_overview
from flowbuilder.builtin.terminal import Report
from flowbuilder.testing import FlowTester
from tests.builtin.conftest import Screen, summarise, timeless


def holder(name: str, body: Callable[[], object] = lambda: None, **words: Any) -> Plan:
    """Return the plan of a workflow of one step, its body."""

    def held() -> object:
        return body()

    flows = Registry()
    flows.workflow(name=name, **words)(held)
    return flows.plan(name)


def overview(*plans: Plan) -> list[str]:
    stream = io.StringIO()
    print_overview(Terminal(stream), plans)
    return stream.getvalue().splitlines()


def reported(screen: Screen, *plans: Plan, **limits: Any) -> list[RunResult[Any]]:
    """Run plans that are all known before the first run starts, as the command line does."""
    report = Report(Terminal(screen))
    for plan in plans:
        report.flowbuilder_plan(plan)
    with WorkflowScheduler(plugins=[report], **limits) as scheduler:
        handles = [scheduler.submit_plan(plan) for plan in plans]
        results = [handle.wait_sync(20) for handle in handles]
    summarise(report, Terminal(screen), results)
    return results


def test_an_overview_names_workflows_with_priority_and_what_they_hold() -> None:
    assert overview(holder("train", priority=3, resources={"gpu": 1, "db": 2}), holder("sales")) == [
        "",
        "2 workflows, 2 steps, by priority",
        "  train: 1 step, priority 3, holds 2 db and 1 gpu",
        "  sales: 1 step",
        "",
    ]


def test_a_narrow_overview_says_what_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    assert overview(holder("train", priority=3, resources={"gpu": 1}), holder("w" * 40))[2:4] == [
        "  train: 1 step, priority 3",
        f"  {'w' * 40}: 1 step",
    ]


def test_of_many_workflows_the_first_ones_are_named() -> None:
    lines = overview(*(holder(f"flow {number}") for number in range(12)))
    assert lines[1:3] == ["12 workflows, 12 steps", "  flow 0: 1 step"]
    assert lines[11:] == ["  flow 9: 1 step", "  … and 2 more", ""]


def test_workflows_that_run_at_once_are_named_beside_their_steps_and_one_that_waits_says_for_what(
    screen: Screen,
) -> None:
    release = threading.Event()
    plans = (
        holder("train", lambda: release.wait(20), resources={"gpu": 1}),
        holder("tune", resources={"gpu": 1}),
        holder("sales"),
    )
    done = threading.Thread(target=reported, args=(screen, *plans), kwargs={"resources": {"gpu": 1}})
    done.start()
    rows = screen.wait_for("held by train")
    release.set()
    done.join()

    assert [timeless(row) for row in rows[1:]] == [
        "3 workflows, 3 steps",
        "  train: 1 step, holds 1 gpu",
        "  tune: 1 step, holds 1 gpu",
        "  sales: 1 step",
        "",
        "[1/3] success   sales › sales    0.00 s",
        "      running   train › train       0 s",
        "      waiting   tune                0 s  for 1 gpu, held by train",
        rows[-1],
    ]
    assert rows[-1].endswith("  1/3 steps, 0 s")
    ended = [timeless(row).strip("= ") for row in screen.rows if " succeeded in " in row]
    assert ended == [
        "train: 1 succeeded in 0.00 s",
        "tune: 1 succeeded in 0.00 s",
        "sales: 1 succeeded in 0.00 s",
        "3 succeeded in 0.00 s",
    ]


def test_runs_that_are_submitted_one_by_one_are_named_as_they_start(screen: Screen) -> None:
    release = threading.Event()
    first = FlowBuilder("first").step(lambda: release.wait(20), name="a").build()
    second = FlowBuilder("second").step(lambda: None, name="b").build()
    with WorkflowScheduler(plugins=[Report(Terminal(screen))]) as scheduler:
        scheduler.submit(first)
        screen.wait_for("running   a")
        scheduler.submit(second).wait_sync(20)
        rows = screen.wait_for("second › b")
        release.set()

    assert [row for row in rows if row.endswith(" step")] == ["first, 1 step", "second, 1 step"]


def test_a_stream_that_cannot_show_the_arrow_gets_a_plain_one() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
    Terminal(stream).print("sales › load")
    assert raw.getvalue() == b"sales > load\n"


def test_the_failures_of_several_workflows_name_them(flowtester: FlowTester) -> None:
    flowtester.write(
        "flow_two.py",
        """
        from flowbuilder import step, workflow

        @step(each={"n": [1, 2, 3]})
        def load(n: int): raise ValueError(n)

        @workflow
        def one(load): pass

        @workflow
        def two(load): pass
        """,
    )
    text = flowtester.run("run", "--all", "-n", "1").stdout
    titles = re.findall(r"^-+ (.*) -+$", text, re.MULTILINE)
    assert titles == [f"{name} › load[{item}]" for name in ("one", "two") for item in range(3)]
    assert "one: skipped one: load failed\ntwo: skipped two: load failed\n" in text
