"""Scalars: the values that one piece of text stands for."""

from __future__ import annotations

import enum
import math
import os
import re
import typing
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path, PurePath
from typing import Any

NOTHING = frozenset({"", "none", "null"})
SWITCH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}

NUMBER = r"(\d+(?:[.,]\d+)?)"
UNITS = ("weeks", "days", "hours", "minutes", "seconds", "milliseconds")
SYMBOLS = ("w", "d", "h", "m(?!s)", "s", "ms")
COMPACT = re.compile("([+-]?)" + "".join(rf"(?:{NUMBER}\s*{symbol}\s*)?" for symbol in SYMBOLS))
ISO = re.compile(rf"([+-]?)P(?:{NUMBER}W)?(?:{NUMBER}D)?(?:T(?=\d)(?:{NUMBER}H)?(?:{NUMBER}M)?(?:{NUMBER}S)?)?")


class Unfit(ValueError):
    """A value cannot be taken for an annotation; ``hint`` says what to type instead."""

    def __init__(self, problem: str = "", hint: str = "") -> None:
        self.problem = problem
        self.hint = hint
        super().__init__(problem)


def is_scalar(kind: Any) -> bool:
    """Return whether ``scalar`` can read text as this bare annotation."""
    return typing.get_origin(kind) is typing.Literal or _is_enum(kind) or _reader(kind) is not None


def scalar(text: str, kind: Any) -> Any:
    """Return the value that ``text`` stands for.

    Raises:
        Unfit: when it stands for none. User-defined classes may raise anything else.
    """
    if typing.get_origin(kind) is typing.Literal:
        return _choice(text, typing.get_args(kind))
    if _is_enum(kind):
        return _member(text, kind)
    read = _reader(kind)
    if read is None:
        raise Unfit("it cannot be written as text", hint="give it from code: params={…}")
    try:
        return read(text, kind)
    except Unfit:
        raise
    except (ValueError, TypeError, ArithmeticError) as error:
        raise Unfit(hint=_hint(text, kind)) from error


def refuse_surrogates(text: str) -> str:
    """Return ``text``, unless it holds bytes that were no UTF-8 and so is no text."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Unfit("it is not valid UTF-8") from error
    return text


def _is_enum(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, enum.Enum)


def _reader(kind: Any) -> Callable[[str, Any], Any] | None:
    """Return what reads a class or the nearest of its bases, so that ``class Port(int)`` is read as an int."""
    for base in kind.__mro__ if isinstance(kind, type) else ():
        if read := READERS.get(base) or READERS_BY_NAME.get(f"{base.__module__}.{base.__qualname__}"):
            return read
    return None


def _hint(text: str, kind: Any) -> str:
    """Return a hint for the slips that are seen most."""
    if kind is int and re.fullmatch(r"\s*[+-]?\d+\.0*\s*", text):
        return f"write {text.strip().partition('.')[0]}"
    if kind is timedelta and re.fullmatch(r"\s*\d+(\.\d+)?\s*", text):
        return f"name the unit: {text.strip()}s for seconds"
    return ""


def _choice(text: str, options: tuple[Any, ...]) -> Any:
    if text in options:
        return text
    for option in options:
        if option is None and text.strip().lower() in NOTHING:
            return None
        if option is not None and not isinstance(option, str) and _stands_for(text, option):
            return option
    raise Unfit


def _stands_for(text: str, value: Any) -> bool:
    """Return whether ``text`` is how ``value`` is written."""
    try:
        return bool(scalar(text, type(value)) == value)
    except Unfit:
        return False


def _member(text: str, kind: type[enum.Enum]) -> enum.Enum:
    """Return a member by its name, else by its value, else by its name in other letters."""
    if text in kind.__members__:
        return kind[text]
    try:
        return kind(text)  # asks the enum's own _missing_ too
    except ValueError:
        pass
    for member in kind:
        if _stands_for(text, member.value):
            return member
    near = [member for name, member in kind.__members__.items() if name.casefold() == text.strip().casefold()]
    if len(near) != 1:
        raise Unfit
    return near[0]


def _text(text: str, kind: Any) -> Any:
    refuse_surrogates(text)
    return text if kind is str else kind(text)


def _number(text: str, kind: Any) -> Any:
    return kind(text.strip())


def _float(text: str, kind: Any) -> Any:
    number = kind(text.strip())
    if math.isinf(number) and "inf" not in text.lower():
        raise Unfit("the number is too large")
    return number


def _switch(text: str, kind: Any) -> bool:
    try:
        return SWITCH[text.strip().lower()]
    except KeyError:
        raise Unfit from None


def _nothing(text: str, kind: Any) -> None:
    if text.strip().lower() not in NOTHING:
        raise Unfit


def _path(text: str, kind: Any) -> Any:
    if not text:
        raise Unfit("the path is empty", hint="write . for the current folder")
    if "\0" in text:
        raise Unfit("a path holds no NUL character")
    os.fsencode(text)
    return Path(text) if kind is os.PathLike else kind(text)


def _bytes(text: str, kind: Any) -> Any:
    return kind(text.encode("utf-8", "surrogateescape"))


def _iso(text: str, kind: Any) -> Any:
    return kind.fromisoformat(text.strip())


def _duration(text: str, kind: Any) -> Any:
    """Read "5s", "1h30m", "-2d" or an ISO 8601 duration; years and months have no fixed length."""
    found = COMPACT.fullmatch(text.strip()) or ISO.fullmatch(text.strip())
    if found is None or not any(found.groups()[1:]):
        raise ValueError(text)
    sign, *amounts = found.groups()
    parts = {unit: float(amount.replace(",", ".")) for unit, amount in zip(UNITS, amounts, strict=False) if amount}
    length = kind(**parts)
    return -length if sign == "-" else length


READERS: dict[Any, Callable[[str, Any], Any]] = {
    str: _text,
    bool: _switch,
    int: _number,
    float: _float,
    complex: _number,
    bytes: _bytes,
    bytearray: _bytes,
    type(None): _nothing,
    PurePath: _path,
    os.PathLike: _path,
    datetime: _iso,
    date: _iso,
    time: _iso,
    timedelta: _duration,
}
# By name, so that nobody pays for importing what the flow does not use.
READERS_BY_NAME: dict[str, Callable[[str, Any], Any]] = {
    "decimal.Decimal": _number,
    "uuid.UUID": _number,
}
