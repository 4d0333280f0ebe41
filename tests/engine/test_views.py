"""What hooks are given says briefly what it is where it is printed."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from flowbuilder import Call, Context, Registry, RunInfo, StepInfo, hookimpl, run
from flowbuilder.runner import Backend


class Printer:
    """Keeps what the runs, their parents and calls are printed as."""

    def __init__(self) -> None:
        self.runs: list[str] = []
        self.parents: list[str] = []
        self.calls: list[str] = []

    @hookimpl
    def flowbuilder_run_start(self, run: RunInfo) -> None:
        self.runs.append(repr(run))
        self.parents.append(repr(run.parent))

    @hookimpl
    def flowbuilder_step_call(self, run: RunInfo, step: StepInfo, call: Call) -> Generator[None, Any, None]:
        self.calls.append(repr(call))
        yield


def test_a_run_is_printed_as_its_workflow_and_id_and_a_call_as_attempt_and_arguments(backend: Backend) -> None:
    flows = Registry()

    @flows.workflow
    def sales(path: str) -> int:
        return 1

    @flows.workflow
    async def crawl(ctx: Context) -> int:
        return await ctx.run(sales, path="x" * 1000)

    printer = Printer()
    result = run("crawl", registry=flows, plugins=[printer], backend=backend)
    assert result.value == 1
    assert printer.runs[0] == f"<RunInfo 'crawl', run {result.run_id}>"
    assert printer.runs[1].startswith("<RunInfo 'crawl/sales', run ")
    assert len(printer.parents[1]) < 400
    assert printer.calls == ["<Call of attempt 1 with ctx>", "<Call of attempt 1 with path>"]
