"""What runs now, by what hooks told."""

from __future__ import annotations

import time
from dataclasses import replace

from flowbuilder import FlowBuilder, Registry, RunInfo, StepInfo
from flowbuilder.builtin.rows import Rows, whole_name
from flowbuilder.engine.views import Parent
from flowbuilder.runner import run_info


def info(name: str, *steps: str) -> RunInfo:
    flow = FlowBuilder(name)
    for step in steps:
        flow.step(lambda: None, name=step)
    return run_info(Registry().plan(flow.build()), None)


def step(run: RunInfo, name: str, item: int | None = None, total: int | None = None) -> StepInfo:
    definition = run.plan.steps[0].definition
    return StepInfo(name if item is None else f"{name}[{item}]", definition, item, total)


def started(run: RunInfo, *names: str) -> Rows:
    rows = Rows()
    rows.run_started(run)
    for name in names:
        rows.step_started(run, step(run, name), 1)
    return rows


def test_what_started_first_comes_first_until_it_ends() -> None:
    run = info("flow", "a", "b", "c")
    rows = started(run, "a", "b")
    assert [row.name for row in rows.running] == ["a", "b"]

    rows.step_ended(run, step(run, "a"), failed=True)
    assert [row.name for row in rows.running] == ["b"]
    assert rows.totals(time.monotonic()) == "1/3 steps, 1 failed, 0 s"
    assert rows.share == 1 / 3


def test_a_mapped_step_counts_its_items() -> None:
    run = info("flow", "many", "other")
    rows = started(run)
    rows.step_started(run, step(run, "many", total=4), 1)
    for item in range(3):
        rows.step_started(run, step(run, "many", item), 1)
    rows.step_ended(run, step(run, "many", 0), failed=False)
    rows.step_ended(run, step(run, "many", 1), failed=True)
    rows.step_waits(run, step(run, "many", 2), 5.0)

    assert [row.detail(0.0) for row in rows.running] == ["2/4, 1 failed, 1 waiting to retry"]
    assert rows.totals(time.monotonic()) == "0/2 steps, 2/4 items, 0 s"
    assert rows.share == 0.25

    rows.step_started(run, step(run, "many", 2), 2)
    assert [row.detail(0.0) for row in rows.running] == ["2/4, 1 failed"]


def test_a_step_that_waits_says_when_it_goes_on() -> None:
    run = info("flow", "flaky")
    rows = started(run, "flaky")
    rows.step_waits(run, step(run, "flaky"), 60.0)
    row = rows.running[0]
    assert (row.word, row.detail(time.monotonic() - 1)) == ("waiting", "attempt 2 in 60 s")
    assert row.detail(time.monotonic() + 99) == "attempt 2 in 0 s"

    rows.step_started(run, step(run, "flaky"), 2)
    assert (row.word, row.detail(0.0)) == ("running", "attempt 2")


def test_a_step_that_is_repeated_says_its_round() -> None:
    run = info("flow", "poll")
    rows = started(run, "poll")
    rows.step_waits(run, step(run, "poll"), 60.0, rounds=1)
    row = rows.running[0]
    assert (row.word, row.detail(time.monotonic() - 1)) == ("waiting", "round 2 in 60 s")

    rows.step_started(run, step(run, "poll"), 2)
    assert (row.word, row.detail(0.0)) == ("running", "round 2")
    rows.step_waits(run, step(run, "poll"), 60.0)
    assert row.detail(time.monotonic() - 1) == "attempt 3 in 60 s"


def test_items_that_wait_for_a_round_are_counted() -> None:
    run = info("flow", "many")
    rows = started(run)
    rows.step_started(run, step(run, "many", total=4), 1)
    rows.step_started(run, step(run, "many", 0), 1)
    rows.step_waits(run, step(run, "many", 0), 5.0, rounds=3)

    assert [row.detail(0.0) for row in rows.running] == ["0/4, 1 waiting for a round"]


def test_steps_are_named_with_their_workflow_where_there_are_several_to_the_end() -> None:
    first, second = info("first", "a"), info("second", "a", "b")
    rows = Rows()
    rows.run_planned(first.plan)
    rows.run_planned(second.plan)
    rows.run_started(first)
    assert (rows.name("first", "a"), rows.total) == ("first › a", 3)
    rows.run_started(second)
    rows.step_started(second, step(second, "a"), 1)
    assert [row.name for row in rows.running] == ["second › a"]

    rows.run_ended(first)
    assert rows.name("second", "b") == "second › b"
    assert not rows.is_empty
    rows.run_ended(second)
    assert rows.is_empty


def test_a_run_that_nobody_planned_counts_from_its_start() -> None:
    first, second = info("first", "a"), info("second", "b")
    rows = started(first)
    assert (rows.name("first", "a"), rows.total) == ("a", 1)
    rows.run_started(second)
    assert (rows.name("first", "a"), rows.total) == ("first › a", 2)


