"""Words: what ``@step``, ``@workflow`` and ``@provider`` take, each checked with its own message."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Literal, TypedDict

from flowbuilder.declare.cache import Cache
from flowbuilder.declare.config import ParallelConfig
from flowbuilder.declare.definitions import NOTHING, ProviderDefinition, definition_of
from flowbuilder.declare.retry import NO_RETRY, Retry
from flowbuilder.declare.signature import Signature, read_signature
from flowbuilder.declare.until import Until
from flowbuilder.declare.validate import checked_retries, checked_timeout
from flowbuilder.errors import DefinitionError, Where, did_you_mean, listed, shown_value

LOWEST, HIGHEST = -1000, 1000


class StepWords(TypedDict, total=False):
    """The words of ``@step``."""

    name: str | None
    needs: Mapping[str, Any] | None
    after: Sequence[Any]
    each: Mapping[str, Any] | None
    when: Callable[..., Any] | None
    until: Until | None
    retries: int | Retry
    timeout: float | timedelta | None
    executor: str | None
    resources: Mapping[str, int] | None
    on_error: Literal["fail", "continue"] | Callable[..., Any]
    undo: Callable[..., Any] | None
    cache: bool | Callable[..., Any] | Cache
    idempotent: bool
    tags: Iterable[str]


class WorkflowWords(TypedDict, total=False):
    """The words of ``@workflow``."""

    name: str | None
    priority: int
    resources: Mapping[str, int] | None
    steps: Sequence[Any]
    timeout: float | timedelta | None
    config: ParallelConfig | None
    tags: Iterable[str]


class ProviderWords(TypedDict, total=False):
    """The words of ``@provider``."""

    name: str | None
    scope: Literal["run", "step"]


def refuse_unknown(word: str, given: Mapping[str, Any], known: type, where: Where) -> None:
    """Refuse a word that a decorator does not have."""
    allowed = list(known.__annotations__)
    for name in given:
        if name not in allowed:
            raise DefinitionError(
                f"{word} has no argument {shown_value(name)}",
                where=where,
                allowed=listed(allowed, len(allowed)),
                hint=did_you_mean(name, allowed),
            )


def checked_needs(needs: Any, signature: Signature, where: Where) -> Mapping[str, Any]:
    """Return ``needs=``: steps, or names of steps, by parameter."""
    if needs is None:
        return NOTHING
    checked = _by_parameter("needs=", needs, signature, where, '{"parameter": step}')
    for parameter, source in checked.items():
        if not _is_step(source):
            raise DefinitionError(
                f"needs= wires {parameter!r} to something that is no step",
                where=where,
                got=shown_value(source),
                allowed="a step or its name",
                hint="decorate it with @step" if callable(source) else "",
            )
    return checked


def checked_each(each: Any, needs: Mapping[str, Any], signature: Signature, where: Where) -> Mapping[str, Any]:
    """Return ``each=``: sources of items by parameter; literal ones are kept as tuples."""
    if each is None:
        return NOTHING
    checked = _by_parameter("each=", each, signature, where, '{"parameter": "step or input"} or {"parameter": [1, 2]}')
    if not checked:
        raise DefinitionError("each= is empty", where=where, allowed='{"parameter": source}')
    for parameter, source in checked.items():
        if parameter in needs:
            raise DefinitionError(
                f"{parameter!r} is named by needs= and by each=", where=where, hint="keep the one that is meant"
            )
        if not isinstance(source, str | list | tuple) and not _is_step(source):
            raise DefinitionError(
                f"each= cannot map {parameter!r} over this",
                where=where,
                got=shown_value(source),
                allowed="a step, the name of a step or input, or a list or tuple",
                hint="make it a list: list(…)" if isinstance(source, Iterable) else "",
            )
    lengths = {name: len(source) for name, source in checked.items() if isinstance(source, list | tuple)}
    refuse_uneven(lengths, where)
    return MappingProxyType({name: tuple(s) if isinstance(s, list) else s for name, s in checked.items()})


def refuse_uneven(lengths: Mapping[str, int], where: Where) -> None:
    """Refuse sources of ``each=`` of different lengths, which are zipped."""
    if len(set(lengths.values())) > 1:
        raise DefinitionError(
            "the sources of each= have different lengths",
            where=where,
            got=", ".join(f"{name!r} has {length}" for name, length in lengths.items()),
            hint="they are taken item by item, so each needs as many as the others",
        )


def _by_parameter(word: str, given: Any, signature: Signature, where: Where, allowed: str) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise DefinitionError(f"{word} takes a dict", where=where, got=shown_value(given), allowed=allowed)
    names = {parameter.name: parameter.name for parameter in signature.parameters}
    for name in given:
        if name not in names:
            raise DefinitionError(
                f"{word} names {shown_value(name)}, which is no parameter of the function",
                where=where,
                allowed=listed(names) or "the function has no parameters",
                hint=did_you_mean(name, names) if isinstance(name, str) else "",
            )
    return MappingProxyType({names[name]: source for name, source in given.items()})


def _is_step(thing: Any) -> bool:
    if isinstance(thing, str):
        return True
    definition = definition_of(thing)
    return definition is not None and not isinstance(definition, ProviderDefinition)


def checked_steps(word: str, given: Any, where: Where) -> tuple[Any, ...]:
    """Return ``after=`` or ``steps=``: several steps, or names of steps, in a given order."""
    if not isinstance(given, list | tuple):
        raise DefinitionError(
            f"{word} takes several steps",
            where=where,
            got=shown_value(given),
            allowed="a list or tuple of steps or names",
            hint=f"write {word}[…]" if _is_step(given) or isinstance(given, Iterable) else "",
        )
    for one in given:
        if not _is_step(one):
            raise DefinitionError(
                f"{word} holds something that is no step",
                where=where,
                got=shown_value(one),
                allowed="steps or their names",
                hint="decorate it with @step" if callable(one) and definition_of(one) is None else "",
            )
    return tuple(given)


def checked_function(word: str, fn: Any, where: Where) -> Callable[..., Any] | None:
    """Return ``fn`` if it is None or a function whose parameters can be filled by name."""
    if fn is None:
        return None
    if not callable(fn) or isinstance(fn, type):
        raise DefinitionError(f"{word} takes a function", where=where, got=shown_value(fn), allowed="def or lambda")
    if read_signature(fn, where).is_generator:
        raise DefinitionError(
            f"{word} takes a function that returns, not a generator", where=where, got=shown_value(fn), hint="return"
        )
    return fn  # type: ignore[no-any-return]  # just checked


def checked_until(until: Any, where: Where) -> Until | None:
    """Return ``until=``: None, or an ``Until`` whose predicate's parameters can be filled by name."""
    if until is None:
        return None
    if not isinstance(until, Until):
        raise DefinitionError(
            "until= takes an Until",
            where=where,
            got=shown_value(until),
            allowed="Until(predicate, every=1.0, limit=100)",
            hint="wrap the function: until=Until(…)" if callable(until) else "",
        )
    checked_function("until=", until.predicate, where)
    return until


