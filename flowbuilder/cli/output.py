"""Output: what a command answers goes to stdout, what it has to say beside that to stderr."""

from __future__ import annotations

import sys

from flowbuilder.errors import SettingsError, shown

LONGEST_LINE = 1000
MOST_LINES = 60


def put(text: str) -> None:
    """Write the answer of a command to stdout, whose reader may have gone away.

    Raises:
        SettingsError: when it cannot be written, as on a full disk.
    """
    if sys.stdout is None:
        return
    try:
        sys.stdout.write(text.rstrip("\n") + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        return
    except OSError as error:
        raise SettingsError(f"stdout cannot be written to: {error.strerror}") from error


def say(text: str) -> None:
    """Write lines to stderr, foreign characters escaped; one that is closed is no reason to fail."""
    if sys.stderr is None:
        return
    lines = text.split("\n")
    if len(lines) > MOST_LINES:
        lines[MOST_LINES // 2 : -MOST_LINES // 2] = [f"  … {len(lines) - MOST_LINES} more lines …"]
    try:
        sys.stderr.write("".join(shown(line, LONGEST_LINE) + "\n" for line in lines))
        sys.stderr.flush()
    except (OSError, ValueError):
        return
