"""Stored results on the command line: from cache or not and why, cache list, cache clear, --no-cache."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from flowbuilder.testing import FlowTester

FLOW = """
from flowbuilder import Cache, step, workflow

@step(cache=True)
def rows(count: int = 3) -> list[int]:
    return list(range(count))

@step(each={"row": "rows"}, cache=Cache(expires=3600))
def double(row: int) -> int:
    return row * 2

@workflow
def report(double: list[int]) -> int:
    return sum(double)
"""


@pytest.fixture
def cached(flowtester: FlowTester) -> FlowTester:
    flowtester.write("flow_report.py", FLOW)
    assert flowtester.run("run").exit_code == 0
    return flowtester


def test_a_line_says_that_a_result_is_from_the_cache(cached: FlowTester) -> None:
    out = cached.run("run").stdout
    assert re.search(r"success +rows +\d\.\d\d s +from cache\n", out)
    assert "6" in out.splitlines()


def test_verbose_lines_say_from_which_run_and_why_not(cached: FlowTester) -> None:
    out = cached.run("run", "-v", "-P", "count=4").stdout
    assert re.search(r"success +rows .*not from cache: nothing is stored for this count\n", out)
    assert re.search(r"success +double\[2\] .*from cache: run \w+, \d s ago\n", out)
    assert re.search(r"success +double\[3\] .*not from cache: nothing is stored for this row\n", out)


def test_changed_code_is_named(cached: FlowTester) -> None:
    cached.write("flow_report.py", FLOW.replace("row * 2", "row * 3"))
    out = cached.run("run", "-v").stdout
    assert "not from cache: its code has changed: double\n" in out
    assert "9" in out.splitlines()


def test_no_cache_takes_nothing_and_keeps_anew(cached: FlowTester) -> None:
    assert "from cache: " not in cached.run("run", "-v", "--no-cache").stdout.replace("not from cache: ", "")
    assert "from cache" in cached.run("run").stdout


def test_a_plan_says_what_is_cached(cached: FlowTester) -> None:
    out = cached.run("plan").stdout
    assert "  rows  (cached by its inputs)\n" in out
    assert "  double × each item  (cached by its inputs for 3600 s" in out


def test_a_plan_says_what_is_known_of_results_before_anything_runs(cached: FlowTester) -> None:
    known = cached.run("plan").stdout.partition("\ncache\n")[2]
    assert re.match(r"  rows: from cache: run \w+, \d s ago\n  double: known item by item when rows has run\n", known)
    other = cached.run("plan", "-P", "count=4").stdout
    assert "\ncache\n  rows: not from cache: nothing is stored for this count\n" in other


def test_a_plan_says_so_where_nothing_was_ever_kept(flowtester: FlowTester) -> None:
    flowtester.write("flow_report.py", FLOW.replace("count: int = 3", "count: int"))
    assert "\ncache\n  rows: known when count is given\n" in flowtester.run("plan").stdout
    given = flowtester.run("plan", "-P", "count=1").stdout
    assert "\ncache\n  rows: not from cache: nothing is stored for it yet\n" in given
    assert not (flowtester.path / ".flowbuilder").exists()


def test_what_is_stored_is_listed_and_forgotten(cached: FlowTester) -> None:
    assert len(cached.run("cache").stdout.splitlines()) == 4
    assert {row["step"] for row in json.loads(cached.run("cache", "list", "--json").stdout)} == {"rows", "double"}
    assert cached.run("cache", "clear", "rows").stdout == "1 result forgotten\n"
    assert cached.run("cache", "clear", "--older-than", "1").stdout == "0 results forgotten\n"
    assert cached.run("cache", "clear", "--all").stdout == "3 results forgotten\n"
    assert cached.run("cache", "list").stdout == "nothing is cached\n"


def test_what_is_to_be_forgotten_is_asked_for(cached: FlowTester) -> None:
    assert cached.run("cache", "clear").stderr == (
        "error: cache clear has to be told what\n  hint: name steps, or give --older-than DAYS or --all\n"
    )
    assert cached.run("cache", "clear", "row").stderr == (
        "error: there is no step with a stored result named 'row'\n  allowed: double, rows\n"
        "  hint: did you mean 'rows'?\n"
    )


def test_processes_share_a_cache(flowtester: FlowTester) -> None:
    flowtester.write("flow_report.py", FLOW)
    command = [sys.executable, "-m", "flowbuilder", "run", "-q", "-P", "count=20"]
    started = [subprocess.Popen(command, cwd=flowtester.path, stdout=subprocess.DEVNULL) for _ in range(4)]
    assert [process.wait(30) for process in started] == [0] * 4
    out = flowtester.run("run", "-v", "-P", "count=20").stdout
    assert "not from cache" not in out
    assert out.count("from cache: run ") == 21


def test_a_hit_needs_no_worker_process(flowtester: FlowTester) -> None:
    flowtester.write(
        "flow_heavy.py",
        """
        import os
        from pathlib import Path
        from flowbuilder import step

        @step(executor="process", cache=True)
        def heavy(n: int = 2) -> int:
            Path(f"worker-{os.getpid()}").touch()
            return n * n
        """,
    )
    assert flowtester.run("run").exit_code == 0
    assert "from cache" in flowtester.run("run").stdout
    assert len(list(flowtester.path.glob("worker-*"))) == 1


def test_json_says_it_too(cached: FlowTester) -> None:
    cached.run("run", "--json", "report.json")
    (run,) = json.loads((cached.path / "report.json").read_text())["runs"]
    steps = {one["name"]: one for one in run["steps"]} if isinstance(run["steps"], list) else run["steps"]
    assert steps["rows"]["cache"]["hit"] is True
