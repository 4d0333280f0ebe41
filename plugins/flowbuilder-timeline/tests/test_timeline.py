"""What a trace says of a run, through the command line and from code."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import pytest
from flowbuilder_timeline import Timeline
from flowbuilder_timeline.rows import RunRows
from flowbuilder_timeline.trace_file import TraceFile

from flowbuilder import Context, FlowBuilder, ParallelConfig, Registry, run
from flowbuilder.testing import FlowTester, Outcome

Backend = Literal["asyncio", "trio"]
Entry = dict[str, Any]
CLOCKS = 2.0  # microseconds by which two clocks may be read apart

FLOW = """
from flowbuilder import Retry, step, workflow

tries = []

@step
def numbers() -> list[int]:
    return [3, 0, 5]

@step(each={"number": "numbers"})
def inverse(number: int) -> float:
    return 1 / number

@step(retries=Retry(2, on=(OSError,)))
def flaky() -> int:
    tries.append(1)
    if len(tries) < 3:
        raise OSError("not yet")
    return len(tries)

@workflow
def whole(inverse: list[float], flaky: int) -> int:
    return flaky
"""


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> Backend:
    return request.param  # type: ignore[no-any-return]  # pytest types a parameter as Any


@pytest.fixture(autouse=True)
def not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Load the plugin by -p alone, also where it is installed."""
    monkeypatch.setenv("FLOWBUILDER_DISABLE_PLUGIN_AUTOLOAD", "1")


def traced(flowtester: FlowTester, *arguments: str) -> tuple[Outcome, list[Entry]]:
    flowtester.write("flow_whole.py", FLOW)
    outcome = flowtester.run("run", "flow_whole.py", "-p", "flowbuilder_timeline", "--timeline", "t.json", *arguments)
    return outcome, entries(flowtester.path / "t.json")


def entries(path: Path) -> list[Entry]:
    return json.loads(path.read_text())  # type: ignore[no-any-return]  # a trace is a list of entries


def slices(trace: list[Entry], name: str = "") -> list[Entry]:
    return [one for one in trace if one["ph"] == "X" and name in ("", one["name"])]


def span(trace: list[Entry], name: str) -> tuple[float, float]:
    start, end = (one["ts"] for one in trace if one["ph"] in "be" and one["name"] == name)
    return start - CLOCKS, end + CLOCKS


def rows(trace: list[Entry]) -> dict[int, str]:
    return {one["tid"]: one["args"]["name"] for one in trace if one["name"] == "thread_name"}


def test_each_attempt_is_a_slice_with_status_and_error(flowtester: FlowTester) -> None:
    _, trace = traced(flowtester)

    assert [one["args"] for one in slices(trace, "flaky")] == [
        {"status": "retried", "attempt": 1, "error": "OSError: not yet"},
        {"status": "retried", "attempt": 2, "error": "OSError: not yet"},
        {"status": "success", "attempt": 3},
    ]
    assert slices(trace, "inverse[1]")[0]["args"] == {
        "status": "failed", "attempt": 1, "error": "ZeroDivisionError: division by zero",
    }  # fmt: skip


def test_what_is_skipped_is_an_instant_with_its_reason(flowtester: FlowTester) -> None:
    _, trace = traced(flowtester)
    (instant,) = (one for one in trace if one["ph"] == "i")

    assert (instant["name"], instant["args"]) == ("whole", {"status": "skipped", "reason": "inverse failed"})
    assert rows(trace)[instant["tid"]] == "did not run"


def test_a_step_whose_body_was_never_called_is_an_instant(tmp_path: Path) -> None:
    flows = Registry()

    @flows.provider
    def client() -> None:
        raise ConnectionError("refused")

    @flows.step
    def load(client: None) -> None: ...

    run(load, registry=flows, plugins=[Timeline(tmp_path / "t.json")])

    trace = entries(tmp_path / "t.json")
    assert slices(trace) == []
    (instant,) = (one for one in trace if one["ph"] == "i")
    assert instant["args"] == {"status": "failed", "attempt": 1, "error": "ConnectionError: refused"}


