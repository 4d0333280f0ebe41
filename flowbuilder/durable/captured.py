"""Captured: what a function that was made inside a body has from there, and whether that may change."""

from __future__ import annotations

import dis
from collections.abc import Container, Iterable, Iterator
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

PLAINLY = (kind for kind in PLAIN if kind is not bytearray)
SETTLED = (FunctionType, type, ModuleType, *PLAINLY, Context, Secret, Enum, PurePath, datetime, time)


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


def is_settled(value: Any, tools: Container[int] = ()) -> bool:
    """Return whether a value can never change: then nothing that a call does to it is lost when it is not made.

    Nor does it matter what becomes of ``tools``, which are known by their ids.
    """
    if isinstance(value, SETTLED) or id(value) in tools:
        return True
    parts = _parts(value)
    return parts is not None and all(is_settled(part, tools) for part in parts)


def _parts(value: Any) -> Iterable[Any] | None:
    """Return what can change of a value that cannot change by itself; None for any other."""
    if isinstance(value, tuple | frozenset):
        return value
    if isinstance(value, MethodType | BuiltinFunctionType):
        return (value.__self__,)
    if isinstance(value, partial):
        return value.func, *value.args, *value.keywords.values()
    of_class = getattr(type(value), "__dataclass_params__", None)
    if of_class is None or not of_class.frozen:
        return None
    return (getattr(value, one.name, None) for one in fields(value))


@lru_cache(1_000)
def _rebound(code: CodeType) -> tuple[str, ...]:
    """Return the variables around it that a function's code sets, or that of a function inside it."""
    if not code.co_freevars:
        return ()
    sets = [one.argval for one in dis.get_instructions(code) if one.opname in ("STORE_DEREF", "DELETE_DEREF")]
    sets += [name for inside in code.co_consts if isinstance(inside, CodeType) for name in _rebound(inside)]
    return tuple(name for name in dict.fromkeys(sets) if name in code.co_freevars)
