"""Fingerprint: what a function does, as marks of its code and of all code of its project that it refers to."""

from __future__ import annotations

import functools
import hashlib
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.util import find_spec, resolve_name
from opcode import opmap
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from flowbuilder.store.canonical import Canonical, leaf

LIBRARIES = tuple(f"{folder}{os.sep}" for folder in (Path(functools.__file__).parent, Path(__file__).parents[1]))
INSTALLED = ("site-packages", "dist-packages")
IS_FUNCTION = 1  # CO_OPTIMIZED, which the body of a class lacks
HAS_DOCSTRING = 0x4000000  # only told from Python 3.14 on; before, the first constant is the docstring's place
# What Python writes into a class says nothing that its other members do not.
NOISE = frozenset(
    {
        "__module__", "__dict__", "__weakref__", "__doc__", "__qualname__", "__annotations__", "__annotate__",
        "__annotate_func__", "__annotations_cache__", "__firstlineno__", "__static_attributes__",
        "__dataclass_fields__", "__dataclass_params__", "__match_args__", "__abstractmethods__", "_abc_impl",
        "__parameters__", "__orig_bases__",
    }
)  # fmt: skip


class Fingerprint:
    """Marks of a function and of all that it refers to, directly or not, in its own project.

    ``marks`` has one by the name of each function and class, that of the function itself first. They
    depend neither on line numbers, comments and docstrings nor on where the file is. What is installed,
    and Python itself, counts by name.
    """

    def __init__(self, fn: Callable[..., Any]) -> None:
        self._names: dict[int, str] = {}
        self._kept: list[Any] = []  # an id is of its object as long as that lives
        self._found: deque[Any] = deque()
        self._canonical = Canonical(self._code)
        self.marks: Mapping[str, str] = self._walk(fn)

    @property
    def mark(self) -> str:
        """One mark for all."""
        return _mark(repr(list(self.marks.items())).encode())

    def _walk(self, root: Any) -> dict[str, str]:
        marks = {}
        self._name(root)
        while self._found:
            one = self._found.popleft()
            marks[self._names[id(one)]] = _mark(b"".join(self._parts(one)))
        return marks

    # References.

    def _code(self, thing: Any) -> bytes | None:
        """Return what stands for a class, a function or a module, and look into it later."""
        if isinstance(thing, functools.partial):
            return self._of(thing.func) + self._of(thing.args) + self._of(thing.keywords)
        if isinstance(thing, MethodType):
            return self._of(thing.__func__) + self._of(thing.__self__)
        if isinstance(thing, staticmethod | classmethod):
            return type(thing).__name__.encode() + self._of(thing.__func__)
        if isinstance(thing, property):
            return b"property" + self._of((thing.fget, thing.fset, thing.fdel))
        if isinstance(thing, functools.cached_property):
            return b"property" + self._of(thing.func)
        inner = getattr(thing, "__wrapped__", None) if isinstance(thing, _LRU) else None
        if inner is not None:
            return b"cached" + self._of(inner)
        if isinstance(thing, FunctionType | type):
            return self._name(thing).encode() if _is_ours(thing) else _public_name(thing).encode()
        if isinstance(thing, ModuleType):
            return f"module {thing.__name__ if not _is_ours(thing) else ''}".encode()
        return _public_name(thing).encode() if isinstance(thing, BuiltinFunctionType) else None

    def _name(self, thing: Any) -> str:
        """Return the name of a function or class in this fingerprint; equal ones are numbered as they are met."""
        known = self._names.get(id(thing))
        if known is None:
            known = plain = getattr(thing, "__qualname__", type(thing).__qualname__)
            number, taken = 1, set(self._names.values())
            while known in taken:
                number += 1
                known = f"{plain} ({number})"
            self._names[id(thing)] = known
            self._kept.append(thing)
            self._found.append(thing)
        return known

    def _of(self, value: Any) -> bytes:
        """Return a value that code refers to: data as what it is, any other object by its class."""
        try:
            return self._canonical.of(value)
        except Exception:  # beside an UnstableError whatever the code of an object raises that is looked into
            return leaf("object", self._code(type(value)) or b"")

    # What things are made of.

    def _parts(self, thing: Any) -> Iterable[bytes]:
        if isinstance(thing, FunctionType):
            return self._function(thing)
        return self._class(thing) if isinstance(thing, type) else [self._of(thing)]

    def _function(self, fn: FunctionType) -> Iterator[bytes]:
        yield self._of_code(fn.__code__)
        yield self._of(fn.__defaults__)
        yield self._of(fn.__kwdefaults__)
        for name, cell in zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True):
            try:
                yield leaf("cell", name.encode() + self._of(cell.cell_contents))
            except ValueError:  # not filled yet
                continue
        names = list(dict.fromkeys(_names_in(fn.__code__)))
        for name in names:
            if name in fn.__globals__:
                yield leaf("global", name.encode() + self._global(fn.__globals__[name], names))
        for level, name, parts in _imports(fn.__code__):
            yield from _imported(level, name, parts, str(fn.__globals__.get("__package__") or ""))

    def _global(self, value: Any, names: Iterable[str], within: tuple[ModuleType, ...] = ()) -> bytes:
        """Return a global value; of a module of the project, what of it the code may name, but not the way back."""
        if not isinstance(value, ModuleType) or value in within or not _is_ours(value):
            return self._of(value)
        own = vars(value)
        parts = [name.encode() + self._global(own[name], names, (*within, value)) for name in names if name in own]
        return leaf("module", b"".join(parts))

    def _of_code(self, code: CodeType) -> bytes:
        constants = list(code.co_consts)
        if constants and _has_docstring(code):
            constants[0] = None
        facts = (
            code.co_flags & ~HAS_DOCSTRING, code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount,
            code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars, code.co_code, code.co_exceptiontable,
        )  # fmt: skip
        return self._canonical.of(facts) + b"".join(
            self._of_code(one) if isinstance(one, CodeType) else self._canonical.of(one) for one in constants
        )

    def _class(self, kind: type) -> Iterator[bytes]:
        for base in kind.__mro__[1:]:
            yield self._of(base)
        yield self._of({name: _annotation(note) for name, note in _annotations(kind).items()})
        for name, member in sorted(vars(kind).items()):
            if name not in NOISE and not isinstance(member, _SLOTS):
                yield leaf("member", name.encode() + self._of(member))


