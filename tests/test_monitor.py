"""What ``execute_with_monitoring`` prints."""

from __future__ import annotations

import re

import pytest

from flowbuilder import Context, FlowBuilder, ParallelConfig, ParallelExecutor, Registry, run
from flowbuilder.monitor import Monitor


def test_each_step_that_ends_gets_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    def fine() -> None: ...

    def broken() -> None:
        raise ValueError("no\x1b")

    ParallelExecutor(ParallelConfig(max_concurrency=1)).execute_with_monitoring_sync([("a", fine), ("b", broken)])
    assert re.sub(r"\d\.\d\d s", "0.00 s", capsys.readouterr().err) == (
        "[1/2] a success in 0.00 s\n"
        "[2/2] b failed after 0.00 s: ValueError: no\\x1b\n"
        "1 succeeded, 1 failed, 0 skipped in 0.00 s\n"
    )


def test_items_and_skips_are_told_too(capsys: pytest.CaptureFixture[str]) -> None:
    flows = Registry()

    @flows.step(each={"n": [1]})
    def many(n: int) -> None: ...

    @flows.step(when=lambda: False)
    def never(many: list[None]) -> None: ...

    run("never", registry=flows, plugins=[Monitor()])
    lines = re.sub(r"\d\.\d\d s", "0.00 s", capsys.readouterr().err).splitlines()
    assert lines[:3] == [
        "[0/2] many[0] success in 0.00 s",
        "[1/2] many success in 0.00 s",
        "[2/2] never skipped: its when was false",
    ]


def test_a_closed_stderr_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", None)

    def fine() -> int:
        return 1

    result = run(FlowBuilder("quiet").step(fine).build(), plugins=[Monitor()])
    assert result.plugin_failures == ()


def test_what_runs_inside_is_told_and_not_counted(capsys: pytest.CaptureFixture[str]) -> None:
    inner = FlowBuilder("sales").step(lambda: 1, name="load").build()

    def crawl(ctx: Context) -> None:
        ctx.run_sync(inner)
        ctx.run_sync(lambda: 1)

    run(FlowBuilder("flow").step(crawl).build(), plugins=[Monitor()])
    assert re.sub(r"\d\.\d\d s", "0.00 s", capsys.readouterr().err) == (
        "[0/1] crawl/sales.load success in 0.00 s\n"
        "[0/1] crawl/lambda success in 0.00 s\n"
        "[1/1] crawl success in 0.00 s\n"
        "1 succeeded, 0 failed, 0 skipped in 0.00 s\n"
    )