def checked_retry(retries: Any, where: Where) -> Retry:
    """Return ``retries=``: a number of extra attempts as a ``Retry``."""
    if isinstance(retries, Retry):
        return retries
    n = checked_retries("retries=", retries, where)
    return Retry(n) if n else NO_RETRY


def checked_executor(executor: Any, signature: Signature, where: Where) -> str | None:
    """Return ``executor=``; whether a plugin brings it is seen when a plan is made."""
    if signature.is_async:
        if executor is not None:
            raise DefinitionError(
                "an async def step runs on the event loop and takes no executor=",
                where=where,
                got=shown_value(executor),
                hint="leave executor= out, or make it a plain def",
            )
        return "loop"
    if executor is None:
        return None
    if not isinstance(executor, str) or not executor.strip() or executor == "loop":
        raise DefinitionError(
            "executor= is unknown",
            where=where,
            got=shown_value(executor),
            allowed='"thread", "process", "inline", or the name of one a plugin brings',
            hint="make it an async def to run it on the loop" if executor == "loop" else "",
        )
    return executor


def checked_step_timeout(timeout: Any, executor: str | None, where: Where) -> float | None:
    """Return ``timeout=`` in seconds; an inline step can have none."""
    seconds = checked_timeout(timeout, where)
    if seconds is not None and executor == "inline":
        raise DefinitionError(
            "an inline step cannot have a timeout: it runs on the loop thread, where nothing can watch it",
            where=where,
            hint='use executor="process", where a time-out is kept by force, or leave executor= out',
        )
    return seconds


def checked_on_error(on_error: Any, where: Where) -> str | Callable[..., Any]:
    """Return ``on_error=``: "fail", "continue" or a function."""
    if isinstance(on_error, str) and on_error in ("fail", "continue"):
        return on_error
    if callable(on_error) and not isinstance(on_error, type):
        return checked_function("on_error=", on_error, where) or "fail"
    raise DefinitionError(
        "on_error= is unknown",
        where=where,
        got=shown_value(on_error),
        allowed='"fail", "continue", or a function whose value is used instead',
        hint=did_you_mean(on_error, ("fail", "continue")) if isinstance(on_error, str) else "",
    )


def checked_scope(scope: object, where: Where) -> bool:
    """Return whether ``scope=`` of a provider is that of a step."""
    if scope not in ("run", "step"):
        raise DefinitionError(
            "scope= is unknown",
            where=where,
            got=shown_value(scope),
            allowed='"run", once for all steps of a run, or "step", anew for each attempt of each step',
            hint=did_you_mean(scope, ("run", "step")) if isinstance(scope, str) else "",
        )
    return scope == "step"


def checked_idempotent(idempotent: object, where: Where) -> bool:
    """Return ``idempotent=``, whether a step may be repeated when nobody knows whether it finished."""
    if not isinstance(idempotent, bool):
        raise DefinitionError(
            "idempotent= takes True or False", where=where, got=shown_value(idempotent), allowed="True or False"
        )
    return idempotent


def checked_priority(priority: object, where: Where | None = None) -> int:
    """Return a priority from -1000 to 1000; higher goes first."""
    if isinstance(priority, bool) or not isinstance(priority, int) or not LOWEST <= priority <= HIGHEST:
        raise DefinitionError(
            "priority= takes a whole number",
            where=where,
            got=shown_value(priority),
            allowed=f"{LOWEST} to {HIGHEST}, higher goes first",
        )
    return priority
