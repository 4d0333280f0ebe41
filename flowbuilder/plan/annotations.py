"""Annotations: what the type written on a parameter means, and how it is named in a message."""

from __future__ import annotations

import collections.abc
import dataclasses
import enum
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from flowbuilder.declare.signature import annotations_of, unwrapped, wants_result
from flowbuilder.errors import listed, shown, shown_value
from flowbuilder.secret import Secret

UNTYPED = (None, inspect.Parameter.empty, Any, object)
LONGEST_ALIAS = 64
WRAPPERS = frozenset({typing.Annotated, typing.Final, typing.ClassVar})

# What an annotation asks for, and what is built for it: a caller may hand any of these to the step.
ARRAYS: dict[Any, type] = {
    list: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
    collections.abc.Iterable: list,
    collections.abc.Collection: list,
    collections.abc.Sequence: list,
    collections.abc.MutableSequence: list,
    collections.abc.Set: frozenset,
    collections.abc.MutableSet: set,
}
TABLES = frozenset({dict, collections.abc.Mapping, collections.abc.MutableMapping})

EXAMPLES = {
    bool: "true, false, yes, no, on, off, 1 or 0",
    int: "a whole number, as in 5",
    float: "a number, as in 0.5",
    bytes: "text, taken as UTF-8",
    type(None): "none, null or nothing",
}
EXAMPLES_BY_NAME = {
    "decimal.Decimal": "a decimal number, as in 9.99",
    "uuid.UUID": "a UUID, as in 12345678-1234-5678-1234-567812345678",
    "datetime.datetime": "a date and time, as in 2024-05-31T18:30:00+02:00",
    "datetime.date": "a date, as in 2024-05-31",
    "datetime.time": "a time of day, as in 18:30",
    "datetime.timedelta": "a length of time, as in 5s, 1h30m, 2d or PT5M",
    "pathlib.Path": "a path",
}


class Notes(NamedTuple):
    """The annotations of one function by parameter; ``results`` are the parameters that ask for a ``StepResult``."""

    of: Mapping[str, Any]
    results: frozenset[str]


NO_NOTES = Notes({}, frozenset())


class Annotations:
    """The annotations of functions, each function's read once; ``are_any`` says whether one had some."""

    def __init__(self) -> None:
        self.are_any = False
        self._known: dict[int, tuple[object, Notes]] = {}

    def notes(self, fn: Callable[..., Any] | None) -> Notes:
        """Return the annotations of a function, or of the one inside a partial."""
        plain = fn.func if type(fn) is partial else fn
        known = self._known.get(id(plain))
        if known is None:
            # The function is kept, for as long as its id stands for it.
            notes = _read(unwrapped(plain)) if plain is not None else NO_NOTES
            if notes is NO_NOTES and plain is fn:
                return notes  # as quickly read again
            known = self._known[id(plain)] = plain, notes
            self.are_any = self.are_any or bool(notes.of)
        return known[1]

    def of(self, fn: Callable[..., Any] | None, name: str) -> Any:
        """Return the annotation of one parameter, or of ``return``; None where there is none."""
        return self.notes(fn).of.get(name)


def _read(fn: Any) -> Notes:
    if not getattr(fn, "__annotations__", None) and not hasattr(fn, "__wrapped__"):
        return NO_NOTES
    notes = {name: type(None) if note is None else note for name, note in annotations_of(fn).items()}
    return Notes(notes, frozenset(name for name, note in notes.items() if wants_result(note)))


def bare(note: Any) -> Any:
    """Return an annotation without ``Annotated``, ``NewType``, type aliases and the like."""
    for _ in range(LONGEST_ALIAS):  # an alias may name itself
        if typing.get_origin(note) in WRAPPERS:
            note = typing.get_args(note)[0]
        elif isinstance(note, typing.NewType):
            note = note.__supertype__
        elif type(note).__name__ == "TypeAliasType":
            note = note.__value__
        elif note is typing.LiteralString:
            return str
        else:
            return note
    return Any


def is_open(note: Any) -> bool:
    """Return whether anything may be given for a bare annotation: it is missing, unresolved or no class."""
    if typing.get_origin(note) is None and not isinstance(note, type):
        return True
    return any(note is one for one in UNTYPED) or bool(getattr(origin_of(note), "_is_protocol", False))


def members(note: Any) -> tuple[Any, ...]:
    """Return what a union consists of, or nothing for an annotation that is no union."""
    return typing.get_args(note) if typing.get_origin(note) in (typing.Union, types.UnionType) else ()


