"""Steps that run inside a body, on the command line: told by verbose, kept for when it runs again."""

from __future__ import annotations

import json
import re

from flowbuilder.testing import FlowTester

FLOW = """
    from pathlib import Path

    from flowbuilder import step, workflow

    @step
    def fetch(n):
        with open("fetched", "a") as file:
            file.write(".")
        return n * 2

    @step
    async def crawl(ctx):
        found = await ctx.map(fetch, range(3)) + [await ctx.run(fetch, 4)]
        if not Path("ok").exists():
            raise ValueError("not yet")
        return found

    @workflow
    def total(crawl):
        return sum(crawl)
"""


def test_a_body_is_run_again_and_what_has_run_inside_it_is_not(flowtester: FlowTester) -> None:
    flowtester.write("flow_crawl.py", FLOW)
    assert flowtester.run_process("run", "flow_crawl.py").exit_code == 1
    assert re.search(r"\n  crawl +failed .+  4 calls inside\n", flowtester.run_process("show").stdout)
    flowtester.write("ok", "")
    resumed = flowtester.run_process("resume")
    assert (resumed.exit_code, resumed.stderr) == (0, "")
    resumed.assert_lines("  kept: nothing", "  kept inside: crawl 4 calls", "  runs: crawl: failed")
    assert "\n14\n" in resumed.stdout
    assert (flowtester.path / "fetched").read_text() == "...."
    document = json.loads(flowtester.run_process("show", "--json").stdout)
    assert [one["inner"] for one in document["steps"]] == [{"success": 4}, {}]


def test_what_runs_inside_is_told_by_verbose_alone(flowtester: FlowTester) -> None:
    flowtester.write("flow_crawl.py", FLOW)
    flowtester.write("ok", "")
    assert "crawl/fetch" not in flowtester.run("run", "flow_crawl.py").stdout
    assert "success   crawl/fetch[2]" in flowtester.run("run", "flow_crawl.py", "-v").stdout


def test_the_line_of_a_step_says_how_many_calls_it_made(flowtester: FlowTester) -> None:
    flowtester.write("flow_crawl.py", FLOW)
    flowtester.write("ok", "")
    found = flowtester.run("run", "flow_crawl.py", "--json", "crawl.json")
    assert re.search(r"success   crawl +[\d.]+ s  4 calls inside\n", found.stdout)
    steps = {
        one["name"]: one["inner"]
        for one in json.loads((flowtester.path / "crawl.json").read_text())["runs"][0]["steps"]
    }
    assert steps == {"crawl": {"success": 4}, "total": {}}


def test_a_place_in_a_failure_is_named_from_the_working_directory(flowtester: FlowTester) -> None:
    flowtester.write(
        "flow_needs.py",
        """
        from flowbuilder import step, workflow

        @step(resources={"db": 1})
        def load():
            return 1

        @step
        async def report(ctx):
            return await ctx.run(load)

        @workflow
        def flow(report):
            return report
        """,
    )
    told = flowtester.run_process("run", "flow_needs.py", "--no-store").stdout
    # In its line, and in the failure itself.
    assert told.count(" (flow_needs.py:4)") == 2
