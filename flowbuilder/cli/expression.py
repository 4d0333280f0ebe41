"""Expression: the small language of ``-k`` and ``-m``: words, ``and``, ``or``, ``not``, parentheses.

It is parsed, never evaluated as Python. ``not`` binds before ``and``, ``and`` before ``or``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from flowbuilder.errors import SettingsError, shown, shown_value

TOKEN = re.compile(r"\s*(?:([()])|([^\s()]+))")
LONGEST = 1000
DEEPEST = 50

Matches = Callable[[str], bool]
Expression = Callable[[Matches], bool]


class _Token(NamedTuple):
    text: str
    column: int


def parse_expression(option: str, text: str) -> Expression:
    """Return a function that says of a thing, given which words match it, whether the expression holds.

    Raises:
        SettingsError: for a wrong expression, naming the option, the column and what is expected.
    """
    return _Parser(option, text).parsed()


class _Parser:
    """Parses one expression by recursive descent."""

    def __init__(self, option: str, text: str) -> None:
        self._option = option
        self._text = text
        self._tokens = list(_tokens(text))
        self._next = 0
        self._depth = 0

    def parsed(self) -> Expression:
        if len(self._text) > LONGEST:
            raise SettingsError(f"the expression of {self._option} has more than {LONGEST} characters")
        if self._here.text == "":
            raise self._error("is empty", allowed="words, and, or, not, parentheses")
        expression = self._or()
        if self._here.text:
            raise self._error(f"has {shown_value(self._here.text)} where 'and', 'or' or its end is expected")
        return expression

    @property
    def _here(self) -> _Token:
        return self._tokens[self._next]

    def _took(self, word: str) -> bool:
        taken = self._here.text == word
        self._next += taken
        return taken

    def _or(self) -> Expression:
        parts = [self._and()]
        while self._took("or"):
            parts.append(self._and())
        return parts[0] if len(parts) == 1 else lambda matches: any(part(matches) for part in parts)

    def _and(self) -> Expression:
        parts = [self._not()]
        while self._took("and"):
            parts.append(self._not())
        return parts[0] if len(parts) == 1 else lambda matches: all(part(matches) for part in parts)

    def _not(self) -> Expression:
        negated = False
        while self._took("not"):
            negated = not negated
        part = self._word()
        return (lambda matches: not part(matches)) if negated else part

    def _word(self) -> Expression:
        token = self._here
        if self._took("("):
            self._depth += 1
            if self._depth > DEEPEST:
                raise self._error(f"has more than {DEEPEST} levels of parentheses")
            inner = self._or()
            if not self._took(")"):
                raise self._error("lacks a closing parenthesis")
            self._depth -= 1
            return inner
        if not token.text:
            raise self._error("ends too early")
        if token.text in (")", "and", "or"):
            raise self._error(f"has {shown_value(token.text)} where a word is expected")
        self._next += 1
        return lambda matches: matches(token.text)

    def _error(self, what: str, allowed: str = "") -> SettingsError:
        marked = f"{self._text[: self._here.column]}⟨here⟩{self._text[self._here.column :]}" if self._text else ""
        return SettingsError(
            f"the expression of {self._option} {what}",
            where=f"column {self._here.column + 1}",
            got=shown(marked) or "nothing",
            allowed=allowed,
        )


def _tokens(text: str) -> Iterator[_Token]:
    """Yield the words and parentheses, and last an empty token at the end."""
    place = 0
    while found := TOKEN.match(text, place):
        yield _Token(found[1] or found[2], found.start(1 if found[1] else 2))
        place = found.end()
    yield _Token("", len(text))
