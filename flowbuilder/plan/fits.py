"""Fits: whether a value given from code is of the type that an annotation names."""

from __future__ import annotations

import numbers
import typing
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from flowbuilder.plan.annotations import ARRAYS, bare, is_open, item_types, members, origin_of
from flowbuilder.secret import Secret

# A list is judged by its first items, so that checking never costs more than using it.
MOST_CHECKED = 1000

# As type checkers have it, an int will do for a float; numpy registers its numbers here too.
NUMERIC: dict[Any, type] = {int: numbers.Integral, float: numbers.Real, complex: numbers.Complex}


def fits(value: Any, note: Any) -> bool:
    """Return whether a value is of an annotation's type, as far as that can be judged."""
    note = bare(note)
    if is_open(note):
        return True
    if options := members(note):
        return any(fits(value, option) for option in options)
    kind = origin_of(note)
    if kind is typing.Literal:
        return any(type(value) is type(option) and value == option for option in typing.get_args(note))
    if typing.is_typeddict(kind):
        return isinstance(value, Mapping)
    if kind is Callable or not isinstance(kind, type):
        return True
    if kind is Secret and isinstance(value, Secret):
        return fits(value.reveal(), (typing.get_args(note) or (Any,))[0])
    return _is_instance(value, kind) and _items_fit(value, note)


def is_listed(value: object) -> bool:
    """Return whether a value has items in an order, and their number, so that a step can be mapped over it."""
    if isinstance(value, str | bytes | bytearray | set | frozenset | dict):
        return False
    return hasattr(type(value), "__len__") and hasattr(type(value), "__iter__")


def _is_instance(value: Any, kind: type) -> bool:
    try:
        if isinstance(value, NUMERIC.get(kind, kind)):
            return True
    except Exception:  # a class of the user's may refuse to be asked
        return True
    # A class executed again, in a notebook or under a second module name, is the same one to its user.
    return any(base.__qualname__ == kind.__qualname__ for base in type(value).__mro__ if base.__module__ != "builtins")


def _items_fit(value: Any, note: Any) -> bool:
    args = typing.get_args(note)
    if not args:
        return True
    if isinstance(value, dict) and len(args) == 2:
        return all(fits(key, args[0]) and fits(item, args[1]) for key, item in islice(value.items(), MOST_CHECKED))
    if not isinstance(value, list | tuple | set | frozenset) or origin_of(note) not in ARRAYS:
        return True
    types = item_types(note, len(value))
    return types is not None and all(map(fits, islice(value, MOST_CHECKED), types))
