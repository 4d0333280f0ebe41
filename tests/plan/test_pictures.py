"""Pictures of a plan: what a person reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import assume, given, strategies as st

from flowbuilder import Context, FlowBuilder, Registry, StepResult, Until
from flowbuilder.errors import FlowBuilderError
from flowbuilder.plan.build import PlanOptions
from flowbuilder.plan.given import Text
from flowbuilder.plan.plan import Plan


def test_only_items_of_a_mapped_step_are_said_to_be_skipped_by_its_condition() -> None:
    def odd(n: int) -> int:
        return n

    def total(odd: list[int]) -> int:
        return sum(odd)

    flow = FlowBuilder("odds").step(odd, each={"n": [1, 2]}, when=lambda n: n % 2).step(total)

    assert Registry().plan(flow.build()).explain() == (
        "workflow odds: 2 steps, 1 of them mapped\n"
        "\n"
        "batch 1\n"
        "  odd × each item  (items may be skipped by its when)\n"
        "      n ← one item of (1, 2)\n"
        "\n"
        "batch 2\n"
        "  total\n"
        "      odd ← step odd\n"
        "\n"
        "longest chain: odd → total\n"
    )


def test_a_step_that_is_repeated_says_until_when_and_how_often() -> None:
    def is_done(result: str, goal: str) -> bool:
        return result == goal

    flow = FlowBuilder("polling").step(lambda: "done", name="goal")
    flow.step(lambda previous: "done", name="poll", until=Until(is_done, every=0.5, limit=20))
    flow.step(lambda: 1, name="once", until=Until(lambda result: result, limit=2))

    once, poll = Registry().plan(flow.build()).explain().split("\n\n")[1:-1]
    assert once == "batch 1\n  goal\n  once  (until its predicate holds, every 1 s, at most 2 rounds)"
    assert poll == (
        "batch 2\n"
        "  poll  (until is_done holds, every 0.5 s, at most 20 rounds)\n"
        "      previous ← what the round before returned\n"
        "      goal ← step goal, for until="
    )


def test_a_step_that_can_be_undone_says_so_and_what_for() -> None:
    flow = FlowBuilder("trip").step(lambda day: day, name="book", undo=lambda result, day, fee: None)
    (book,) = Registry().plan(flow.build(), {"day": 1, "fee": 2}).explain().split("\n\n")[2:-1]
    assert book == "batch 1\n  book  (can be undone)\n      day ← input day\n      fee ← input fee, for undo="


def rich_plan() -> Plan:
    flows = Registry()

    @flows.provider
    def api(url: str = "http://x") -> Iterator[str]:
        yield url

    @flows.step
    def files(root: Path) -> list[str]:
        return []

    @flows.step(each={"path": files}, executor="process", retries=1, timeout=30)
    def measure(path: str) -> int:
        return 1

    @flows.step(when=lambda day: day > 1, after=["files", "prepared"])
    def total(measure: list[int], api: str, ctx: Context) -> int:
        return sum(measure)

    @flows.step
    def prepared() -> None: ...

    @flows.workflow
    def report(total: StepResult[int], limit: int = 3) -> None: ...

    measure.__module__, measure.__qualname__ = "sent", "measure"
    return flows.plan(report, {"root": Text("src", "-P")}, options=PlanOptions(lenient=True))


def test_the_words_of_a_plan_tell_where_every_value_comes_from() -> None:
    assert rich_plan().explain() == EXPLAINED


EXPLAINED = """\
workflow report: 5 steps, 1 of them mapped

inputs
  limit = 3 (default)
  day = ? (missing: give it with -P day=…)
  root = PosixPath('src') (-P)
  url = 'http://x' (default)

providers
  api
      url ← input url

batch 1
  files
      root ← input root
  prepared

batch 2
  measure × each item  (process, timeout 30 s, 1 retry)
      path ← one item of step files

batch 3
  total  (may be skipped by its when)
      measure ← step measure
      api ← provider api
      ctx ← the run's context
      day ← input day, for when=
      after files
      after prepared

batch 4
  report  (body)
      total ← the result of step total
      limit ← input limit

