"""Canonical: values as bytes that are equal where the values are, in every process; never the bytes of a pickle."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import cached_property
from pathlib import PurePath
from types import MappingProxyType
from typing import Any
from uuid import UUID

from flowbuilder.errors import shown_value

DEEPEST = 100
LONG = 64
MORE_THAN_FIELDS = (list, dict, set, frozenset, str, bytes, int, float)
# A flat list of these is told apart by its repr, which is written in C.
FLAT = frozenset({int, float, bool, str, bytes, type(None)})

Code = Callable[[Any], bytes | None]


class UnstableError(ValueError):
    """A value has a part that says nothing stable about itself; ``path`` is where in the value, ``reason`` why."""

    def __init__(self, part: Any, reason: str) -> None:
        self.part = part
        self.reason = reason
        self.path = ""
        super().__init__(part, reason)

    def inside(self, place: str) -> UnstableError:
        """Return the same error as one of what holds the part at ``place``."""
        self.path = place + self.path
        return self

    def __str__(self) -> str:
        return f"{self.path or 'it'} is {shown_value(self.part, 60)}, {self.reason}"


def leaf(tag: str, data: bytes) -> bytes:
    """Return bytes that end where they say and are told from those of any other tag; what is long by its digest."""
    if len(data) > LONG:
        return b"%s#%s" % (tag.encode(), hashlib.sha256(data).digest())
    return b"%s%d:%s" % (tag.encode(), len(data), data)


class Canonical:
    """Encodes values; the type is part of each, so 1, 1.0 and True differ. One thread at a time may use it.

    Args:
        code: gives what stands for a class, a function or a module; None for what is none of these.
    """

    def __init__(self, code: Code) -> None:
        self._code = code
        self._open: set[int] = set()

    def of(self, value: Any) -> bytes:
        """Return a value as bytes.

        Raises:
            UnstableError: for what would be other bytes in another process, or what cannot be told apart.
        """
        plain = PLAIN.get(type(value))
        if plain is not None:
            return plain(value)
        if len(self._open) >= DEEPEST:
            raise UnstableError(value, f"nested deeper than {DEEPEST}")
        if id(value) in self._open:
            raise UnstableError(value, "which contains itself")
        self._open.add(id(value))
        try:
            return self._of_compound(value)
        finally:
            self._open.discard(id(value))

    def _of_compound(self, value: Any) -> bytes:
        kind = type(value)
        if kind is list or kind is tuple:
            return self._sequence(kind.__name__, value)
        if kind is dict or kind is MappingProxyType:
            return self._mapping(value)
        if kind is set or kind is frozenset:
            return leaf(kind.__name__, b"".join(sorted(self._part(f"{{{_short(part)}}}", part) for part in value)))
        if kind is OrderedDict:
            return self._sequence("ordered", value.items())
        code = self._code(value)
        if code is not None:
            return leaf("code", code)
        return self._of_object(value)

    def _of_object(self, value: Any) -> bytes:
        if isinstance(value, Enum):
            return self._fields("enum", value, ("_name_", "_value_"))
        if isinstance(value, PurePath) and type(value).__module__.startswith("pathlib"):
            return _text(f"path {type(value).__name__}", value)
        if type(value) in (datetime, time):
            return self._moment(value)
        names = _field_names(type(value))
        if names is not None:
            _refuse_more_than(names, value)
            return self._fields("fields", value, [name for name in names if hasattr(value, name)])
        array = _array_parts(value)
        if array is not None:
            return leaf("array", b"".join(map(self.of, array)))
        raise UnstableError(value, _why(value))

    def _part(self, place: str, part: Any) -> bytes:
        try:
            return self.of(part)
        except UnstableError as error:
            raise error.inside(place) from None

    def _sequence(self, tag: str, parts: Iterable[Any]) -> bytes:
        if not isinstance(parts, list | tuple):
            parts = list(parts)
        if set(map(type, parts)) <= FLAT:
            try:
                return leaf(tag + "~", repr(parts).encode())
            except ValueError:  # a whole number of thousands of digits
                pass
        return leaf(tag, b"".join([self._part(f"[{index}]", part) for index, part in enumerate(parts)]))

    def _mapping(self, value: Any) -> bytes:
        pairs = [
            self._part(f"{{{_short(key)}}}", key) + self._part(f"[{_short(key)}]", part) for key, part in value.items()
        ]
        return leaf("dict", b"".join(sorted(pairs)))

    def _fields(self, tag: str, value: Any, names: Iterable[str]) -> bytes:
        parts = [leaf("s", name.encode()) + self._part(f".{name}", getattr(value, name)) for name in names]
        return leaf(tag, leaf("class", self._code(type(value)) or b"") + b"".join(parts))

    def _moment(self, value: datetime | time) -> bytes:
        zone = value.tzinfo
        if zone is None or type(zone) is timezone:
            name = ""
        else:
            name = str(getattr(zone, "key", None) or "")
            if not name:
                raise UnstableError(value, f"whose time zone is a {type(zone).__qualname__} without a key")
        return leaf(type(value).__name__, f"{value.isoformat()} {value.fold} {name}".encode())


def _text(tag: str, value: Any) -> bytes:
    return leaf(tag, str(value).encode("utf-8", "surrogatepass"))


def _float(value: float) -> bytes:
    return leaf("f", b"nan" if math.isnan(value) else value.hex().encode())


PLAIN: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda value: b"None",
    bool: lambda value: b"True" if value else b"False",
    type(...): lambda value: b"...",
    int: lambda value: leaf("i", b"%x" % value),
    float: _float,
    complex: lambda value: leaf("complex", _float(value.real) + _float(value.imag)),
    str: lambda value: _text("s", value),
    bytes: lambda value: leaf("b", value),
    bytearray: lambda value: leaf("bytearray", bytes(value)),
    range: lambda value: _text("range", value),
    date: lambda value: _text("date", value),
    timedelta: lambda value: leaf("timedelta", b"%d %d %d" % (value.days, value.seconds, value.microseconds)),
    Decimal: lambda value: _text("decimal", value),
    Fraction: lambda value: _text("fraction", value),
    UUID: lambda value: _text("uuid", value),
}


def _short(key: Any) -> str:
    return shown_value(key, 40)


def _field_names(kind: type) -> Iterable[str] | None:
    """Return the fields of a class that is nothing but them: a dataclass, a named tuple, one of attrs or pydantic."""
    if issubclass(kind, tuple):
        return getattr(kind, "_fields", None)
    if issubclass(kind, MORE_THAN_FIELDS):
        return None
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind))
    attrs = getattr(kind, "__attrs_attrs__", None)
    if attrs is not None:
        return tuple(one.name for one in attrs)
    found = getattr(kind, "__struct_fields__", None) or getattr(kind, "__pydantic_fields__", None)
    return tuple(found) if found is not None else None


def _refuse_more_than(names: Iterable[str], value: Any) -> None:
    """Refuse an object that carries more than its fields: two that differ in the rest would be taken for equal."""
    for name in getattr(value, "__dict__", ()):
        if name not in names and not isinstance(getattr(type(value), name, None), cached_property):
            raise UnstableError(value, f"which has .{name} beside its fields")


def _array_parts(value: Any) -> Iterable[Any] | None:
    """Return what an array or a table is made of, of numpy or pandas, which are never imported for it."""
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    if numpy is not None and (type(value) is numpy.ndarray or isinstance(value, numpy.generic)):
        return None if value.dtype.hasobject else (str(value.dtype), value.shape, value.tobytes())
    if pandas is None:
        return None
    if type(value) is pandas.DataFrame:
        return "table", value.index, [value.iloc[:, place] for place in range(value.shape[1])]
    if type(value) is pandas.Series:
        return "column", value.name, value.index, *_column(value)
    return ("index", list(value.names), *_column(value)) if isinstance(value, pandas.Index) else None


def _column(value: Any) -> tuple[Any, ...]:
    data = value.to_numpy()
    return str(value.dtype), list(data) if data.dtype.hasobject else data


def _why(value: Any) -> str:
    if callable(getattr(value, "__next__", None)):
        return "which can be read only once"
    return f"and a {type(value).__qualname__} says nothing stable about itself"