class _Slots:
    __slots__ = ("one",)


_SLOTS = (type(vars(_Slots)["one"]), type(vars(type)["__dict__"]))
_LRU = type(functools.lru_cache(_SLOTS.index))


def _mark(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _public_name(thing: Any) -> str:
    return f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', type(thing).__qualname__)}"


def _is_ours(thing: Any) -> bool:
    """Return whether something is of the user's project: neither Python's, nor installed, nor FlowBuilder itself."""
    if isinstance(thing, FunctionType) and not thing.__code__.co_filename.startswith("<"):
        return _is_ours_at(thing.__code__.co_filename)
    name = thing.__name__ if isinstance(thing, ModuleType) else str(thing.__module__)
    if name == "__main__":
        return True
    if name.partition(".")[0] in sys.stdlib_module_names:
        return False
    return _is_ours_at(getattr(sys.modules.get(name), "__file__", None) or "")


@functools.cache
def _is_ours_at(file: str) -> bool:
    return not file.startswith(LIBRARIES) and not any(part in Path(file).parts for part in INSTALLED)


def _has_docstring(code: CodeType) -> bool:
    if sys.version_info >= (3, 14):
        return bool(code.co_flags & HAS_DOCSTRING)
    is_def = code.co_flags & IS_FUNCTION and not code.co_name.startswith("<")
    return bool(is_def) and isinstance(code.co_consts[0], str)


def _names_in(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)


def _annotations(kind: type) -> Mapping[str, Any]:
    try:
        return dict(vars(kind).get("__annotations__") or ())
    except Exception:  # from 3.14 on it is the user's code that is evaluated here
        return {}


def _annotation(note: Any) -> Any:
    return note if isinstance(note, str | type) else type(note).__qualname__


def _imports(code: CodeType) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    if opmap["IMPORT_NAME"] in code.co_code[::2]:
        import dis  # slow to load, and seldom needed

        before: list[Any] = [None, None]
        for one in dis.get_instructions(code):
            if one.opname == "IMPORT_NAME":
                yield before[-2] or 0, one.argval, before[-1] or ()
            before = [before[-1], one.argval]
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _imports(constant)


def _imported(level: int, name: str, parts: tuple[str, ...], package: str) -> Iterator[bytes]:
    """Yield the text of a module that a function imports when it is called, and which may not have been by now.

    Of a package it is that of the modules in it that are named; of what is no part of the project, nothing.
    """
    try:
        whole = resolve_name("." * level + name, package)
        spec = None if whole.partition(".")[0] in sys.stdlib_module_names else find_spec(whole)
    except Exception:  # it looks into packages, whose code may raise anything
        return
    if spec is None or not spec.has_location or not _is_ours_at(spec.origin or ""):
        return
    yield leaf("import", whole.encode() + Path(spec.origin or "").read_bytes())
    for part in parts if spec.submodule_search_locations is not None else ():
        yield from _imported(0, f"{whole}.{part}", (), "")
