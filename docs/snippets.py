"""Snippets: the fenced blocks of a page, and the shell commands in them.

A block with a title is a file. A ``console`` block holds commands, each behind ``$``, and what they
print. Both are for the tests, and for writing the output of commands into the pages.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^```(?P<language>\w+)(?: title=\"(?P<title>[^\"]+)\")?[^\n]*\n(?P<text>.*?)^```$", re.M | re.S)
ANYTHING = "…"
SECONDS = re.compile(r"\b\d+(\.\d+)? m?s\b")
RUN_ID = re.compile(r"\b[0-9a-f]{12}\b")


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
    """A shell command and the lines it prints; ``shown`` is empty where the page shows none."""

    line: str
    shown: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """What a command printed, stdout and stderr together, and its exit code."""

    lines: tuple[str, ...]
    exit_code: int


def blocks(page: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    for found in FENCE.finditer(page):
        yield Block(
            language=found["language"],
            title=found["title"] or "",
            text=found["text"],
            start=found.start("text"),
            end=found.end("text"),
        )


def commands(block: Block) -> list[Command]:
    """Return the commands of a ``console`` block."""
    parts = re.split(r"^\$ ", block.text, flags=re.M)[1:]
    split = [part.rstrip("\n").split("\n") for part in parts]
    return [Command(line=line, shown=tuple(shown)) for line, *shown in split]


def execute(line: str, folder: Path, previous: int = 0) -> Printed:
    """Run one command in a shell in ``folder``; ``previous`` is what ``$?`` is."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("FLOWBUILDER", "PYTEST"))}
    environment |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "100",
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

    Lengths of time and run ids may differ. A line ``…`` stands for any lines, ``…`` in a line for any text.
    """
    pattern = "".join(".*" if line == ANYTHING else f"{_pattern(line)}\n" for line in shown)
    return re.fullmatch(pattern, "".join(f"{_timeless(line)}\n" for line in printed), re.S) is not None


def _pattern(line: str) -> str:
    return "[^\n]*".join(re.escape(part) for part in _timeless(line.rstrip()).split(ANYTHING))


def _timeless(line: str) -> str:
    return RUN_ID.sub("RUN", SECONDS.sub("SECONDS", line))
