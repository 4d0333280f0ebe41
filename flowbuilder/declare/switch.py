"""Switch: the functions behind ``FlowBuilder.switch`` and ``step_if``, which choose by the value of a step."""

from __future__ import annotations

import functools
import inspect
import keyword
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

from flowbuilder.declare.definitions import Definition, StepDefinition
from flowbuilder.declare.signature import read_signature, unwrapped
from flowbuilder.errors import (
    MASK,
    DefinitionError,
    DuplicateNameError,
    UnhandledCaseError,
    Where,
    is_secret,
    shown,
    shown_value,
)

ABSENT: Any = object()
OTHER: Any = object()  # the case of a default


class Unwanted(NamedTuple):
    """What a predicate returns to say no and why; it is false."""

    reason: str

    def __bool__(self) -> bool:
        return False


def routing(fn: Callable[..., Any], name: str, cases: Sequence[Any] | None) -> Callable[..., Any]:
    """Return a selector that fails for a value that is none of ``cases``; None where all values are handled."""

    def checked(value: Any) -> Any:
        if cases is not None and value not in cases:
            raise UnhandledCaseError(name, _seen(name, value), [shown_value(one) for one in cases])
        return value

    async def routed_async(**values: Any) -> Any:
        return checked(await fn(**values))

    def routed(**values: Any) -> Any:
        return checked(fn(**values))

    signature = read_signature(fn, None)
    made: Any = functools.update_wrapper(routed_async if signature.is_async else routed, unwrapped(fn))
    wanted = inspect.signature(fn).parameters
    made.__signature__ = inspect.Signature(
        [wanted[one.name].replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in signature.parameters]
    )
    return made  # type: ignore[no-any-return]  # a function with one attribute more


def same(value: Any) -> Any:
    """Return the value: the selector where a step is one."""
    return value


def only_where(step: StepDefinition, source: Any, name: str, holds: Callable[[Any], bool]) -> StepDefinition:
    """Return a step that runs only where ``holds`` is true of the value of ``source``.

    The reason of its being skipped says ``name`` and the value.
    """

    def is_chosen(**values: Any) -> bool | Unwanted:
        (value,) = values.values()
        return True if holds(value) else Unwanted(f"{shown(name)} was {_seen(name, value)}")

    parameter = name if name.isidentifier() and not keyword.iskeyword(name) else "selected"
    # A parameter of the step's own may have the name and mean something else.
    while any(one.name == parameter for one in step.parameters):
        parameter += "_"
    needs = MappingProxyType({**step.needs, parameter: source})
    return replace(step, when=_with_parameters(is_chosen, [parameter]), needs=needs)


def is_one_of(mine: Sequence[Any], cases: Sequence[Any], value: Any) -> bool:
    """Return whether a value is one of a step's own cases, or it is the step for all others."""
    return value in mine or (any(one is OTHER for one in mine) and value not in cases)


def joining(count: int) -> tuple[Callable[..., Any], Callable[..., bool | Unwanted], list[str]]:
    """Return a function that returns the one value it is given of ``count``, its predicate, and its parameters."""

    def joined(**values: Any) -> Any:
        return next(iter(values.values()))

    def is_there(**values: Any) -> bool | Unwanted:
        return any(one is not ABSENT for one in values.values()) or Unwanted("the chosen step was skipped")

    names = [f"case_{number}" for number in range(1, count + 1)]
    return _with_parameters(joined, names, ABSENT), _with_parameters(is_there, names, ABSENT), names


def checked_cases(cases: Any, where: Where) -> Mapping[Any, Any]:
    """Return the cases of a switch, of which there is at least one."""
    if not isinstance(cases, Mapping) or not cases:
        raise DefinitionError(
            "switch() takes a step for each case", where=where, got=shown_value(cases), allowed="{value: step}"
        )
    return cases


def grouped(known: Iterable[tuple[Any, Any]], where: Where) -> list[tuple[StepDefinition, list[Any]]]:
    """Return each step of a switch with the cases it is for.

    Raises:
        DefinitionError: for a step that cannot be one.
        DuplicateNameError: for two of one name.
    """
    found: dict[str, tuple[StepDefinition, list[Any]]] = {}
    for case, step in known:
        made = unconditional(step, where)
        if made.each:
            raise DefinitionError(
                f"{shown_value(made.name)} is mapped: it would be asked of each item whether it is chosen",
                where=where,
                hint="choose the step that its items come from",
            )
        before, mine = found.setdefault(made.name, (made, []))
        if before.fn is not made.fn:
            raise DuplicateNameError(made.name, before.where, made.where)
        mine.append(case)
    return list(found.values())


def unconditional(step: Definition, where: Where) -> StepDefinition:
    """Return a step that can be given a condition.

    Raises:
        DefinitionError: when it cannot.
    """
    if not isinstance(step, StepDefinition):
        raise DefinitionError(
            f"{shown_value(step.name)} is a workflow, and only a step can have a condition",
            where=where,
            hint="give its steps a when=",
        )
    if step.when is not None:
        raise DefinitionError(f"{shown_value(step.name)} has a condition already", where=where, got=str(step.where))
    return step


def name_of(source: Any) -> str:
    """Return what a step that was given by definition or name is called."""
    return source if isinstance(source, str) else str(source.name)


def _with_parameters(fn: Any, names: Sequence[str], default: Any = inspect.Parameter.empty) -> Any:
    """Return a function that takes what it is given, with a signature of these names."""
    fn.__signature__ = inspect.Signature(
        [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default) for name in names]
    )
    return fn


def _seen(name: str, value: Any) -> str:
    return MASK if is_secret(name) else shown_value(value, 60)