def test_a_span_goes_around_the_run_and_around_the_items_of_a_mapped_step(flowtester: FlowTester) -> None:
    _, trace = traced(flowtester)

    for name, inside in (("inverse", "inverse["), ("whole", "")):
        start, end = span(trace, name)
        within = [one for one in slices(trace) if one["name"].startswith(inside)]
        assert within
        assert all(start <= one["ts"] and one["ts"] + one["dur"] <= end for one in within)


def test_the_report_says_where_the_trace_is(flowtester: FlowTester) -> None:
    outcome, _ = traced(flowtester)

    assert "timeline: t.json, 7 slices; open it at ui.perfetto.dev or in chrome://tracing" in outcome.stdout


def test_a_failure_shows_the_users_frames_alone(flowtester: FlowTester) -> None:
    outcome, _ = traced(flowtester)

    assert "in inverse" in outcome.stdout
    assert "in flowbuilder_step_call" not in outcome.stdout


def test_without_the_option_nothing_is_written(flowtester: FlowTester) -> None:
    flowtester.write("flow_whole.py", FLOW)
    outcome = flowtester.run("run", "flow_whole.py", "-p", "flowbuilder_timeline")

    assert "timeline: " not in outcome.stdout
    assert [path.name for path in flowtester.path.glob("*.json")] == []


def test_a_row_is_a_slot_and_holds_one_attempt_at_a_time(backend: Backend, tmp_path: Path) -> None:
    flows = Registry()

    @flows.step(each={"n": list(range(200))})
    def plain(n: int) -> int:
        return sum(range(n))

    @flows.step(each={"n": "plain"})
    async def later(n: int) -> int:
        return n

    result = run(
        later, registry=flows, plugins=[Timeline(tmp_path / "t.json")],
        config=ParallelConfig(max_concurrency=3), backend=backend,
    )  # fmt: skip

    trace = entries(tmp_path / "t.json")
    assert result.success_count == 2
    assert len(slices(trace)) == 400
    assert set(rows(trace).values()) <= {
        "did not run",
        *(f"{where} {n}" for where in ("thread", "loop") for n in (1, 2, 3)),
    }
    assert_no_overlap(trace)


def assert_no_overlap(trace: list[Entry]) -> None:
    """Assert that each row's slices follow one another."""
    found: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for one in slices(trace):
        found[one["tid"]].append((one["ts"], one["ts"] + one["dur"]))
    for times in found.values():
        assert all(first[1] <= second[0] + 0.001 for first, second in pairwise(sorted(times)))


def test_a_body_that_overruns_in_a_thread_is_drawn_up_to_its_deadline(backend: Backend, tmp_path: Path) -> None:
    release = threading.Event()

    def stuck() -> None:
        release.wait(30)

    flow = FlowBuilder("late").step(stuck, timeout=0.1).build()
    run(flow, plugins=[Timeline(tmp_path / "t.json")], backend=backend)
    release.set()

    (one,) = slices(entries(tmp_path / "t.json"))
    assert one["args"]["status"] == "timed_out"
    assert 100_000 <= one["dur"] < 5_000_000


def test_several_runs_stand_one_below_the_other_in_one_trace(tmp_path: Path) -> None:
    timeline = Timeline(tmp_path / "t.json")
    flow = FlowBuilder("again").step(lambda: 1, name="one").build()
    for number in (1, 2, 3):
        run(flow, plugins=[timeline])
        trace = entries(tmp_path / "t.json")
        assert [one["pid"] for one in slices(trace, "one")] == list(range(1, number + 1))

    assert timeline.slices == 3