def test_a_run_that_waits_for_what_it_holds_says_so_and_who_has_it() -> None:
    flows = Registry()

    @flows.step(resources={"db": 1})
    def load() -> None: ...

    @flows.workflow(resources={"gpu": 1})
    def train() -> None: ...

    @flows.workflow
    def report(load: None) -> None: ...

    @flows.workflow(resources={"db": 2, "gpu": 1})
    def tune() -> None: ...

    runs = [run_info(flows.plan(one), None, resources={"db": 2, "gpu": 1}) for one in (train, report, tune)]
    rows = Rows()
    for one in runs:
        rows.run_planned(one.plan)
    for one in runs[:2]:
        rows.run_started(one)
    rows.step_started(runs[0], StepInfo("train", runs[0].definition), 1)
    rows.step_started(runs[1], StepInfo("load", runs[1].plan.by_name["load"].definition), 1)

    assert [(row.name, row.word, row.detail(0.0)) for row in rows.waiting] == [
        ("tune", "waiting", "for 2 db and 1 gpu, held by report › load, train")
    ]
    rows.step_ended(runs[1], step(runs[1], "load"), failed=False)
    rows.run_ended(runs[0])
    assert [row.detail(0.0) for row in rows.waiting] == ["for 2 db and 1 gpu"]
    rows.run_ended(runs[1])
    assert not rows.is_empty
    rows.run_started(runs[2])
    assert (rows.waiting, rows.total) == ([], 4)


def test_a_planned_run_that_holds_nothing_is_about_to_start() -> None:
    rows = Rows()
    rows.run_planned(info("first", "a").plan)
    assert [row.detail(0.0) for row in rows.waiting] == ["to start"]


def test_the_next_run_starts_at_zero() -> None:
    first, second = info("first", "a"), info("second", "b")
    rows = started(first, "a")
    rows.step_ended(first, step(first, "a"), failed=True)
    rows.is_stopping = True
    rows.run_ended(first)
    rows.run_started(second)

    assert rows.totals(time.monotonic()) == "0/1 steps, 0 s"


def test_hooks_about_what_never_started_change_only_the_counts() -> None:
    run = info("flow", "a")
    rows = started(run)
    rows.step_waits(run, step(run, "a"), 1.0)
    rows.step_ended(run, step(run, "many", 3), failed=False)
    rows.step_ended(run, step(run, "a"), failed=False)

    assert (rows.running, rows.done, rows.share) == ([], 1, 1.0)


def test_an_item_belongs_to_its_step_whatever_the_name() -> None:
    run = info("flow", "a")
    assert whole_name(step(run, "odd[name]", 12)) == "odd[name]"
    assert whole_name(step(run, "odd[name]")) == "odd[name]"


def test_what_runs_inside_a_body_is_shown_below_it_and_counts_for_nothing() -> None:
    run = info("flow", "crawl", "other")
    rows = started(run, "crawl", "other")
    definition = run.plan.steps[0].definition
    whole = StepInfo("crawl/fetch", definition, None, None, "crawl")
    item = StepInfo("crawl/fetch[0]", definition, 0, None, "crawl")
    rows.step_started(run, whole, 1)
    rows.step_started(run, item, 1)
    rows.step_ended(run, item, failed=False)
    assert [(row.name, row.detail(0.0)) for row in rows.running] == [
        ("crawl", ""),
        ("  fetch", "1 items"),
        ("other", ""),
    ]

    rows.step_ended(run, whole, failed=True)
    assert rows.totals(time.monotonic()) == "0/2 steps, 0 s"


def test_a_row_says_how_far_its_body_is() -> None:
    run = info("flow", "crawl")
    rows = started(run, "crawl")
    rows.step_progressed(run, step(run, "crawl"), 1200, 5000)
    assert [row.detail(0.0) for row in rows.running] == ["1,200/5,000"]
    rows.step_progressed(run, step(run, "crawl"), 12.5, None)
    assert [row.detail(0.0) for row in rows.running] == ["12.5"]


def nested(outer: RunInfo, body: str, name: str, *steps: str) -> RunInfo:
    """Return a run that a body of another one runs."""
    return replace(info(name, *steps), parent=Parent(outer, step(outer, body), f"{body}/{name}"))


def test_a_nested_run_is_a_row_below_its_body_that_counts_its_steps() -> None:
    run = info("flow", "crawl", "other")
    rows = started(run, "crawl", "other")
    inner = nested(run, "crawl", "sales", "load", "sum", "send")
    rows.run_started(inner)
    rows.step_started(inner, step(inner, "load"), 1)
    rows.step_ended(inner, step(inner, "load"), failed=False)
    rows.step_started(inner, step(inner, "sum"), 1)
    rows.step_ended(inner, step(inner, "send"), failed=True)
    assert [(row.name, row.detail(0.0)) for row in rows.running] == [
        ("crawl", ""),
        ("  sales", "2/3, 1 failed"),
        ("    sum", ""),
        ("other", ""),
    ]
    assert rows.totals(time.monotonic()) == "0/2 steps, 0 s"
    assert (rows.share, rows.is_shared) == (0.0, False)

    rows.step_ended(inner, step(inner, "sum"), failed=False)
    rows.run_ended(inner)
    assert [row.name for row in rows.running] == ["crawl", "other"]
    assert not rows.is_empty


def test_the_body_of_a_nested_run_is_that_run_to_whoever_looks() -> None:
    flows = Registry()

    @flows.workflow
    def sales() -> None: ...

    run = info("flow", "crawl")
    rows = started(run, "crawl")
    inner = replace(run_info(flows.plan(sales), None), parent=Parent(run, step(run, "crawl"), "crawl/sales"))
    rows.run_started(inner)
    rows.step_started(inner, step(inner, "sales"), 1)
    deeper = replace(info("month", "load"), parent=Parent(inner, step(inner, "sales"), "sales/month"))
    rows.run_started(deeper)
    rows.step_started(deeper, step(deeper, "load"), 1)
    assert [row.name for row in rows.running] == ["crawl", "  sales", "    month", "      load"]
    assert deeper.full_name(step(deeper, "load")) == "crawl/sales/month.load"

    rows.step_ended(inner, step(inner, "sales"), failed=False)
    assert [row.detail(0.0) for row in rows.running][1] == "1/1"
