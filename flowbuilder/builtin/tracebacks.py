"""Tracebacks: an error as lines for a reader: the user's frames with source, message, notes, causes, groups."""

from __future__ import annotations

import contextlib
import linecache
import os
import re
import sys
import traceback
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import TracebackType

from flowbuilder.builtin.wording import near_message_of
from flowbuilder.errors import StepCancelledError, StepTimeoutError, Where, near, shown, shown_value

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
CANCELLATIONS = ("CancelledError", "Cancelled")  # of asyncio and of trio
FIRST_FRAMES, LAST_FRAMES = 2, 6
LINES_BEFORE, LINES_AFTER = 3, 1
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
    for (one, link), (following, _) in pairwise(chain):
        if type(one).__name__ in CANCELLATIONS and isinstance(following, StepTimeoutError | StepCancelledError):
            # How an event loop cancels is no cause: where that struck belongs to what it was for.
            yield from _frames(one)
            continue
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
    lines = near_message_of(error).split("\n")
    for line in lines[:MESSAGE_LINES]:
        yield shown(line, LINE_LENGTH), "bold red"
    if len(lines) > MESSAGE_LINES:
        yield f"… {len(lines) - MESSAGE_LINES:,} more lines", "dim"


def _notes(error: BaseException, *, is_told: bool) -> Iterator[Line]:
    """Yield the notes; where a reader is told already which step it is, without the engine's own."""
    notes = getattr(error, "__notes__", ())
    for note in notes if isinstance(notes, list | tuple) else [notes]:
        text = note if isinstance(note, str) else shown_value(note)
        if is_told and OWN_NOTE.fullmatch(text):
            continue
        for line in (near(text) if OWN_NOTE.fullmatch(text) else text).split("\n")[:MESSAGE_LINES]:
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

Frame = tuple[str, int, str]  # a file, a line counted from 1, and the name of the function


def _frames(error: BaseException) -> Iterator[Line]:
    remote = str(error.__cause__) if error.__cause__ is not None and _is_remote(error.__cause__) else ""
    if remote.count("Traceback (most recent call last)") > 1:
        # Causes and groups that happened in another process came here as text only.
        yield from ((shown(line, LINE_LENGTH), "") for line in remote.strip().split("\n"))
        return
    found = REMOTE_FRAME.findall(remote) if remote else _raw_frames(error)
    frames = [(file, int(line), name) for file, line, name in found if not _is_hidden(file)]
    left_out = range(FIRST_FRAMES, len(frames) - LAST_FRAMES)
    for number, frame in enumerate(frames):
        if left_out and number == left_out.start:
            yield f"… {len(left_out):,} more frames …", "dim"
        if number not in left_out:
            yield from _frame(frame, is_last=number == len(frames) - 1)


def has_frames(error: BaseException) -> bool:
    """Return whether an error or one of its causes has a frame to show."""
    return any(next(_frames(one), None) is not None for one, _ in _chain(error))


def place_line(where: Where, name: str) -> Line:
    """Return the line that says where a step is, which stands in the place of frames."""
    return f"{shown(_near(where.file), LINE_LENGTH)}:{where.line} in {shown(name)}", "cyan"


def traceback_of_user(error: BaseException) -> TracebackType | None:
    """Return the traceback from the first frame that is no engine's; None where there is none."""
    found = error.__traceback__
    while found is not None and _is_hidden(found.tb_frame.f_code.co_filename):
        found = found.tb_next
    return found


def _raw_frames(error: BaseException) -> list[Frame]:
    walked = traceback.walk_tb(error.__traceback__)
    frames = [(frame.f_code.co_filename, line, frame.f_code.co_name) for frame, line in walked]
    # A plugin that stands around a body is shown only where it raised the error itself.
    return [one for one in frames[:-1] if one[2] != "flowbuilder_step_call"] + frames[-1:]


@cache
def _hidden_places() -> tuple[str, ...]:
    """Return the folders and files of packages whose frames say nothing about a step."""
    found = ["<frozen "]
    for name in HIDDEN:
        module = sys.modules.get(name)
        file = getattr(module, "__file__", None)
        if file:
            found.append(str(Path(file).parent) + os.sep if hasattr(module, "__path__") else file)
    return tuple(found)


def _is_hidden(file: str) -> bool:
    return file.startswith(_hidden_places())


def _frame(frame: Frame, *, is_last: bool) -> Iterator[Line]:
    """Yield where a frame is, and its source with the line marked; of the last one also what is around it."""
    file, marked, name = frame
    yield f"{shown(_near(file), LINE_LENGTH)}:{marked} in {shown(name)}", "cyan"
    linecache.checkcache(file)
    before, after = (LINES_BEFORE, LINES_AFTER) if is_last else (0, 0)
    for number in range(max(marked - before, 1), marked + after + 1):
        line = linecache.getline(file, number)
        source = shown(line.rstrip().expandtabs(4), LINE_LENGTH)
        if number == marked and line:
            yield f"> {number:>4} | {source}", ""
        elif line:
            yield f"  {number:>4} | {source}".rstrip(), "dim"


def _near(file: str) -> str:
    """Return a path relative to the working directory, where it is below it."""
    with contextlib.suppress(OSError):  # the working directory may be gone
        path, here = Path(file), Path.cwd()
        return str(path.relative_to(here)) if path.is_relative_to(here) else file
    return file
