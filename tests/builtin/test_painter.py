"""Painting on a terminal, in this process and on a real pseudo-terminal."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

import pytest

from flowbuilder import Terminal
from flowbuilder.builtin.painter import Painter, Picture
from tests.builtin.conftest import Screen


def picture(*names: str) -> Picture:
    return 0.5, "totals", [[("      ", "dim"), ("running", "cyan"), (name, "")] for name in names]


@contextmanager
def painting(screen: Screen, seen: list[Picture]) -> Iterator[Terminal]:
    terminal = Terminal(screen)
    painter = Painter(terminal, lambda now: seen[0])
    painter.start()
    try:
        yield terminal
    finally:
        painter.stop()


def test_a_run_that_is_over_at_once_is_never_painted(screen: Screen) -> None:
    with painting(screen, [picture("one")]) as terminal:
        terminal.print("only line")

    assert screen.written == "only line\n"


def test_rows_that_do_not_change_are_not_painted_again(screen: Screen) -> None:
    seen = [picture("first")]
    with painting(screen, seen):
        screen.wait_for("first")
        length = len(screen.written)
        time.sleep(0.5)
        assert len(screen.written) == length
        seen[0] = picture("second")
        screen.wait_for("second")


def test_no_more_rows_than_fit_are_painted(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"step_{number}" for number in range(30)]
    with painting(screen, [picture(*names)]):
        rows = screen.wait_for("totals")
    assert [row.split()[-1] for row in rows[:8]] == names[:8]
    assert rows[8] == "      … and 22 more"

    monkeypatch.setenv("LINES", "5")
    small = Screen()
    with painting(small, [picture(*names)]):
        rows = small.wait_for("totals")
    assert [row for row in rows if row][:3] == ["       running step_0", "       running step_1", "      … and 28 more"]


def test_a_narrow_terminal_has_no_bar_and_no_line_is_broken(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    with painting(screen, [picture("a_name_that_is_much_too_long")]):
        rows = screen.wait_for("totals")

    assert rows[:2] == ["       running a_nam", "totals"]


def print_lines(terminal: Terminal, number: int) -> None:
    for line in range(50):
        terminal.print(f"line {number} {line}")


def test_many_threads_print_whole_lines_above_the_rows(screen: Screen) -> None:
    with painting(screen, [picture("one")]) as terminal:
        screen.wait_for("one")
        threads = [threading.Thread(target=print_lines, args=[terminal, number]) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    lines = [row for row in screen.rows if row.startswith("line")]
    assert sorted(lines) == sorted(f"line {n} {i}" for n in range(8) for i in range(50))


def test_text_without_a_line_break_is_printed_at_the_end(screen: Screen) -> None:
    with painting(screen, [picture("one")]) as terminal:
        screen.wait_for("one")
        terminal.write("half")

    assert screen.rows[0] == "half"


# On a pseudo-terminal.

FLOW = """
import time
from flowbuilder import step

@step
def waits(ctx):
    print("printed by a step")
    while True:
        time.sleep(0.01)
        ctx.check_cancelled()

@step
def last(waits): ...
"""


def on_terminal(folder: Path, *arguments: str) -> tuple[subprocess.Popen[bytes], int]:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
    process = subprocess.Popen(
        [sys.executable, "-m", "flowbuilder", "run", *arguments],
        cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, env=environment,
    )  # fmt: skip
    os.close(theirs)
    return process, ours


def read_until(terminal: int, text: bytes, found: bytes = b"") -> bytes:
    while text not in found:
        found += os.read(terminal, 65536)
    return found


def read_rest(terminal: int, found: bytes) -> str:
    try:
        while data := os.read(terminal, 65536):
            found += data
    except OSError:  # the other side has closed it
        pass
    os.close(terminal)
    return found.decode()


def test_ctrl_c_wipes_the_rows_and_ends_with_the_counts(tmp_path: Path) -> None:
    (tmp_path / "flow_waits.py").write_text(FLOW)
    process, terminal = on_terminal(tmp_path, "flow_waits.py", "--json", "out.json", "--junitxml", "out.xml")
    found = read_until(terminal, b"0/2 steps")
    process.send_signal(signal.SIGINT)
    text = read_rest(terminal, found)
    screen = Screen()
    screen.write(text)

    assert process.wait(20) == 2
    assert screen.has_cursor
    rows = [row.strip() for row in screen.rows]
    assert not [row for row in rows if row.startswith(("running", "━"))]
    assert "interrupted: 1 cancelled, 1 skipped in" in rows[-3]
    assert rows[-2].startswith("go on: flowbuilder resume ")
    assert "printed by a step" not in text
    assert json.loads((tmp_path / "out.json").read_text())["runs"][0]["status"] == "cancelled"
    assert ElementTree.parse(tmp_path / "out.xml").getroot().get("errors") == "1"


def test_a_second_ctrl_c_leaves_a_terminal_with_a_cursor(tmp_path: Path) -> None:
    (tmp_path / "flow_stuck.py").write_text(
        "import time\nfrom flowbuilder import step\n@step\ndef stuck(): time.sleep(60)\n@step\ndef last(stuck): ...\n"
    )
    process, terminal = on_terminal(tmp_path, "flow_stuck.py")
    found = read_until(terminal, b"0/2 steps")
    process.send_signal(signal.SIGINT)
    found = read_until(terminal, b"Ctrl-C again ends at once", found)
    process.send_signal(signal.SIGINT)
    screen = Screen()
    screen.write(read_rest(terminal, found))

    assert process.wait(20) == -signal.SIGINT
    assert screen.has_cursor


def test_with_s_a_terminal_shows_plain_lines(tmp_path: Path) -> None:
    (tmp_path / "flow_talks.py").write_text(
        "import time\nfrom flowbuilder import step\n@step\ndef talks():\n    time.sleep(0.6)\n    print('said')\n"
    )
    process, terminal = on_terminal(tmp_path, "-s", "flow_talks.py")
    text = read_rest(terminal, b"")

    assert process.wait(20) == 0
    assert "\r\nsaid\r\n" in text
    assert "running" not in text
