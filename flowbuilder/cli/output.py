"""Output: what a command answers goes to stdout, what it has to say beside that to stderr."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from flowbuilder.errors import shown

if TYPE_CHECKING:
    from flowbuilder.terminal import Terminal

LONGEST_LINE = 1000
MOST_LINES = 60
COLORS = {"error": "red", "internal error": "red", "warning": "yellow"}


def put(text: str) -> None:
    """Write the answer of a command to stdout.

    Raises:
        OSError: when it cannot be written, as on a full disk or where the reader has gone away.
    """
    if sys.stdout is not None:
        sys.stdout.write(text.rstrip("\n") + "\n")
        sys.stdout.flush()


def folded(line: str, terminal: Terminal, indent: int = 4) -> str:
    """Return a line that is wider than a terminal as several, broken between words; elsewhere as it is.

    Those after the first are indented by so many columns; by fewer where a word would not fit there.
    """
    from flowbuilder.terminal import columns

    if not terminal.is_terminal:
        return line
    first, *words = line.split(" ")
    indent = min(indent, max(terminal.width - max(map(columns, words), default=0), 0))
    found = [first]
    for word in words:
        longer = f"{found[-1]} {word}"
        # A line of spaces alone is no line yet, and where one is broken its spaces are not needed.
        if columns(longer) <= terminal.width or not found[-1].strip():
            found[-1] = longer
        elif word:
            found.append(" " * indent + word)
    return "\n".join(one.rstrip() for one in found)


def reader_is_gone() -> bool:
    """Return whether stdout is a pipe that nobody reads any more."""
    try:
        stdout = sys.stdout.fileno()
    except (AttributeError, OSError, ValueError):  # none at all, one in memory, one that is closed
        return False
    import select

    poll = select.poll()
    poll.register(stdout, 0)
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))


def say(text: str) -> None:
    """Write lines to stderr, foreign characters escaped; one that is closed is no reason to fail."""
    if sys.stderr is None:
        return
    lines = text.split("\n")
    if len(lines) > MOST_LINES:
        lines[MOST_LINES // 2 : -MOST_LINES // 2] = [f"  … {len(lines) - MOST_LINES} more lines …"]
    first, *rest = (shown(line, LONGEST_LINE) + "\n" for line in lines)
    try:
        sys.stderr.write("".join([_in_color(first), *rest]))
        sys.stderr.flush()
    except (OSError, ValueError):
        return


def _in_color(line: str) -> str:
    """Return a line with the word before its colon in colour, where stderr shows colours."""
    from flowbuilder.terminal import Terminal

    word, colon, rest = line.partition(":")
    if word not in COLORS or not Terminal(sys.stderr).has_color:
        return line
    from click import style

    return style(word + colon, fg=COLORS[word], bold=True) + rest
