"""Failures: an error as data that is kept, with the user's own frames."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from flowbuilder.errors import shown
from flowbuilder.plain import error_text
from flowbuilder.results import RunResult

OURS = str(Path(__file__).parent.parent)
LONGEST = 64 * 1024


def failure_data(error: BaseException | None) -> dict[str, Any] | None:
    """Return an error as data for JSON: type, message, notes, and the traceback without FlowBuilder's own frames."""
    if error is None:
        return None
    return {
        "type": f"{type(error).__module__}.{type(error).__qualname__}",
        "message": error_text(error, LONGEST),
        "notes": [shown(note, 2000) for note in getattr(error, "__notes__", ())],
        "traceback": _traceback(error),
    }


def of_no_step(result: RunResult[Any], known: Iterable[BaseException]) -> Iterator[BaseException]:
    """Yield the errors of a run that belong to none of its steps, and are not among ``known``."""
    if not result.errors:
        return
    of_steps = (one.error for step in result.steps.values() for one in (step, *(step.items or ())))
    seen = {id(error) for error in (*of_steps, *known)}
    yield from (error for error in result.errors if id(error) not in seen)


def _traceback(error: BaseException) -> str:
    try:
        shape = traceback.TracebackException.from_exception(error)
        for one in _parts(shape):
            one.stack = traceback.StackSummary.from_list(
                frame for frame in one.stack if not frame.filename.startswith(OURS)
            )
        return "".join(shape.format())[:LONGEST]
    except Exception:  # the user's exception is asked for its text, and may raise anything
        return f"<unprintable traceback of {type(error).__name__}>"


def _parts(shape: traceback.TracebackException) -> Iterator[traceback.TracebackException]:
    """Yield an exception, those it came from and those it holds, each once."""
    waiting, seen = [shape], set[int]()
    while waiting:
        one = waiting.pop()
        if id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [part for part in (one.__cause__, one.__context__, *(one.exceptions or ())) if part is not None]
