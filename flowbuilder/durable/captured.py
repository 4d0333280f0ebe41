"""Captured: what a function that was made inside a body has from there, and whether that may change."""

from __future__ import annotations

import dis
from collections.abc import Iterator
from dataclasses import fields
from datetime import datetime, time
from enum import Enum
from functools import lru_cache, partial
from pathlib import PurePath
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from flowbuilder.engine.context import Context
from flowbuilder.secret import Secret
from flowbuilder.store.canonical import PLAIN, UnstableError

CODE = (FunctionType, MethodType, BuiltinFunctionType, type, ModuleType, partial)
SETTLED = (*CODE, *(kind for kind in PLAIN if kind is not bytearray), Context, Secret, Enum, PurePath, datetime, time)


def captured(fn: FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield what a function has from where it was made: variables around it by name, and defaults.

    Raises:
        UnstableError: where it changes such a variable, which a call that is not made would not do.
    """
    for name in _rebound(fn.__code__):
        raise UnstableError(fn, f"which changes {name} of the body it is from")
    for name, cell in zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not filled yet
            continue
    for number, value in enumerate(fn.__defaults__ or ()):
        yield f"default {number}", value
    yield from (fn.__kwdefaults__ or {}).items()


def is_settled(value: Any) -> bool:
    """Return whether a value can never change: then nothing that a call does to it is lost when it is not made."""
    if isinstance(value, SETTLED):
        return True
    if isinstance(value, tuple | frozenset):
        return all(map(is_settled, value))
    of_class = getattr(type(value), "__dataclass_params__", None)
    if of_class is None or not of_class.frozen:
        return False
    return all(is_settled(getattr(value, one.name, None)) for one in fields(value))


@lru_cache(1_000)
def _rebound(code: CodeType) -> tuple[str, ...]:
    """Return the variables around it that a function's code sets."""
    if not code.co_freevars:
        return ()
    sets = (one.argval for one in dis.get_instructions(code) if one.opname in ("STORE_DEREF", "DELETE_DEREF"))
    return tuple(name for name in dict.fromkeys(sets) if name in code.co_freevars)
