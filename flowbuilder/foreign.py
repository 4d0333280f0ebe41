"""Foreign text: what users, files and values say, made fit for a message in a terminal."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

LONG = 10_000
SECRET = re.compile("token|passw|secret|credential|api_?key", re.IGNORECASE)
BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def shown(text: object, limit: int = 200) -> str:
    """Return foreign text fit for a terminal: control and bidi characters escaped, cut at ``limit``.

    Line breaks are escaped too, so a name can never start a line of its own.
    """
    raw = text if isinstance(text, str) else _text_of(text, str)
    cut = raw if len(raw) <= limit else raw[: limit - 1] + "…"
    return "".join(c if c.isprintable() and c not in BIDI_CONTROLS else _escape(c) for c in cut)


def shown_value(value: object, limit: int = 120) -> str:
    """Return ``repr(value)`` fit for a terminal, whatever a broken ``__repr__`` or ``__class__`` does."""
    return shown(_text_of(value, _repr_of), limit)


def near(text: str) -> str:
    """Return text with its places, ``file:line``, named from the working directory where they are below it."""
    with contextlib.suppress(OSError):  # the working directory may be gone
        text = re.sub(rf"{re.escape(os.getcwd() + os.sep)}(?=[^\s:()]+(?::\d|\)))", "", text)  # noqa: PTH109  # pathlib loads slowly
    return text


def is_secret(name: str) -> bool:
    """Return whether what has this name may be something that nobody should read in a log."""
    return SECRET.search(name) is not None


def _text_of(value: object, text: Callable[[Any], str]) -> str:
    try:
        return text(value)
    except Exception as error:  # a user's __str__ or __repr__ may raise anything, and this is the message about it
        return f"<unprintable {type(value).__name__}: {type(error).__name__}>"


def _repr_of(value: Any) -> str:
    """Return a value's repr; of a long one the beginning: all of it may take minutes, and is thrown away."""
    if not isinstance(value, str | bytes | list | tuple | set | frozenset | dict) or len(value) <= LONG:
        return repr(value)
    if isinstance(value, str | bytes):
        return repr(value[:LONG]) + "…"
    items = list(islice(value.items() if isinstance(value, dict) else value, LONG))
    return f"{type(value).__name__} of {len(value)} items: {items!r}"


def _escape(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")


def listed(names: Iterable[str], limit: int = 12) -> str:
    """Return names as a short comma-separated list for a message."""
    known = [shown(name) for name in names]
    if not known:
        return ""
    rest = f", … and {len(known) - limit} more" if len(known) > limit else ""
    return ", ".join(known[:limit]) + rest


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Return up to three known names that look like ``name``."""
    import difflib  # only where there is a mistake to help with

    return difflib.get_close_matches(name, list(known), n=3, cutoff=0.6)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the hint "did you mean 'x'?" or an empty string when nothing is near."""
    close = nearest(name, known)
    return f"did you mean {' or '.join(shown_value(c) for c in close)}?" if close else ""
