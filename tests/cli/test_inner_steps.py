"""Steps that run inside a body, on the command line: told by verbose, run again with it."""

from __future__ import annotations

from flowbuilder.testing import FlowTester

FLOW = """
    from pathlib import Path

    from flowbuilder import step, workflow

    @step
    def fetch(n):
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


def test_a_body_is_run_again_with_all_that_is_inside(flowtester: FlowTester) -> None:
    flowtester.write("flow_crawl.py", FLOW)
    assert flowtester.run_process("run", "flow_crawl.py").exit_code == 1
    shown = flowtester.run_process("show").stdout
    assert "crawl/fetch" not in shown
    flowtester.write("ok", "")
    resumed = flowtester.run_process("resume")
    assert (resumed.exit_code, resumed.stderr) == (0, "")
    assert "\n14\n" in resumed.stdout


def test_what_runs_inside_is_told_by_verbose_alone(flowtester: FlowTester) -> None:
    flowtester.write("flow_crawl.py", FLOW)
    flowtester.write("ok", "")
    assert "crawl/fetch" not in flowtester.run("run", "flow_crawl.py").stdout
    assert "success   crawl/fetch[2]" in flowtester.run("run", "flow_crawl.py", "-v").stdout
