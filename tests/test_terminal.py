"""A terminal never raises, shows what its stream can show, and escapes what would disturb it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

from flowbuilder.terminal import Terminal, columns, padded, printable, ruled


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)


class Tty(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def printed(stream: io.StringIO, *parts: object, style: str = "") -> str:
    Terminal(stream).print(*parts, style=style)
    return stream.getvalue()


def test_parts_are_printed_with_spaces_between_them() -> None:
    assert printed(io.StringIO(), "one", ("two", "red"), 3) == "one two 3\n"


def test_a_terminal_shows_styles() -> None:
    assert printed(Tty(), "plain", ("two", "bold red")) == "plain \x1b[31m\x1b[1mtwo\x1b[0m\n"
    assert printed(Tty(), "all", style="dim") == "\x1b[2mall\x1b[0m\n"


@pytest.mark.parametrize(
    ("name", "value", "is_tty", "has_color"),
    [
        ("NO_COLOR", "1", True, False), ("NO_COLOR", "", True, True), ("FORCE_COLOR", "1", False, True),
        ("FORCE_COLOR", "0", False, False), ("TERM", "dumb", True, False), ("TERM", "xterm", True, True),
    ],
)  # fmt: skip
def test_the_environment_decides_on_colors(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, is_tty: bool, has_color: bool
) -> None:
    monkeypatch.setenv(name, value)
    assert Terminal(Tty() if is_tty else io.StringIO()).has_color is has_color


def test_control_characters_are_escaped_but_for_line_breaks() -> None:
    assert printed(io.StringIO(), "a\x1b[2J\u202eb\r\nc\td\x00") == "a\\x1b[2J\\u202eb\nc       d\\x00\n"
    assert printable("数据处理 é") == "数据处理 é"


@pytest.mark.parametrize(
    ("wanted", "width"), [("", 80), ("100", 100), ("5", 20), ("10000000", 1000), ("x", 80), ("0", 80)]
)
def test_the_width_is_bounded(monkeypatch: pytest.MonkeyPatch, wanted: str, width: int) -> None:
    monkeypatch.setenv("COLUMNS", wanted)
    assert Terminal(io.StringIO()).width == width


def test_what_an_encoding_cannot_express_is_escaped() -> None:
    raw = io.BytesIO()
    terminal = Terminal(io.TextIOWrapper(raw, encoding="ascii"))
    terminal.print("naïve … ├─ 数")

    assert raw.getvalue() == b"na\\xefve ... |- \\u6570\n"


def test_a_lone_surrogate_is_escaped() -> None:
    raw = io.BytesIO()
    terminal = Terminal(io.TextIOWrapper(raw, encoding="utf-8"))
    terminal.write("a\udcffb\n")
    assert raw.getvalue() == b"a\\udcffb\n"


def test_a_closed_stream_is_written_to_no_more() -> None:
    stream = io.StringIO()
    terminal = Terminal(stream)
    stream.close()
    terminal.print("one")
    terminal.print("two")

    assert isinstance(terminal.error, ValueError)
    assert not Terminal(stream).is_terminal


def test_a_reader_that_has_gone_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        terminal = Terminal(stream)
        terminal.print("one")
        terminal.print("two")
        assert isinstance(terminal.error, BrokenPipeError)
        os.dup2(os.open(os.devnull, os.O_WRONLY), writing)


def test_a_full_pipe_that_does_not_block_loses_only_what_does_not_fit() -> None:
    class Full(io.StringIO):
        is_full = True

        def flush(self) -> None:
            if self.is_full:
                raise BlockingIOError

    stream = Full()
    terminal = Terminal(stream)
    terminal.print("one")
    stream.is_full = False
    terminal.print("two")
    assert stream.getvalue().endswith("two\n")


def test_no_stdout_at_all_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    terminal = Terminal()
    terminal.print("one")
    terminal.section("two")
    assert not terminal.is_terminal


def test_a_python_whose_reader_has_gone_exits_quietly(tmp_path: Path) -> None:
    program = "from flowbuilder import Terminal\nt = Terminal()\nfor _ in range(9999): t.print('x' * 99)"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
    assert (process.returncode, err) == (0, b"")


def test_a_section_is_as_wide_as_the_terminal() -> None:
    assert ruled("title", 20) == "====== title ======="
    assert ruled("a title that is much too long", 20, "-") == "-- a title that is much too long --"
    assert ruled("数据", 20) == "======= 数据 ======="


def test_wide_characters_take_two_columns() -> None:
    assert [columns(text) for text in ("abc", "数据", "é", "e\u0301")] == [3, 4, 1, 1]
    assert padded("数据", 6) == "数据  "
    assert padded("too long", 3) == "too long"


def test_while_rows_are_painted_text_goes_to_who_paints_them() -> None:
    stream, above = Tty(), list[str]()
    terminal = Terminal(stream)
    terminal.above = above.append
    terminal.print("report")
    terminal.pass_on(stream, "of a program")
    other = io.StringIO()
    terminal.pass_on(other, "into a file")

    assert above == ["report\n", "of a program"]
    assert (stream.getvalue(), other.getvalue()) == ("", "into a file")


def test_moving_to_another_stream_looks_at_it_anew() -> None:
    terminal = Terminal(Tty())
    stream = io.StringIO()
    terminal.move_to(stream)
    terminal.print("here", style="red")

    assert stream.getvalue() == "here\n"
    assert not terminal.is_terminal


def test_the_rich_console_writes_to_the_same_stream() -> None:
    raw = io.BytesIO()
    terminal = Terminal(io.TextIOWrapper(raw, encoding="ascii"))
    terminal.console.print("[x] :smile: naïve")

    assert raw.getvalue() == b"[x] :smile: na\\xefve\n"
    assert terminal.console is terminal.console


def test_what_others_print_waits_while_a_thread_holds_the_terminal() -> None:
    stream = Tty()
    terminal = Terminal(stream)
    with terminal.held():
        for write in (partial(terminal.print, "other"), partial(terminal.pass_on, stream, "passed on\n")):
            other = threading.Thread(target=write)
            other.start()
            other.join()
        terminal.print("holder")
    terminal.print("after")

    assert stream.getvalue() == "holder\nother\npassed on\nafter\n"


def test_what_is_being_written_is_written_before_a_thread_holds_the_terminal() -> None:
    begun, go_on = threading.Event(), threading.Event()

    class Slow(Tty):
        def write(self, text: str) -> int:
            if text == "other\n":
                begun.set()
                assert go_on.wait(5)
            return super().write(text)

    stream = Slow()
    terminal = Terminal(stream)
    other = threading.Thread(target=lambda: terminal.print("other"))
    other.start()
    assert begun.wait(5)
    threading.Timer(0.05, go_on.set).start()
    with terminal.held():
        terminal.print("holder")
    other.join()

    assert stream.getvalue() == "other\nholder\n"
