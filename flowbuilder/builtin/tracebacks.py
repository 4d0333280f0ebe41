"""Tracebacks: an error as lines for a reader: the user's frames with source, message, notes, causes, groups."""

from __future__ import annotations

import linecache
import re
import sys
import traceback
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from flowbuilder.errors import error_line, shown

Line = tuple[str, str]  # text and style

HIDDEN = (
    "flowbuilder",
    "anyio",
    "asyncio",
    "trio",
    "outcome",
    "pluggy",
    "importlib",
    "threading",
    "contextlib",
    "runpy",
)
FIRST_FRAMES, LAST_FRAMES = 2, 6
LINES_BEFORE = 3
CHILDREN = 15
DEPTH = 5
CAUSES = 10
MESSAGE_LINES = 20
LINE_LENGTH = 500
OWN_NOTE = re.compile(r"step .+, attempt \d+, run [0-9a-f]+")
REMOTE_FRAME = re.compile(r'^  File "(.+)", line (\d+), in (.+)$', re.MULTILINE)


def error_lines(error: BaseException) -> Iterator[Line]:
    """Yield an error after its causes, the first cause first, as Python does."""
    chain = _chain(error)
    for one, link in chain[:-1]:
        yield from _block(one)
        yield "", ""
        yield link, "dim"
        yield "", ""
    yield from _block(error)


def _chain(error: BaseException) -> list[tuple[BaseException, str]]:
    """Return an error's causes, the first one first, each with the sentence that leads to the next."""
    found: list[tuple[BaseException, str]] = [(error, "")]
    seen = {id(error)}
    while len(found) < CAUSES:
        last = found[-1][0]
        cause, link = last.__cause__, "That was the direct cause of:"
        if cause is None and not last.__suppress_context__:
            cause, link = last.__context__, "While that was handled, this was raised:"
        if cause is None or _is_remote(cause) or id(cause) in seen:
            break
        seen.add(id(cause))
        found.append((cause, link))
    return found[::-1]


def _is_remote(error: BaseException) -> bool:
    """Return whether an error stands for the traceback of another process; they are named alike everywhere."""
    return type(error).__name__.endswith("RemoteTraceback")


def _block(error: BaseException) -> Iterator[Line]:
    yield from _frames(error)
    yield from _message(error)
    yield from _notes(error, is_told=True)
    yield from _children(error, 0)


def _message(error: BaseException) -> Iterator[Line]:
    lines = error_line(error).split("\n")
    for line in lines[:MESSAGE_LINES]:
        yield shown(line, LINE_LENGTH), "bold red"
    if len(lines) > MESSAGE_LINES:
        yield f"… {len(lines) - MESSAGE_LINES:,} more lines", "dim"


def _notes(error: BaseException, *, is_told: bool) -> Iterator[Line]:
    """Yield the notes; where a reader is told already which step it is, without the engine's own."""
    for note in getattr(error, "__notes__", None) or ():
        if is_told and OWN_NOTE.fullmatch(str(note)):
            continue
        for line in str(note).split("\n")[:MESSAGE_LINES]:
            yield f"note: {shown(line, LINE_LENGTH)}", ""


def _children(error: BaseException, depth: int) -> Iterator[Line]:
    """Yield the errors of a group as a tree."""
    if not isinstance(error, BaseExceptionGroup):
        return
    errors = error.exceptions
    for number, child in enumerate(errors[:CHILDREN], 1):
        is_last = number == len(errors)
        lead, rest = ("  └─ ", "     ") if is_last else ("  ├─ ", "  │  ")
        for text, style in _child(child, depth):
            yield lead + text, style
            lead = rest
    if len(errors) > CHILDREN:
        yield f"  └─ … and {len(errors) - CHILDREN:,} more", "dim"


def _child(error: BaseException, depth: int) -> Iterator[Line]:
    yield from _message(error)
    yield from _notes(error, is_told=False)
    yield from _frames(error)
    if depth < DEPTH:
        yield from _children(error, depth + 1)


# Frames.


class Frame(tuple[str, int, str]):
    """A file, a line counted from 1, and the name of the function."""

    __slots__ = ()


def _frames(error: BaseException) -> Iterator[Line]:
    remote = error.__cause__ if error.__cause__ is not None and _is_remote(error.__cause__) else None
    if remote is not None and str(remote).count("Traceback (most recent") != 1:
        for line in str(remote).strip().split("\n"):
            yield shown(line, LINE_LENGTH), ""
        return
    frames = _remote_frames(str(remote)) if remote is not None else _own_frames(error)
    left_out = len(frames) - FIRST_FRAMES - LAST_FRAMES
    for number, frame in enumerate(frames):
        if left_out > 0 and number == FIRST_FRAMES:
            yield f"… {left_out:,} more frames …", "dim"
        if left_out <= 0 or number < FIRST_FRAMES or number >= FIRST_FRAMES + left_out:
            yield from _frame(*frame, lines_before=LINES_BEFORE if number == len(frames) - 1 else 0)


def _own_frames(error: BaseException) -> list[Frame]:
    frames = [Frame((frame.f_code.co_filename, line, frame.f_code.co_name))
              for frame, line in traceback.walk_tb(error.__traceback__)]  # fmt: skip
    return [frame for frame in frames if not _is_hidden(frame[0])]


def _remote_frames(text: str) -> list[Frame]:
    frames = [Frame((file, int(line), name)) for file, line, name in REMOTE_FRAME.findall(text)]
    return [frame for frame in frames if not _is_hidden(frame[0])]


@cache
def _hidden_places() -> tuple[str, ...]:
    """Return the folders and files of packages whose frames say nothing about a step."""
    found = ["<frozen "]
    for name in HIDDEN:
        module = sys.modules.get(name)
        file = getattr(module, "__file__", None)
        if file:
            found.append(str(Path(file).parent) + "/" if hasattr(module, "__path__") else file)
    return tuple(found)


def _is_hidden(file: str) -> bool:
    return file.startswith(_hidden_places())


def _frame(file: str, line: int, name: str, *, lines_before: int) -> Iterator[Line]:
    """Yield where a frame is, and its source with the line marked."""
    yield f"{shown(_near(file), LINE_LENGTH)}:{line} in {shown(name)}", "cyan"
    linecache.checkcache(file)
    for number in range(max(line - lines_before, 1), line + 1):
        source = linecache.getline(file, number).rstrip().expandtabs(4)
        if source or number < line:
            mark = ">" if number == line else " "
            yield f"{mark} {number:>4} | {shown(source, LINE_LENGTH)}", "" if number == line else "dim"


def _near(file: str) -> str:
    """Return a path relative to the working directory, where it is below it."""
    path = Path(file)
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else file
