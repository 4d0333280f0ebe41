"""The report of a run, without a terminal and on one."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flowbuilder import (
    Context,
    FlowBuilder,
    ParallelConfig,
    Registry,
    Retry,
    Status,
    StepInfo,
    Terminal,
    Until,
    hookimpl,
    run,
)
from flowbuilder.builtin.terminal import Report
from flowbuilder.engine.views import Parent
from flowbuilder.runner import run_info
from flowbuilder.testing import FlowTester
from tests.builtin.conftest import Reported, Screen, summarise, timeless

ONE_AT_A_TIME = ParallelConfig(max_concurrency=1)


def small() -> Any:
    def load() -> int:
        return 1

    def broken(load: int) -> None:
        raise ValueError("broken")

    def after(broken: None) -> None: ...

    return FlowBuilder("small").step(load).step(broken).step(after).build()


def test_each_ended_step_gets_a_line_and_the_counts_come_last(reported: Reported) -> None:
    lines = reported(small(), config=ONE_AT_A_TIME).splitlines()

    assert lines[:5] == [
        "",
        "small, 3 steps",
        "[1/3] success   load      0.00 s",
        "[2/3] failed    broken    0.00 s  ValueError: broken",
        "[3/3] skipped   after             broken failed",
    ]
    assert lines[-2:] == [
        "skipped after: broken failed",
        "================== 1 succeeded, 1 failed, 1 skipped in 0.00 s ==================",
    ]


def test_quiet_leaves_failures_and_counts(reported: Reported) -> None:
    lines = reported(small(), level=-1).splitlines()

    assert "failures" in lines[0]
    assert not [line for line in lines if line.startswith(("[", "skipped", "small"))]
    assert "1 succeeded, 1 failed, 1 skipped" in lines[-1]


def test_verbose_tells_each_start_item_and_retry(reported: Reported) -> None:
    flows, tries = Registry(), []

    @flows.step(each={"n": [1, 2]})
    def square(n: int) -> int:
        return n * n

    @flows.step(retries=Retry(1, on=(OSError,)))
    def flaky(square: list[int]) -> int:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("not yet")
        return sum(square)

    text = reported(flows["flaky"], level=1, registry=flows, config=ONE_AT_A_TIME)
    assert [" ".join(line.split()) for line in text.splitlines()[2:-3]] == [
        "[0/2] start square",
        "[0/2] start square[0]",
        "[0/2] success square[0] 0.00 s",
        "[0/2] start square[1]",
        "[0/2] success square[1] 0.00 s",
        "[1/2] success square 0.00 s 2 items",
        "[1/2] start flaky",
        "[1/2] retry flaky in 0.00 s, after OSError: not yet",
        "[1/2] start flaky attempt 2",
        "[2/2] success flaky 0.00 s attempt 2",
    ]


def test_verbose_tells_each_round(reported: Reported) -> None:
    def poll(previous: int = 0) -> int:
        return previous + 1

    flow = FlowBuilder("polling").step(poll, until=Until(lambda poll: poll == 2, every=0)).build()
    text = reported(flow, level=1, config=ONE_AT_A_TIME)
    assert [" ".join(line.split()) for line in text.splitlines()[2:-3]] == [
        "[0/1] start poll",
        "[0/1] repeat poll in 0.00 s, after round 1",
        "[0/1] start poll attempt 2",
        "[1/1] success poll 0.00 s 2 rounds",
    ]


def test_a_failure_says_in_which_round(reported: Reported) -> None:
    flow = FlowBuilder("polling").step(lambda: 1, name="poll", until=Until(lambda: False, every=0, limit=2)).build()
    text = reported(flow)
    assert "- poll, round 2 -" in text
    assert "the until of poll did not hold after 2 rounds" in text


def test_an_undo_gets_a_line_and_one_that_fails_a_part_of_its_own(reported: Reported) -> None:
    def unbook() -> None:
        raise OSError("no way back")

    flow = FlowBuilder("trip").step(lambda: 1, name="plan", undo=lambda: None).then(lambda: 1, name="book", undo=unbook)
    lines = reported(flow.then(lambda: 1 / 0, name="pay").build(), config=ONE_AT_A_TIME).splitlines()
    told = [" ".join(line.split()) for line in lines]

    assert told[4:7] == [
        "[3/3] failed pay 0.00 s ZeroDivisionError: division by zero",
        "[3/3] failed book its undo: OSError: no way back",
        "[3/3] undone plan",
    ]
    assert any(line.strip("-") == " undo of step book " for line in lines)
    assert "1 failed, 2 undone, 1 error in" in lines[-1]


def test_of_the_undos_of_items_the_first_few_get_a_line(reported: Reported) -> None:
    flow = FlowBuilder("many").step(lambda n: n, name="made", each={"n": list(range(30))}, undo=lambda: None)
    lines = reported(flow.then(lambda: 1 / 0, name="broken").build()).splitlines()
    assert sum(line.startswith("[2/2] undone    made[") for line in lines) == 10


def test_items_get_a_line_only_where_they_fail_and_then_the_first_few(reported: Reported) -> None:
    flows = Registry()

    @flows.step(each={"n": list(range(30))})
    def inverse(n: int) -> float:
        if n % 2:
            raise ValueError(n)
        return n

    lines = reported(inverse, registry=flows).splitlines()
    told = [line for line in lines if line.startswith("[")]
    assert len([line for line in told if "failed    inverse[" in line]) == 10
    assert told[-1] == "[1/1] failed    inverse        0.00 s  15 of 30 items failed"


def test_a_rescued_step_is_a_success_that_says_so(reported: Reported) -> None:
    def shaky() -> None:
        raise OSError("no route")

    text = reported(FlowBuilder("calm").step(shaky, on_error="continue").build())
    assert "[1/1] success   shaky    0.00 s  rescued from OSError: no route\n" in text


def test_skips_for_one_reason_are_told_ten_times_and_counted_at_the_end(reported: Reported) -> None:
    def first() -> None:
        raise ValueError

    flow = FlowBuilder("wide").step(first)
    for number in range(50):
        flow.step(lambda first: None, name=f"next_{number}")

    lines = reported(flow.build()).splitlines()
    assert len([line for line in lines if "skipped   next_" in line]) == 10
    assert lines[-2].endswith("next_7, … and 42 more: first failed")


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        ("one\ntwo\x1b[2J", "one\ntwo\\x1b[2J"),
        ({"a": 1}, "{'a': 1}"),
        ("x" * 9000, "x" * 8000 + "\n… and 1,000 more characters"),
    ],
)
def test_the_value_of_the_run_is_printed(reported: Reported, value: Any, printed: str) -> None:
    flows = Registry()

    @flows.workflow
    def whole() -> Any:
        return value

    assert f"\n\n{printed}\n====" in reported(whole, registry=flows)


def test_several_runs_get_a_line_each_and_one_for_all(reported: Reported) -> None:
    def one() -> int:
        return 1

    flows = [FlowBuilder(name).step(one).build() for name in ("first", "second")]
    assert reported(*flows).splitlines()[-10:] == [
        "",
        "first returned",
        "one: 1",
        "",
        "second returned",
        "one: 1",
        "",
        "first: 1 succeeded in 0.00 s",
        "second: 1 succeeded in 0.00 s",
        "============================ 2 succeeded in 0.00 s =============================",
    ]


def test_notes_name_what_outlived_its_time_out(reported: Reported) -> None:
    release = threading.Event()

    def stuck() -> None:
        release.wait(30)

    text = reported(FlowBuilder("late").step(stuck, timeout=0.05).build())
    release.set()
    assert "note: stuck overran and its thread still runs\n" in text


def test_what_other_plugins_say_stands_between_failures_and_counts() -> None:
    class Adds:
        @hookimpl
        def flowbuilder_summary(self, terminal: Terminal) -> None:
            terminal.print("added")

    from flowbuilder.host import make_host

    stream = io.StringIO()
    terminal = Terminal(stream)
    host = make_host(plugins=[Adds(), Report(terminal)], entry_points=False)
    host.hook.flowbuilder_summary(terminal=terminal, results=[run(small())])
    text = stream.getvalue()

    assert text.index("= failures =") < text.index("added") < text.index("1 succeeded")


@pytest.mark.usefixtures("untraced")
def test_the_end_is_short_and_quick_with_ten_thousand_failures() -> None:
    flow = FlowBuilder("bad")

    def bad() -> None:
        raise ValueError("bad\n" * 100)

    for number in range(10_000):
        flow.step(bad, name=f"bad_{number}")
    result, stream = run(flow.build()), io.StringIO()
    started = time.process_time()
    summarise(Report(Terminal(stream)), Terminal(stream), [result])

    assert stream.getvalue().count("\n") <= 200
    assert "… and 9,977 more failures; -v shows all" in stream.getvalue()
    assert time.process_time() - started < 3


def test_a_run_without_a_terminal_never_loads_rich(tmp_path: Path) -> None:
    (tmp_path / "flow_one.py").write_text("from flowbuilder import step\n@step\ndef one(): raise ValueError\n")
    program = "import sys; from flowbuilder.cli import main; main(sys.argv[1:]); sys.exit('rich' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program, "run", "flow_one.py"], cwd=tmp_path, check=False, timeout=60)

    assert done.returncode == 0


# On a terminal.


def test_rows_show_what_runs_and_are_wiped_at_the_end(screen: Screen) -> None:
    release = threading.Event()

    def quick() -> None: ...

    def slow(quick: None) -> None:
        release.wait(30)

    flow = FlowBuilder("live").step(quick).step(slow).build()
    done = in_background(lambda: run(flow, plugins=[Report(Terminal(screen))]))
    rows = screen.wait_for("running   slow")
    release.set()
    done.join()

    assert rows[1:4] == [
        "live, 2 steps",
        "[1/2] success   quick    0.00 s",
        "      running   slow        0 s",
    ]
    assert re.fullmatch("━{13}╺━{12}  1/2 steps, 0 s", rows[4])
    assert [timeless(row).rstrip() for row in screen.rows if row][2:] == ["[2/2] success   slow     0.00 s"]
    assert screen.has_cursor


def test_a_mapped_step_is_one_row_with_its_items_counted(screen: Screen) -> None:
    release, flows = threading.Event(), Registry()

    @flows.step(each={"n": list(range(1234))})
    def measure(n: int) -> None:
        if n == 1000:
            release.wait(30)

    done = in_background(
        lambda: run("measure", registry=flows, config=ONE_AT_A_TIME, plugins=[Report(Terminal(screen))])
    )
    rows = screen.wait_for("1,000/1,234 items")
    release.set()
    done.join()

    assert [row for row in rows if row.startswith("      running   measure") and "1,000/1,234" in row]


def test_a_waiting_retry_says_when_it_goes_on(screen: Screen) -> None:
    def flaky() -> None:
        if len(tries) == 0:
            tries.append(1)
            raise OSError

    tries: list[int] = []
    flow = FlowBuilder("again").step(flaky, retries=Retry(1, delay=1.0)).build()
    done = in_background(lambda: run(flow, plugins=[Report(Terminal(screen))]))
    rows = screen.wait_for("attempt 2 in 0 s")
    done.join()

    assert rows[2] == "      waiting   flaky       0 s  attempt 2 in 0 s"


def test_what_is_printed_meanwhile_stands_above_the_rows(screen: Screen) -> None:
    release, terminal = threading.Event(), Terminal(screen)

    def slow() -> None:
        screen.wait_for("running   slow")
        terminal.pass_on(screen, "half a ")
        terminal.pass_on(screen, "line\n")
        release.wait(30)

    done = in_background(lambda: run(FlowBuilder("talk").step(slow).build(), plugins=[Report(terminal)]))
    rows = screen.wait_for("half a line")
    release.set()
    done.join()

    assert rows[2] == "half a line"
    assert [row.rstrip() for row in screen.rows if "half" in row] == ["half a line"]


def in_background(fn: Any) -> threading.Thread:
    thread = threading.Thread(target=fn)
    thread.start()
    return thread


# Through the command line.


def test_the_header_names_versions_root_and_plugins(flowtester: FlowTester) -> None:
    flowtester.write("flow_one.py", "from flowbuilder import step\n@step\ndef one(): ...\n")
    flowtester.write(
        "flowconf.py",
        """
        from flowbuilder import hookimpl

        @hookimpl
        def flowbuilder_report_header(config):
            return ["hello", "there"]
        """,
    )
    lines = flowtester.run("run", "flow_one.py").stdout.splitlines()

    assert lines[0].startswith("flowbuilder ")
    assert lines[0].endswith(", asyncio")
    assert lines[1] == f"root: {flowtester.path}"
    assert lines[2].startswith("plugins: Recorder")
    assert lines[3:5] == ["hello", "there"]


def test_twice_quiet_prints_nothing_but_still_fails(flowtester: FlowTester) -> None:
    flowtester.write("flow_one.py", "from flowbuilder import step\n@step\ndef one(): raise ValueError\n")
    outcome = flowtester.run("run", "-qq", "flow_one.py")

    assert outcome.stdout == ""
    assert outcome.exit_code == 1
    assert outcome.status_of("one") is Status.FAILED


@pytest.mark.parametrize("words", [["-q", "-v"], ["-vqq"], ["--verbose", "--quiet"]])
def test_quiet_and_verbose_contradict_each_other(flowtester: FlowTester, words: list[str]) -> None:
    outcome = flowtester.run("run", *words)

    assert outcome.exit_code == 4
    assert outcome.stderr == "error: -q and -v contradict each other\n  hint: give one of them\n"


def test_what_is_typed_of_quiet_and_verbose_goes_over_the_settings(flowtester: FlowTester) -> None:
    flowtester.write("flow_one.py", "from flowbuilder import step\n@step\ndef one(): ...\n")
    flowtester.write("pyproject.toml", "[tool.flowbuilder]\nquiet = 2\n")

    assert flowtester.run("run").stdout == ""
    assert "start     one" in flowtester.run("run", "-v").stdout


@pytest.mark.parametrize(
    ("reasons", "said"),
    [
        (("SIGINT", "SIGINT"), "interrupted: what runs is being stopped; Ctrl-C again ends at once\n"),
        (("SIGTERM",), "interrupted: what runs is being stopped\n"),
        (("its caller was cancelled",), ""),
    ],
)
def test_a_signal_is_answered_before_what_runs_has_ended(reasons: tuple[str, ...], said: str) -> None:
    stream = io.StringIO()
    report, info = Report(Terminal(stream)), run_info(Registry().plan(small()), None)
    for reason in reasons:
        report.flowbuilder_run_cancel(info, reason)

    assert stream.getvalue() == said


def crawler(*, fails: bool = False) -> Any:
    """Return a flow whose body runs another one, and goes on whatever becomes of that."""
    inner = small() if fails else FlowBuilder("sales").step(lambda: 1, name="load").build()

    async def crawl(ctx: Context) -> str:
        with suppress(ExceptionGroup):
            await ctx.run(inner)
        return "went on"

    return FlowBuilder("flow").step(crawl).build()


def test_what_a_body_runs_is_told_by_verbose_alone(reported: Reported) -> None:
    assert "load" not in reported(crawler())
    lines = reported(crawler(), level=1).splitlines()
    assert any(line.startswith("[0/1] success   crawl/sales.load ") for line in lines)
    assert "[0/1] start     crawl/sales.load" in lines


def test_failures_of_what_a_body_runs_are_told_and_not_counted(reported: Reported) -> None:
    report = reported(crawler(fails=True))
    assert "[0/1] failed    crawl/small.broken" in report
    assert "crawl/small.after" not in report
    assert "[1/1] success   crawl" in report


def test_a_nested_run_that_is_cancelled_does_not_say_that_all_is_stopping() -> None:
    stream = io.StringIO()
    report, info = Report(Terminal(stream)), run_info(Registry().plan(small()), None)
    step = StepInfo("crawl", info.plan.steps[0].definition)
    report.flowbuilder_run_cancel(replace(info, parent=Parent(info, step, "crawl/small")), "SIGINT")
    assert stream.getvalue() == ""
