"""Strict JSON: one meaning per document, bounded in size and depth."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

MOST_BYTES = 1024 * 1024
MOST_DEPTH = 64

# A string left open runs to the end of the text, so that no character is looked at twice.
TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{]|[\]}]|NaN|-?Infinity', re.DOTALL)


class JsonError(ValueError):
    """A text is not strict JSON; ``position`` is its line and column, from 1, where known."""

    def __init__(self, problem: str, position: tuple[int, int] | None = None) -> None:
        self.problem = problem
        self.position = position
        super().__init__(problem)

    def __str__(self) -> str:
        if self.position is None or self.position[0] == 1:
            return self.problem + (f" at character {self.position[1]}" if self.position else "")
        return f"{self.problem} at line {self.position[0]}, column {self.position[1]}"


def strict_json(text: str) -> Any:
    """Return the data of a JSON text.

    Raises:
        JsonError: for broken JSON, a name given twice in one object, NaN and infinite numbers, lone
            surrogates, more than 1 MiB, more than 64 levels.
    """
    if too_large(text):
        raise JsonError("more than 1 MiB of text")
    _scan(text)
    try:
        data = json.loads(text, object_pairs_hook=_pairs(text), parse_float=_finite)
        if "\\ud" in text.lower():
            json.dumps(data, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise JsonError(f"broken JSON: {error.msg}", (error.lineno, error.colno)) from error
    except UnicodeEncodeError as error:
        raise JsonError("half of a surrogate pair, which is no text") from error
    except JsonError:
        raise
    except ValueError as error:  # an integer of more digits than Python reads
        raise JsonError("a number with too many digits") from error
    return data


def too_large(text: str) -> bool:
    """Return whether a text takes more than 1 MiB as UTF-8."""
    return len(text) > MOST_BYTES or len(text.encode("utf-8", "surrogatepass")) > MOST_BYTES


def line_and_column(text: str, index: int) -> tuple[int, int]:
    """Return line and column, from 1, of a character."""
    before = text[:index]
    return before.count("\n") + 1, index - before.rfind("\n")


def _scan(text: str) -> None:
    """Refuse depth before the parser recurses into it, and NaN while its place is known."""
    depth = 0
    for token in TOKEN.finditer(text):
        word = token[0]
        if word[0] == '"':
            continue
        if word in "[{":
            depth += 1
        elif word in "]}":
            depth -= 1
        else:
            raise JsonError(f"{word} is no JSON number", line_and_column(text, token.start()))
        if depth > MOST_DEPTH:
            raise JsonError(f"more than {MOST_DEPTH} levels", line_and_column(text, token.start()))


def _pairs(text: str) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    def table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in pairs:
            if name in found:
                raise JsonError(f"the name {name!r} is given twice", _second(text, name))
            found[name] = value
        return found

    return table


def _second(text: str, name: str) -> tuple[int, int] | None:
    """Return the place of a name's second appearance, if no third one makes it a guess."""
    places = [m.start() for m in re.finditer(re.escape(json.dumps(name, ensure_ascii=False)) + r"\s*:", text)]
    return line_and_column(text, places[1]) if len(places) == 2 else None


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise JsonError(f"the number {digits[:20]} is too large")
    return number