def origin_of(note: Any) -> Any:
    """Return ``list`` for ``list[int]``, and the annotation itself where it has no arguments."""
    return typing.get_origin(note) or note


def secret_type(note: Any) -> Any:
    """Return ``int`` for ``Secret[int]``, and ``str`` for a ``Secret`` that does not say of what."""
    return (typing.get_args(note) or (str,))[0]


def list_of(note: Any) -> Any:
    """Return ``list[note]``, and ``list[Any]`` where the note could not be resolved or is missing."""
    return types.GenericAlias(list, (Any if note is None or isinstance(note, str) else note,))


def item_types(note: Any, count: int) -> list[Any] | None:
    """Return the types of ``count`` items of an array annotation; None when it holds another number of them."""
    args = typing.get_args(note)
    if any(typing.get_origin(arg) is typing.Unpack or getattr(arg, "__unpacked__", False) for arg in args):
        return [Any] * count
    is_bare = note is typing.Tuple  # noqa: UP006  # has an origin as tuple[()] has, and means any number of items
    if typing.get_origin(note) is tuple and not is_bare and args[1:] != (Ellipsis,):
        return list(args) if len(args) == count else None
    return [args[0] if args else Any] * count


def field_names(kind: Any) -> tuple[str, ...] | None:
    """Return the fields of a dataclass, TypedDict, NamedTuple, attrs class or msgspec Struct; None for others."""
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind) if field.init)
    if typing.is_typeddict(kind):
        return tuple(kind.__annotations__)
    if hasattr(kind, "__attrs_attrs__"):
        return tuple(field.alias for field in kind.__attrs_attrs__ if field.init)
    if hasattr(kind, "__struct_fields__"):
        return tuple(kind.__struct_fields__)
    is_named_tuple = isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields")
    return tuple(kind._fields) if is_named_tuple else None


def parts_of(note: Any) -> tuple[Any, ...]:
    """Return the annotations inside another: its arguments, and those of the fields of a record."""
    note = bare(note)
    kind = origin_of(note)
    if field_names(kind) is None and not hasattr(kind, "__pydantic_fields__"):
        return typing.get_args(note)
    try:
        return *typing.get_args(note), *typing.get_type_hints(kind).values()
    except Exception:  # names that stand for nothing, in code of the user's
        return typing.get_args(note)


def is_nested(note: Any) -> bool:
    """Return whether values of an annotation are written as a JSON array or object."""
    kind = origin_of(bare(note))
    return any(kind is known for known in (*ARRAYS, *TABLES)) or field_names(kind) is not None


def type_name(note: Any) -> str:
    """Return an annotation as its reader would write it."""
    if any(note is one for one in UNTYPED):
        return "text"
    if isinstance(note, type) and not typing.get_args(note):
        return "None" if note is type(None) else shown(note.__qualname__)
    return shown_value(note).replace("typing.", "").replace("flowbuilder.Secret[", "Secret[")


def expected(note: Any) -> str:
    """Return what may be written for an annotation, for the "allowed" line of a message."""
    note = bare(note)
    if origin_of(note) is Secret:
        return expected(secret_type(note))
    if options := members(note):
        return " · ".join(dict.fromkeys(expected(option) for option in options))
    if typing.get_origin(note) is typing.Literal:
        return listed(str(getattr(one, "name", one)) for one in typing.get_args(note))
    if isinstance(note, type) and issubclass(note, enum.Enum):
        return listed(note.__members__)
    return _expected_nested(note) or _example(note) or type_name(note)


def _expected_nested(note: Any) -> str:
    kind = origin_of(note)
    if any(kind is known for known in ARRAYS):
        item = typing.get_args(note)[:1]
        flat = not (item and is_nested(item[0]))
        return "a JSON array" + (", or items separated by commas" if flat else "")
    if any(kind is known for known in TABLES):
        return 'a JSON object, as in {"name": 1}'
    if (fields := field_names(kind)) is None:
        return ""
    shape = "a JSON array of " if hasattr(kind, "_fields") else "a JSON object with "
    return shape + (listed(fields) or "no fields")


def _example(note: Any) -> str:
    for kind in getattr(note, "__mro__", ()):
        if found := EXAMPLES.get(kind) or EXAMPLES_BY_NAME.get(f"{kind.__module__}.{kind.__qualname__}"):
            return found
    return ""