longest chain: files → measure → total → report
"""


def test_a_mermaid_chart_dashes_what_only_orders() -> None:
    assert rich_plan().to_mermaid() == (
        "flowchart TD\n"
        '    s0["files"]\n'
        '    s1[["measure × each item"]]\n'
        '    s2["prepared"]\n'
        '    s3["total"]\n'
        '    s4(["report"])\n'
        "    s0 --> s1\n"
        "    s1 --> s3\n"
        "    s0 -.-> s3\n"
        "    s2 -.-> s3\n"
        "    s3 --> s4\n"
    )


def test_a_dot_graph_dashes_what_only_orders() -> None:
    assert rich_plan().to_dot() == (
        'digraph "report" {\n'
        "  node [shape=box];\n"
        '  "files" [label="files"];\n'
        '  "measure" [label="measure × each item", peripheries=2];\n'
        '  "prepared" [label="prepared"];\n'
        '  "total" [label="total"];\n'
        '  "report" [label="report", shape=oval];\n'
        '  "files" -> "measure";\n'
        '  "measure" -> "total";\n'
        '  "files" -> "total" [style=dashed];\n'
        '  "prepared" -> "total" [style=dashed];\n'
        '  "total" -> "report";\n'
        "}\n"
    )


def test_a_step_that_gives_a_value_too_is_no_mere_order() -> None:
    plan = Registry().plan(FlowBuilder("f").step(lambda: 1, name="a").then(lambda a: a, name="b").build())
    assert "    s0 --> s1\n" in plan.to_mermaid()
    assert '  "a" -> "b";\n' in plan.to_dot()
    assert "after a" not in plan.explain()


def test_names_cannot_break_out_of_a_picture() -> None:
    name = 'x" <b>`#amp; & é'
    plan = Registry().plan(FlowBuilder('f"{').step(lambda: 1, name=name).build())
    assert '    s0["x#quot; #lt;b#gt;#96;#35;amp; #amp; é"]\n' in plan.to_mermaid()
    assert plan.to_dot().splitlines()[0] == 'digraph "f\\"{" {'
    assert '  "x\\" <b>`#amp; & é" [label="x\\" <b>`#amp; & é"];\n' in plan.to_dot()


def test_overrides_and_literal_items_are_told_as_such() -> None:
    flow = FlowBuilder("f").step(lambda: 1, name="a").step(lambda a, n: a, name="b", each={"n": [1, 2]}).build()
    words = Registry().plan(flow, overrides={"a": 41}).explain()
    assert "      n ← one item of (1, 2)\n      a ← 41 (overrides a)\n" in words


def test_secrets_are_not_in_the_words_of_a_plan() -> None:
    flow = FlowBuilder("f").step(lambda: "x", name="api_key").step(lambda api_key, token: 1, name="b").build()
    words = Registry().plan(flow, {"token": "hunter2"}, overrides={"api_key": "hunter2"}).explain()
    assert "hunter2" not in words
    assert "  token = *** (params=)\n" in words
    assert "      api_key ← *** (overrides api_key)\n" in words


def test_a_missing_input_names_its_type() -> None:
    def save(days: list[int]) -> None: ...

    words = Registry().plan(FlowBuilder("f").step(save).build(), options=PlanOptions(lenient=True)).explain()
    assert "  days = ? (missing, list[int]: give it with -P days=…)\n" in words


def test_warnings_close_the_words() -> None:
    flows = Registry(lexical=True)
    source = "@r.step\ndef limit(): ...\ndef f():\n  @r.step\n  def a(limit=5): ...\n  return a\na = f()\n"
    names: dict[str, Any] = {"r": flows, "__name__": "w"}
    exec(compile(source, "w.py", "exec"), names)
    assert flows.plan(names["a"]).explain().splitlines()[-1] == (
        "warning: a: the parameter 'limit' has a default, but is filled by 'limit' of w.py:1"
    )


@given(st.lists(st.text(st.characters(), min_size=1, max_size=20), min_size=1, max_size=5, unique=True))
def test_whatever_steps_are_called_a_picture_has_a_line_for_each(names: list[str]) -> None:
    builder = FlowBuilder("f")
    for name in names:
        with suppress(FlowBuilderError):
            builder.then(lambda: 1, name=name)
    assume(builder._steps)
    plan = Registry().plan(builder.build())
    count = len(plan.steps)
    assert len(plan.to_mermaid().splitlines()) == 1 + count + (count - 1)
    assert len(plan.to_dot().splitlines()) == 3 + count + (count - 1)
    assert all(line.count('"') == 2 for line in plan.to_mermaid().splitlines()[1 : count + 1])
    assert all(line.isprintable() for line in (plan.explain() + plan.to_dot()).splitlines())