def test_foreign_text_in_a_name_or_an_error_stays_data(tmp_path: Path) -> None:
    def broken() -> None:
        raise ValueError("\x1b[31m \udc80 </script>")

    run(FlowBuilder("数据").step(broken, name='步骤 "1"').build(), plugins=[Timeline(tmp_path / "t.json")])

    (one,) = slices(entries(tmp_path / "t.json"))
    assert one["name"] == '步骤 "1"'
    assert one["args"]["error"] == "ValueError: \\x1b[31m \\udc80 </script>"


def test_a_trace_that_is_cut_off_can_be_opened(tmp_path: Path) -> None:
    trace = TraceFile(tmp_path / "t.json")
    for number in range(3):
        trace.write({"name": number})
    assert trace._file is not None
    trace._file.flush()

    assert json.loads((tmp_path / "t.json").read_text() + "]") == [{"name": 0}, {"name": 1}, {"name": 2}]
    trace.complete()


def test_a_full_disk_does_not_disturb_the_run(flowtester: FlowTester) -> None:
    flowtester.write("flow_whole.py", FLOW)
    outcome = flowtester.run("run", "flow_whole.py::flaky", "-p", "flowbuilder_timeline", "--timeline", "/dev/full")

    assert outcome.exit_code == 0
    assert "timeline: /dev/full cannot be written: OSError: [Errno 28] No space left on device" in outcome.stdout


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (".", "--timeline cannot be written\n  got: ., a folder\n  hint: name a file in it"),
        ("no/t.json", "--timeline cannot be written\n  got: no/t.json, in no folder\n  hint: mkdir -p no"),
        ("x" * 300, f"--timeline cannot be written\n  got: {'x' * 300}, File name too long"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_anything_runs(
    flowtester: FlowTester, path: str, message: str
) -> None:
    flowtester.write("flow_whole.py", FLOW)
    outcome = flowtester.run("run", "flow_whole.py", "-p", "flowbuilder_timeline", "--timeline", path)

    assert outcome.exit_code == 4
    assert message in outcome.stderr
    assert outcome.recorder.told == []


def test_a_row_is_found_at_once_among_thousands(tmp_path: Path) -> None:
    trace = TraceFile(tmp_path / "t.json")
    held = RunRows(trace, "run", number=1, origin=0)
    for number in range(20_000):
        held.take(f"s{number}", "loop")
        if number >= 1_000:
            held.slice(f"s{number - 1_000}", number, number + 1, {})
    trace.complete()

    assert len(rows(entries(tmp_path / "t.json"))) == 1_002


@pytest.mark.deep
def test_a_hundred_thousand_items_leave_nothing_in_memory(tmp_path: Path) -> None:
    flows, timeline = Registry(), Timeline(tmp_path / "t.json")

    @flows.step(each={"n": list(range(100_000))})
    async def item(n: int) -> int:
        return n

    run(item, registry=flows, plugins=[timeline])

    assert timeline.slices == 100_000
    assert (timeline._tries, timeline._runs) == ({}, {})
    assert_no_overlap(entries(tmp_path / "t.json"))


def test_what_a_body_runs_has_rows_and_a_nested_run_a_place_of_its_own(tmp_path: Path, backend: Backend) -> None:
    inner = FlowBuilder("sales").step(lambda: 1, name="load").build()

    def half(n: int) -> float:
        return n / 2

    async def crawl(ctx: Context) -> None:
        await ctx.run(inner)
        await ctx.map(half, [1, 2])

    timeline = Timeline(tmp_path / "trace.json")
    result = run(FlowBuilder("flow").step(crawl).build(), backend=backend, plugins=[timeline])
    entries: list[Entry] = json.loads((tmp_path / "trace.json").read_text())
    assert result.raise_for_errors().plugin_failures == ()
    assert {one["name"] for one in entries if one["ph"] == "X"} == {"crawl", "load", "crawl/half[0]", "crawl/half[1]"}
    names = [one["args"]["name"].partition(" ")[0] for one in entries if one["name"] == "process_name"]
    assert names == ["flow", "crawl/sales"]
