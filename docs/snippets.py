"""Snippets: the fenced blocks of a page, and what the shell commands in them print.

A block with a title is a file. A ``console`` block holds commands, each behind ``$``, and the lines
they print. The tests run them all; ``python -m docs.snippets`` writes new output into the pages.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
FENCE = re.compile(r"^```(?P<language>\w+)(?: title=\"(?P<title>[^\"]+)\")?[^\n]*\n(?P<text>.*?)^```$", re.M | re.S)
ANYTHING = "…"
# What differs from one run to the next, and from one machine to another.
UNSTEADY = (
    (re.compile(r"\b\d+(?:\.\d+)? ?m?s\b"), "SECONDS"),
    (re.compile(r"\b[0-9a-f]{12}\b"), "RUN"),
    (re.compile(r"\bflowbuilder [\w.]+, python [\w.+]+"), "VERSIONS"),
)
# What a reader types once, on a machine of their own.
NOT_RUN = ("pip install ", "make ", "source ", "python3 -m venv ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block; ``start`` and ``end`` are the offsets of its text in the page."""

    language: str
    title: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A shell command and the lines that the page shows as its output; none where it shows nothing."""

    line: str
    shown: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """What a command printed, stdout and stderr together, and its exit code."""

    lines: tuple[str, ...] = ()
    exit_code: int = 0


def pages() -> list[Path]:
    """Return every page of the documentation."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(text: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    for found in FENCE.finditer(text):
        yield Block(
            language=found["language"],
            title=found["title"] or "",
            text=found["text"],
            start=found.start("text"),
            end=found.end("text"),
        )


def commands(block: Block) -> list[Command]:
    """Return the commands of a ``console`` block, none of any other."""
    if block.language != "console":
        return []
    parts = [part.rstrip("\n").split("\n") for part in re.split(r"^\$ ", block.text, flags=re.M)[1:]]
    return [Command(line=line, shown=tuple(shown)) for line, *shown in parts]


def executed(text: str, folder: Path) -> Iterator[tuple[Block, list[tuple[Command, Printed]]]]:
    """Yield the blocks of a page with their commands, each run in ``folder``, where the files are written."""
    (folder / "pyproject.toml").write_text("[tool.flowbuilder]\n", encoding="utf-8")
    previous = 0
    for block in blocks(text):
        if block.title:
            (folder / block.title).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.title).write_text(block.text, encoding="utf-8")
        ran = []
        for command in commands(block):
            printed = Printed() if command.line.startswith(NOT_RUN) else execute(command.line, folder, previous)
            previous = printed.exit_code
            ran.append((command, printed))
        yield block, ran


def execute(line: str, folder: Path, previous: int = 0) -> Printed:
    """Run one command in a shell in ``folder``; ``previous`` is what ``$?`` is."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("FLOWBUILDER", "PYTEST"))}
    environment |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "80",
        "NO_COLOR": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONWARNINGS": "error",
        "HOME": str(folder),
    }
    done = subprocess.run(
        ["bash", "-c", f"(exit {previous}); {line}"],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=50,
        check=False,
    )
    text = done.stdout.replace(f"{folder.resolve()}{os.sep}", "").replace(str(folder.resolve()), ".")
    lines = [printed.rstrip() for printed in text.rstrip("\n").split("\n")]
    return Printed(lines=tuple(lines) if text else (), exit_code=done.returncode)


def matches(shown: tuple[str, ...], printed: tuple[str, ...]) -> bool:
    """Return whether the lines a page shows are what was printed.

    Lengths of time, run ids and versions may differ. A line ``…`` stands for any lines, ``…`` in a line for any text.
    """
    pattern = "".join(".*" if line == ANYTHING else f"{_pattern(line)}\n" for line in shown)
    return re.fullmatch(pattern, "".join(f"{_steady(line)}\n" for line in printed), re.S) is not None


def _pattern(line: str) -> str:
    return "[^\n]*".join(re.escape(part) for part in _steady(line.rstrip()).split(ANYTHING))


def _steady(line: str) -> str:
    for pattern, word in UNSTEADY:
        line = pattern.sub(word, line)
    return line


def refreshed(text: str, folder: Path) -> str:
    """Return a page with the output of each command that no longer prints what is shown."""
    parts, place = [], 0
    for block, ran in executed(text, folder):
        if ran:
            lines = [line for command, printed in ran for line in (f"$ {command.line}", *_output(command, printed))]
            parts += [text[place : block.start], "\n".join(lines) + "\n"]
            place = block.end
    return "".join([*parts, text[place:]])


def _output(command: Command, printed: Printed) -> tuple[str, ...]:
    if not command.shown or matches(command.shown, printed.lines):
        return command.shown
    if command.shown[0] != ANYTHING:
        return printed.lines
    # A beginning that was left out stays out, up to the first line that the page shows.
    steady = [_steady(line) for line in printed.lines]
    begin = next((steady.index(_steady(line)) for line in command.shown if _steady(line) in steady), 0)
    return (ANYTHING, *printed.lines[begin:])


if __name__ == "__main__":
    for page in pages():
        with tempfile.TemporaryDirectory() as temporary:
            page.write_text(refreshed(page.read_text(encoding="utf-8"), Path(temporary)), encoding="utf-8")
