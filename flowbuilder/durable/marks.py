"""Marks: what the calls of one body are known by, in this process and in the one that goes on with its run."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

from flowbuilder.durable.captured import captured, is_settled
from flowbuilder.durable.prints import CodeMarks
from flowbuilder.engine.context import Context
from flowbuilder.errors import shown
from flowbuilder.plan.inner import InnerStep
from flowbuilder.secret import Secret
from flowbuilder.store.canonical import Canonical, UnstableError

KEY = 16  # bytes of a key


class Marks:
    """Makes the keys of one body's calls: of whose body it is, what is called and with which arguments.

    Equal calls are told apart by their number, in the order in which they are made.

    Args:
        above: the key of the call whose body it is; b"" for the body of a step.
        tools: returns the names of what the body got from providers, by the id of each: it is no data, and known by
            name.
        codes: makes marks of code.
    """

    def __init__(self, above: bytes, tools: Callable[[], Mapping[int, str]], codes: CodeMarks) -> None:
        self._above = above
        self.codes = codes
        self._tools_of = tools
        self._lock = threading.Lock()
        self._numbers: dict[bytes, int] = {}

    @cached_property
    def tools(self) -> Mapping[int, str]:
        """The names of what the body got from providers; asked for where something is met that may be one."""
        return self._tools_of()

    def base(self, planned: InnerStep, fixed: Mapping[str, Any]) -> bytes:
        """Return what all calls of a function have in common; arguments ``fixed`` are the same for all.

        Raises:
            UnstableError: where something of that cannot be known again in another process.
        """
        definition = planned.step.definition
        encoding = _Encoding(self)
        fn = f"{definition.module} step" if planned.is_declared else encoding.of("", definition.fn)
        given = {name: encoding.of(name, value) for name, value in fixed.items()}
        return encoding.of("", (self._above, definition.name, fn, given))

    def key(self, base: bytes, given: Mapping[str, Any]) -> bytes:
        """Return the key of the next call with these arguments beside those of its ``base``.

        Raises:
            UnstableError: where an argument cannot be known again in another process.
        """
        encoding = _Encoding(self)
        parts = [name.encode() + b"=" + encoding.of(name, value) for name, value in sorted(given.items())]
        digest = hashlib.sha256(base + b"".join(parts)).digest()[:KEY]
        with self._lock:
            number = self._numbers[digest] = self._numbers.get(digest, 0) + 1
        return digest if number == 1 else b"%s%d" % (digest, number)


class _Encoding:
    """Encodes what one call is known by; code counts by its name, and by the variables of a body that it uses."""

    def __init__(self, marks: Marks) -> None:
        self._marks = marks
        self._canonical = Canonical(self._code)
        self._entered: set[int] = set()

    def of(self, name: str, value: Any) -> bytes:
        try:
            return self._canonical.of(value)
        except UnstableError as error:
            raise error.inside(name) from None
        except Exception as error:  # objects are looked into here, whose own code may raise anything
            text = f"which cannot be looked into ({type(error).__name__}: {shown(str(error), 100)})"
            raise UnstableError(value, text).inside(name) from None

    def _code(self, thing: Any) -> bytes | None:
        """Return what stands for code or for a tool; None for what is neither."""
        if isinstance(thing, FunctionType):
            return b"".join(self._function(thing))
        if isinstance(thing, partial):
            return self._canonical.of((thing.func, thing.args, thing.keywords))
        if isinstance(thing, MethodType):
            return self._canonical.of((thing.__func__, thing.__self__))
        if isinstance(thing, Secret):
            return b"secret" + self._canonical.of(thing.reveal())
        if isinstance(thing, BuiltinFunctionType) and not isinstance(thing.__self__, ModuleType | None):
            return _name(thing) + self._canonical.of(thing.__self__)
        if isinstance(thing, type | BuiltinFunctionType):
            return _name(thing)
        if isinstance(thing, ModuleType):
            return thing.__name__.encode()
        if isinstance(thing, Context):
            return b"ctx"
        tool = self._marks.tools.get(id(thing))
        return None if tool is None else b"tool " + tool.encode()

    def _function(self, fn: FunctionType) -> Iterator[bytes]:
        yield _name(fn)
        is_nameless, is_local = fn.__name__ == "<lambda>", "<locals>" in fn.__qualname__
        if is_nameless:
            # It has nothing else to be known by.
            yield self._marks.codes.of_code(fn.__code__).encode()
        if (is_nameless or is_local) and id(fn) not in self._entered:
            self._entered.add(id(fn))
            for name, value in captured(fn):
                yield name.encode() + b"=" + self._of_captured(name, value)

    def _of_captured(self, name: str, value: Any) -> bytes:
        if isinstance(value, FunctionType) and id(value) in self._entered:
            return _name(value)
        if not is_settled(value) and not is_settled(value, self._marks.tools):
            raise UnstableError(value, "which it shares with the body it is from").inside(f"its variable {name}")
        return self.of(f"its variable {name}", value)


def _name(thing: Any) -> bytes:
    return f"{thing.__module__}.{thing.__qualname__}".encode("utf-8", "backslashreplace")
