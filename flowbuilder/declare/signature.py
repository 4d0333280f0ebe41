"""The parameters of a user's function, read once when it is wrapped."""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable
from typing import Any, NamedTuple, TypeGuard

from flowbuilder.errors import DefinitionError, Where, shown, shown_value
from flowbuilder.results import StepResult

WRAPPED = frozenset({"args", "kwargs", "kw", "a", "k"})
ASYNC_FLAGS = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
GENERATOR_FLAGS = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
VAR_FLAGS = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS


class Parameter(NamedTuple):
    """One parameter that is resolved by name."""

    name: str
    has_default: bool


class Signature(NamedTuple):
    """What a decorator needs to know of a function: its parameters and its colour, decided once."""

    parameters: tuple[Parameter, ...]
    is_async: bool
    is_generator: bool


def unwrapped(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return the plain function inside partials."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    return fn


def innermost(fn: Callable[..., Any]) -> Any:
    """Return what was written with ``def``, inside partials and inside decorators that kept ``__wrapped__``."""
    plain = unwrapped(fn)
    if not hasattr(plain, "__wrapped__"):
        return plain
    try:
        return inspect.unwrap(plain)
    except ValueError:  # a chain of __wrapped__ that never ends
        return plain


def read_signature(fn: Callable[..., Any], where: Where | None) -> Signature:
    """Read parameters and colour of ``fn``.

    Raises:
        DefinitionError: for ``*args``, ``**kwargs``, positional-only parameters, a method without
            its object, and callables without a readable signature.
    """
    outer, inner = unwrapped(fn), innermost(fn)
    parameters = _parameters(fn, where)
    if parameters and parameters[0].name in ("self", "cls") and _is_in_class(inner):
        raise DefinitionError(
            f"this is a method, and its {parameters[0].name} is not settled",
            where=where,
            got=shown(getattr(inner, "__qualname__", "")),
            hint="decorate a function, or use FlowBuilder.step(instance.method)",
        )
    if outer is inner and isinstance(inner, types.FunctionType):
        flags = inner.__code__.co_flags
        return Signature(parameters, bool(flags & ASYNC_FLAGS), bool(flags & GENERATOR_FLAGS))
    is_async_generator = inspect.isasyncgenfunction(inner)
    called = type(outer).__call__  # an object may be called as a function is
    is_async = any(map(inspect.iscoroutinefunction, (outer, inner, called))) or is_async_generator
    return Signature(parameters, is_async, inspect.isgeneratorfunction(inner) or is_async_generator)


def _is_in_class(inner: Any) -> bool:
    place = str(getattr(inner, "__qualname__", "")).rpartition(".")[0]
    return bool(place) and not place.endswith("<locals>")


def _parameters(fn: Callable[..., Any], where: Where | None) -> tuple[Parameter, ...]:
    if _is_plain(fn):
        return _parameters_of_code(fn)
    if isinstance(fn, functools.partial) and _is_plain(fn.func):
        left = _parameters_left(fn.func, len(fn.args), tuple(fn.keywords))
        if left is not None:
            return left
    try:
        signature = inspect.signature(fn)
    except (TypeError, ValueError) as error:
        raise DefinitionError(
            "this callable has no readable signature", where=where, got=shown_value(fn), hint="wrap it in a def"
        ) from error
    settled = fn.keywords if isinstance(fn, functools.partial) else {}
    found = []
    for parameter in signature.parameters.values():
        if parameter.name in settled:
            continue
        _refuse_kind(parameter, where)
        found.append(Parameter(parameter.name, parameter.default is not inspect.Parameter.empty))
    return tuple(found)


def _is_plain(fn: Any) -> TypeGuard[types.FunctionType]:
    """Return whether a function is as it was written, with parameters that all have names."""
    if not isinstance(fn, types.FunctionType) or hasattr(fn, "__wrapped__") or hasattr(fn, "__signature__"):
        return False
    return not fn.__code__.co_flags & VAR_FLAGS and not fn.__code__.co_posonlyargcount


@functools.lru_cache(maxsize=64)
def _parameters_left(fn: types.FunctionType, settled: int, keywords: tuple[str, ...]) -> tuple[Parameter, ...] | None:
    """Return what a partial leaves of a plain function's parameters, the same for all that settle the same.

    None where it settles what the function does not take.
    """
    left = _parameters_of_code(fn)[settled:]
    is_taken = settled <= fn.__code__.co_argcount and {one.name for one in left}.issuperset(keywords)
    return tuple(one for one in left if one.name not in keywords) if is_taken else None


def _parameters_of_code(fn: types.FunctionType) -> tuple[Parameter, ...]:
    """Read a plain function's parameters without building an inspect.Signature, which is 20 times slower."""
    code = fn.__code__
    plain = code.co_argcount
    names = code.co_varnames[: plain + code.co_kwonlyargcount]
    first_default = plain - len(fn.__defaults__ or ())
    kwonly = fn.__kwdefaults__ or {}
    return tuple(Parameter(name, first_default <= i < plain or name in kwonly) for i, name in enumerate(names))


def _refuse_kind(parameter: inspect.Parameter, where: Where | None) -> None:
    kinds = {
        inspect.Parameter.VAR_POSITIONAL: f"*{parameter.name}",
        inspect.Parameter.VAR_KEYWORD: f"**{parameter.name}",
        inspect.Parameter.POSITIONAL_ONLY: f"{parameter.name}, /",
    }
    if parameter.kind in kinds:
        raise DefinitionError(
            "parameters are filled by name, so this one cannot be used",
            where=where,
            got=kinds[parameter.kind],
            allowed="ordinary and keyword-only parameters",
            hint="name each parameter, or settle it with functools.partial"
            + ("; if a decorator made this wrapper, give it functools.wraps(fn)" if parameter.name in WRAPPED else ""),
        )


def default_of(fn: Callable[..., Any], name: str) -> Any:
    """Return the default value of one parameter of ``fn``."""
    return inspect.signature(fn).parameters[name].default


def annotations_of(fn: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotations of ``fn``, each resolved by itself.

    One that cannot be resolved stays the text it was written as, so a missing name in one
    annotation says nothing about the others.
    """
    inner = innermost(fn)
    raw = getattr(inner, "__annotations__", {})
    if not any(isinstance(note, str) for note in raw.values()):
        return dict(raw)
    try:
        return typing.get_type_hints(inner, include_extras=True)
    except Exception:  # an annotation is any expression of the user's, evaluated here
        return {name: _resolved(inner, name, note) for name, note in raw.items()}


def _resolved(fn: Any, name: str, note: Any) -> Any:
    alone = types.FunctionType((lambda: None).__code__, fn.__globals__)
    alone.__annotations__ = {name: note}
    try:
        return typing.get_type_hints(alone, include_extras=True)[name]
    except Exception:  # as above
        return note


def wants_result(note: Any) -> bool:
    """Return whether an annotation asks for the ``StepResult`` rather than the value, or for None."""
    if isinstance(note, str):
        return note.replace(" ", "").split("[")[0].split("|")[0].split(".")[-1] == "StepResult"
    origin = typing.get_origin(note) or note
    if origin is typing.Annotated:
        return wants_result(typing.get_args(note)[0])
    if origin in (typing.Union, types.UnionType):
        return any(map(wants_result, typing.get_args(note)))
    return origin is StepResult
