"""What was kept is shown within a terminal's width, broken between words; elsewhere each line is one."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys

import pytest

from flowbuilder import Terminal
from flowbuilder.cli.output import folded
from flowbuilder.testing import FlowTester

STEPS = """
    from flowbuilder import step, workflow

    @step(undo=lambda: None)
    def download_the_catalogue_of_all_products_of_the_shop() -> int:
        return 1

    @step(after=["download_the_catalogue_of_all_products_of_the_shop"])
    def join_with_orders() -> int:
        return 2

    @step(after=["join_with_orders"])
    def discounts():
        raise ValueError("none today")

    @workflow
    def report_of_the_shop_in_the_north(discounts, until_when: str = "the end of the week"): ...
"""


@pytest.fixture
def shop(flowtester: FlowTester) -> FlowTester:
    """A run that failed, of steps with long names."""
    flowtester.write("flow_shop.py", STEPS)
    assert flowtester.run("run").exit_code == 1
    return flowtester


def on_terminal(tester: FlowTester, *words: str) -> list[str]:
    """Return what a command prints on a terminal of 80 columns."""
    screen, end = pty.openpty()
    environ = {**os.environ, "COLUMNS": "80", "TERM": "xterm", "NO_COLOR": "1"}
    subprocess.run([sys.executable, "-m", "flowbuilder", *words], cwd=tester.path, env=environ, stdout=end, check=False)
    os.close(end)
    printed = os.read(screen, 65_536)
    os.close(screen)
    return printed.decode().splitlines()


def test_runs_puts_counts_below_where_they_do_not_fit(shop: FlowTester) -> None:
    first, second = on_terminal(shop, "runs")
    assert first.split()[3:5] == ["report_of_th…in_the_north", "failed"]
    assert second == " " * 14 + "1 failed, 1 skipped, 2 undone"
    assert len(shop.run("runs").stdout.splitlines()) == 1


def test_show_keeps_its_columns_whatever_the_names(shop: FlowTester) -> None:
    lines = [line for line in on_terminal(shop, "show") if line.startswith("  ") and "/" not in line]
    assert [re.sub(r"\d\.\d\d s", "0.00 s", re.sub(" +━+", "  ━━━", line)) for line in lines[:7]] == [
        "  download_the…_of_the_shop   undone          0.00 s  it was undone",
        "  join_with_orders            undone          0.00 s",
        " " * 30 + "download_the_catalogue_of_all_products_of_the_shop",
        " " * 30 + "was undone",
        "  discounts                   failed          0.00 s  ━━━",
        "  report_of_th…in_the_north   skipped              -  discounts failed",
        "  Traceback (most recent call last):",
    ]


def test_resume_breaks_its_lines_between_words(shop: FlowTester) -> None:
    shop.write("flow_shop.py", STEPS.replace("undo=lambda: None", ""))
    shop.run("run", "-P", "until_when=later")
    assert on_terminal(shop, "resume", "--dry-run")[3:] == [
        "  kept: 2 steps (download_the_catalogue_of_all_products_of_the_shop,",
        "    join_with_orders)",
        "  runs: discounts: failed",
        "  runs: report_of_the_shop_in_the_north: skipped",
    ]


@pytest.mark.parametrize(
    ("width", "line", "found"),
    [
        ("80", "a line", ["a line"]),
        ("20", "  kept: 2 steps (numbers, squares)", ["  kept: 2 steps", "    (numbers,", "    squares)"]),
        ("20", "two    columns, 3 more", ["two    columns, 3", "    more"]),
        ("20", "x" * 30 + " y", ["x" * 30, "    y"]),
        ("20", "  " + "x" * 30, ["  " + "x" * 30]),
        ("20", "数据处理数据 数据处理", ["数据处理数据", "    数据处理"]),
    ],
)
def test_a_line_is_broken_between_words(
    monkeypatch: pytest.MonkeyPatch, width: str, line: str, found: list[str]
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    terminal = Terminal(io.StringIO())
    assert folded(line, terminal) == line
    terminal.is_terminal = True
    assert folded(line, terminal).split("\n") == found
