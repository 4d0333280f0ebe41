"""Plain: values and errors as data for JSON, whatever is broken in them."""

from __future__ import annotations

import os
import traceback
from pathlib import Path
from typing import Any

from flowbuilder.errors import shown, shown_value

MOST_BITS = 4096  # an integer of more digits than Python writes would break the whole document
OWN_FRAMES = str(Path(__file__).parent) + os.sep


def plain(value: Any, depth: int = 0) -> Any:
    """Return JSON data as it is and anything else as its ``repr``."""
    if value is None or isinstance(value, bool | str) or (isinstance(value, int) and value.bit_length() <= MOST_BITS):
        return value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else repr(value)
    if depth < 20 and isinstance(value, list | tuple):
        return [plain(part, depth + 1) for part in value]
    if depth < 20 and isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: plain(part, depth + 1) for key, part in value.items()}
    return shown_value(value, 2000)


def error_dict(error: BaseException | None) -> dict[str, Any] | None:
    """Return an error as data: type, message, notes and the formatted traceback."""
    if error is None:
        return None
    return {
        "type": f"{type(error).__module__}.{type(error).__qualname__}",
        "message": error_text(error),
        "notes": [shown(note, 2000) for note in getattr(error, "__notes__", ())],
        "traceback": traceback_text(error),
    }


def error_text(error: BaseException, limit: int = 65536) -> str:
    """Return ``str(error)``, whatever a broken ``__str__`` does, cut at ``limit`` characters."""
    try:
        text = str(error)
    except Exception:  # a user's __str__ may raise anything
        return f"<unprintable {type(error).__name__}>"
    return text if len(text) <= limit else text[: limit - 1] + "…"


def traceback_text(error: BaseException) -> str:
    """Return the traceback as text, without FlowBuilder's own frames, whatever broken exceptions are in it."""
    try:
        told = traceback.TracebackException.from_exception(error, compact=True)
        _leave_out_own(told)
        return "".join(told.format())[:65536]
    except Exception:  # formatting calls the user's __str__, and a traceback is only a help
        return f"<unprintable traceback of {type(error).__name__}>"


def _leave_out_own(told: traceback.TracebackException) -> None:
    """Take FlowBuilder's own frames from an error, its causes and what is in it; one that has no others has none."""
    waiting, seen = [told], {id(told)}
    while waiting:
        one = waiting.pop()
        frames = [frame for frame in one.stack or () if not frame.filename.startswith(OWN_FRAMES)]
        one.stack = traceback.StackSummary.from_list(frames) if frames else None  # type: ignore[assignment]  # then no heading is written
        beside = [also for also in (one.__cause__, one.__context__, *(one.exceptions or ())) if also is not None]
        waiting += [also for also in beside if id(also) not in seen]
        seen.update(map(id, beside))
