"""Prints: where the parameters of a step came from, and a mark for its code, as short text."""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType
from typing import Any

from flowbuilder.declare.signature import innermost
from flowbuilder.plan.plan import Binding, Kind, PlannedStep
from flowbuilder.store.values import encode

STEP = Kind.STEP


def wiring_of(step: PlannedStep) -> str:
    """Return where the parameters of a step come from: ``path: each of step sources, root: input root``."""
    items = {one.parameter: f"each of {_source(one)}" for one in step.each} if step.each else {}
    return ", ".join([f"{one.parameter}: {items.get(one.parameter) or _source(one)}" for one in step.bindings])


def _source(binding: Binding) -> str:
    if binding.kind is STEP:
        return f"step {binding.source}"
    if binding.kind is Kind.VALUE:
        return f"a value {_mark_of(binding.value)}"
    return f"{binding.kind.value} {binding.source}".rstrip()


def _mark_of(value: Any) -> str:
    """Return a mark for a settled value; all that cannot be stored share one."""
    try:
        return _mark(encode(value).data)
    except ValueError:
        return type(value).__name__


class CodeMarks:
    """Marks for the code of functions, each made once: many steps may have one function."""

    def __init__(self) -> None:
        # By identity: code is compared, and hashed, by all that is in it. It is kept, so that its id stands for it.
        self._known: dict[int, tuple[CodeType, str]] = {}

    def of(self, step: PlannedStep) -> str:
        """Return a mark for the code of a step's own function; "" where it has none."""
        fn = step.definition.fn
        code = getattr(innermost(fn), "__code__", None) if fn is not None else None
        return self.of_code(code) if isinstance(code, CodeType) else ""

    def of_code(self, code: CodeType) -> str:
        """Return a mark for code; equal code elsewhere in a file has the same."""
        known = self._known.get(id(code))
        if known is None:
            mark = _mark("\n".join(_parts(code)).encode("utf-8", "backslashreplace"))
            known = self._known[id(code)] = code, mark
        return known[1]


def _parts(code: CodeType) -> Iterator[str]:
    """Yield what makes code what it is: neither its place in the file nor its docstring's line numbers."""
    yield code.co_code.hex()
    yield repr((code.co_names, code.co_varnames, code.co_freevars))
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _parts(constant)
        else:
            yield repr(sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant)


def _mark(data: bytes) -> str:
    import hashlib  # slow to load

    return hashlib.sha256(data).hexdigest()[:12]
