"""A terminal to look at, and what is reported of a run."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Sequence
from typing import Any, Protocol

import pytest

from flowbuilder import RunResult, Terminal, run
from flowbuilder.builtin.terminal import Report
from flowbuilder.host import make_host

CODE = re.compile(r"\x1b\[(\??[\d;]*)([A-Za-z])|(\r\n|\r|\n)|([^\x1b\r\n]+)")


class Screen(io.StringIO):
    """A stream that is a terminal: ``rows`` is what a person would see, scrolled-off lines included."""

    encoding = "utf-8"

    def __init__(self) -> None:
        super().__init__()
        self.rows = [""]
        self.written = ""
        self.has_cursor = True
        self._row = self._column = 0
        self._changed = threading.Condition()

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        with self._changed:
            self.written += text
            for numbers, code, line_break, plain in CODE.findall(text):
                self._apply(numbers, code, line_break, plain)
            self._changed.notify_all()
        return len(text)

    def _apply(self, numbers: str, code: str, line_break: str, plain: str) -> None:
        if line_break:
            self._column = 0
            self._row += line_break.endswith("\n")
            self.rows += [""] * (self._row + 1 - len(self.rows))
        elif code == "A":
            self._row = max(self._row - int(numbers or 1), 0)
        elif code == "K":
            self.rows[self._row] = ""
        elif code in "hl" and numbers == "?25":
            self.has_cursor = code == "h"
        elif plain:
            line = self.rows[self._row].ljust(self._column)
            self.rows[self._row] = line[: self._column] + plain + line[self._column + len(plain) :]
            self._column += len(plain)

    def wait_for(self, text: str) -> list[str]:
        """Wait until a row contains ``text``, and return the rows of that moment."""
        with self._changed:
            assert self._changed.wait_for(lambda: any(text in row for row in self.rows), 20), self.rows
            return [row.rstrip() for row in self.rows]


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """Return a terminal of 80 columns and 24 lines."""
    for name, value in (("COLUMNS", "80"), ("LINES", "24"), ("TERM", "xterm-256color")):
        monkeypatch.setenv(name, value)
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return Screen()


@pytest.fixture(autouse=True)
def no_colors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the environment the tests run in decides what they see."""
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


class Reported(Protocol):
    """Runs a workflow and returns the report, with every time as 0.00 s."""

    def __call__(self, *workflows: Any, level: int = 0, **words: Any) -> str: ...


@pytest.fixture
def reported() -> Reported:
    def call(*workflows: Any, level: int = 0, **words: Any) -> str:
        stream = io.StringIO()
        report = Report(Terminal(stream), level)
        results = [run(workflow, plugins=[report], **words) for workflow in workflows]
        summarise(report, Terminal(stream), results)
        return timeless(stream.getvalue())

    return call


def summarise(report: Any, terminal: Terminal, results: Sequence[RunResult[Any]]) -> None:
    """Let one plugin print its summary."""
    make_host(plugins=[report], entry_points=False).hook.flowbuilder_summary(terminal=terminal, results=results)


def timeless(text: str) -> str:
    return re.sub(r"\d+\.\d\d? s", "0.00 s", text)
