"""Checks of single values: each wrong one is refused with its own message."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Literal

from flowbuilder.errors import DefinitionError, Where, shown_value
from flowbuilder.foreign import BIDI_CONTROLS

LONGEST_NAME = 128
MOST_RETRIES = 10_000
MOST_ROUNDS = 1_000_000
MOST_OF_A_RESOURCE = 1_000_000
RESOURCE_NAME = re.compile(r"\w[\w.-]{0,127}")


def checked_name(name: object, where: Where | None = None) -> str:
    """Return ``name`` if a step, workflow or provider may be called so.

    Free text of any script is allowed; what could be taken for a path, an option, an item
    (``name[3]``) or a part of the terminal's own language is not.
    """
    if not isinstance(name, str):
        raise DefinitionError("name= takes text", where=where, got=shown_value(name), allowed='text such as "load"')
    if name.isascii() and name.isidentifier() and len(name) <= LONGEST_NAME:
        return name
    name = composed(name)
    wrong = _wrong_in_name(name)
    if wrong:
        raise DefinitionError(
            f"this name cannot be used: {wrong}",
            where=where,
            got=shown_value(name),
            allowed=f"1 to {LONGEST_NAME} printable characters without / :: [ ] and not starting with - or .",
        )
    return name


def composed(name: str) -> str:
    """Return a name in the letters that Python gives a parameter of that name, however it was typed.

    Decomposed letters are composed; of what may be a parameter, letters of other widths and shapes are the plain ones.
    A qualified name, ``sales.path``, is one in each of its parts.
    """
    if name.isascii():
        return name
    parts = [unicodedata.normalize("NFKC" if part.isidentifier() else "NFC", part) for part in name.split(".")]
    return ".".join(parts)


def _wrong_in_name(name: str) -> str:
    if not name.strip():
        return "it is empty"
    if name != name.strip():
        return "it starts or ends with white space"
    if len(name) > LONGEST_NAME:
        return f"it has {len(name)} characters"
    if name[0] in "-.":
        return f"it starts with {name[0]!r}"
    if any(part in name for part in ("/", "\\", "::", "[", "]")):
        return "it holds one of / \\ :: [ ]"
    if any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or c in BIDI_CONTROLS for c in name):
        return "it holds a control character"
    return ""


def checked_number(
    word: str, value: object, *, least: float = 0.0, above: bool = False, where: Where | None = None
) -> float:
    """Return ``value`` as a float if it is a finite number from ``least`` (or above it)."""
    bound = f"above {least:g}" if above else f"{least:g} or more"
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise DefinitionError(f"{word} takes a number", where=where, got=shown_value(value), allowed=bound)
    if value < least or (above and value == least):
        raise DefinitionError(f"{word} is too small", where=where, got=shown_value(value), allowed=bound)
    return float(value)


def checked_timeout(value: object, where: Where | None = None, word: str = "timeout=") -> float | None:
    """Return a time limit in seconds, or None for none; a ``timedelta`` is taken too."""
    if value is None:
        return None
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    try:
        return checked_number(word, seconds, above=True, where=where)
    except DefinitionError as error:
        raise DefinitionError(
            f"{word} takes seconds above 0 or a timedelta",
            where=where,
            got=shown_value(value),
            allowed="2.5, timedelta(minutes=1), or None for no limit",
        ) from error.__cause__


def checked_retries(word: str, value: object, where: Where | None = None) -> int:
    """Return a number of extra attempts, 0 to 10,000."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_RETRIES:
        raise DefinitionError(
            f"{word} takes a whole number of extra attempts",
            where=where,
            got=shown_value(value),
            allowed=f"0 to {MOST_RETRIES}, or Retry(n, delay=…, backoff=…, on=(OSError,))",
        )
    return value


def checked_rounds(word: str, value: object) -> int:
    """Return the most rounds of a step that is repeated, 1 to 1,000,000."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_ROUNDS:
        raise DefinitionError(
            f"{word} takes a whole number of rounds", got=shown_value(value), allowed=f"1 to {MOST_ROUNDS}"
        )
    return value


def checked_count(word: str, value: object, most: int, where: Where | None = None) -> int | None:
    """Return a whole number from 1 to ``most``, or None."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise DefinitionError(
            f"{word} takes a whole number", where=where, got=shown_value(value), allowed=f"1 to {most}, or None"
        )
    return value


def checked_at_once(value: object, most: int) -> int | Literal["auto"] | None:
    """Return how many steps run at once: a whole number from 1 to ``most``, "auto", or None."""
    if isinstance(value, str) and value == "auto":
        return "auto"
    try:
        return checked_count("max_concurrency=", value, most)
    except DefinitionError as error:
        error.allowed = f'1 to {most}, "auto", or None'
        raise


def checked_tags(tags: object, where: Where | None = None) -> tuple[str, ...]:
    """Return tags as a tuple of words usable in ``-m`` expressions."""
    if not isinstance(tags, list | tuple | set | frozenset):
        raise DefinitionError("tags= takes several words", where=where, got=shown_value(tags), allowed='("slow", "io")')
    for tag in tags:
        if not isinstance(tag, str) or not tag.isidentifier() or tag in ("and", "or", "not"):
            raise DefinitionError(
                "a tag is a word", where=where, got=shown_value(tag), allowed="letters, digits and _, not and/or/not"
            )
    return tuple(sorted(tags) if isinstance(tags, set | frozenset) else tags)


def checked_amounts(word: str, given: object, where: Where | None = None) -> Mapping[str, int] | None:
    """Return whole amounts of named resources, at least 1 each, or None; in the order of their names."""
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise DefinitionError(f"{word} takes a dict", where=where, got=shown_value(given), allowed='{"db": 1}')
    for name, amount in given.items():
        if not isinstance(name, str) or not RESOURCE_NAME.fullmatch(name):
            raise DefinitionError(
                f"{word} has a name that cannot be used",
                where=where,
                got=shown_value(name),
                allowed="letters, digits, _ . and -, not starting with - or .",
            )
        if isinstance(amount, bool) or not isinstance(amount, int) or not 1 <= amount <= MOST_OF_A_RESOURCE:
            raise DefinitionError(
                f"{word} takes a whole amount of {name!r}",
                where=where,
                got=shown_value(amount),
                allowed=f"1 to {MOST_OF_A_RESOURCE}",
            )
    return MappingProxyType({name: given[name] for name in sorted(given)})
