"""The decorators: each validates its words at once and returns the very function it was given."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from types import FrameType, MappingProxyType
from typing import Any, Literal, TypedDict, TypeVar, Unpack

from flowbuilder.declare.config import ParallelConfig
from flowbuilder.declare.definitions import (
    ATTRIBUTE,
    NOTHING,
    Definition,
    ProviderDefinition,
    StepDefinition,
    WorkflowDefinition,
    definition_of,
)
from flowbuilder.declare.retry import NO_RETRY, Retry
from flowbuilder.declare.signature import Signature, read_signature, unwrapped
from flowbuilder.declare.validate import checked_name, checked_retries, checked_tags, checked_timeout
from flowbuilder.errors import DefinitionError, Where, did_you_mean, shown_value

F = TypeVar("F", bound=Callable[..., Any])
LOWEST_PRIORITY, HIGHEST_PRIORITY = -1000, 1000


class StepWords(TypedDict, total=False):
    """The words of ``@step``."""

    name: str | None
    needs: Mapping[str, Any] | None
    after: Iterable[Any]
    each: Mapping[str, Any] | None
    when: Callable[..., Any] | None
    retries: int | Retry
    timeout: float | timedelta | None
    executor: str | None
    on_error: Literal["fail", "continue"] | Callable[..., Any]
    tags: Iterable[str]


class WorkflowWords(TypedDict, total=False):
    """The words of ``@workflow``."""

    name: str | None
    priority: int
    steps: Iterable[Any]
    config: ParallelConfig | None
    tags: Iterable[str]


def make_step(fn: Callable[..., Any], frame: FrameType | None = None, **words: Unpack[StepWords]) -> StepDefinition:
    """Return the definition of a step, every word checked.

    Raises:
        DefinitionError: for each wrong word, naming it, the value seen and what is allowed.
    """
    where, module, scope, signature = _read(fn, "step", frame)
    _refuse_unknown("@step", words, StepWords, where)
    if signature.is_generator:
        raise DefinitionError(
            "a step cannot be a generator: it returns one value",
            where=where,
            hint="return a list, or make it a @provider if it yields an object to clean up",
        )
    return StepDefinition(
        fn=fn,
        name=checked_name(words.get("name") or _name_of(fn, words, where), where),
        where=where,
        module=module,
        scope=scope,
        parameters=signature.parameters,
        is_async=signature.is_async,
        needs=_needs(words.get("needs"), signature, where),
        after=_after(words.get("after", ()), where),
        each=_each(words.get("each"), signature, where),
        when=_callable_or_none("when=", words.get("when"), where),
        retries=_retries(words.get("retries", 0), where),
        timeout=_timeout(words, signature, where),
        executor=_executor(words.get("executor"), signature, where),
        on_error=_on_error(words.get("on_error", "fail"), where),
        tags=checked_tags(words.get("tags", ()), where),
    )


def make_workflow(
    fn: Callable[..., Any], frame: FrameType | None = None, **words: Unpack[WorkflowWords]
) -> WorkflowDefinition:
    """Return the definition of a workflow with a body, every word checked."""
    where, module, scope, signature = _read(fn, "workflow", frame)
    _refuse_unknown("@workflow", words, WorkflowWords, where)
    if signature.is_generator:
        raise DefinitionError("a workflow's body cannot be a generator", where=where, hint="return one value")
    return WorkflowDefinition(
        fn=fn,
        name=checked_name(words.get("name") or _name_of(fn, words, where), where),
        where=where,
        module=module,
        scope=scope,
        parameters=signature.parameters,
        is_async=signature.is_async,
        priority=checked_priority(words.get("priority", 0), where),
        steps=_after(words.get("steps", ()), where, word="steps="),
        config=checked_config(words.get("config"), where),
        tags=checked_tags(words.get("tags", ()), where),
    )


def make_provider(
    fn: Callable[..., Any], frame: FrameType | None = None, name: str | None = None
) -> ProviderDefinition:
    """Return the definition of a provider."""
    where, module, scope, signature = _read(fn, "provider", frame)
    return ProviderDefinition(
        fn=fn,
        name=checked_name(name or _name_of(fn, {"name": name}, where), where),
        where=where,
        module=module,
        scope=scope,
        parameters=signature.parameters,
        is_async=signature.is_async,
        is_generator=signature.is_generator,
    )


def mark(fn: F, definition: Definition) -> F:
    """Set the one attribute a decorator adds, and return the function."""
    if (before := definition_of(fn)) is not None:
        raise DefinitionError(
            "one function is decorated twice",
            where=definition.where,
            got=f"it already is {shown_value(before.name)} of {before.where}",
            hint="use functools.partial to make several steps of one function",
        )
    try:
        setattr(fn, ATTRIBUTE, definition)
    except (AttributeError, TypeError) as error:
        raise DefinitionError(
            "this callable takes no attributes", where=definition.where, got=shown_value(fn), hint="wrap it in a def"
        ) from error
    return fn


def checked_priority(priority: object, where: Where | None = None) -> int:
    """Return a priority from -1000 to 1000; higher goes first."""
    if isinstance(priority, bool) or not isinstance(priority, int) or not -1000 <= priority <= HIGHEST_PRIORITY:
        raise DefinitionError(
            "priority= takes a whole number",
            where=where,
            got=shown_value(priority),
            allowed=f"{LOWEST_PRIORITY} to {HIGHEST_PRIORITY}, higher goes first",
        )
    return priority


def checked_config(config: object, where: Where | None = None) -> ParallelConfig | None:
    """Return ``config`` if it is a ParallelConfig or None."""
    if config is not None and not isinstance(config, ParallelConfig):
        raise DefinitionError(
            "config= takes a ParallelConfig", where=where, got=shown_value(config), allowed="ParallelConfig(…)"
        )
    return config


def _read(fn: Any, kind: str, frame: FrameType | None) -> tuple[Where, str, str, Signature]:
    if isinstance(fn, type):
        raise DefinitionError(f"a class cannot be a {kind}", got=shown_value(fn), hint="decorate a function")
    if isinstance(fn, staticmethod | classmethod | property) or not callable(fn):
        raise DefinitionError(f"only a function can be a {kind}", got=shown_value(fn), allowed="def or async def")
    inner = inspect.unwrap(unwrapped(fn))
    code = getattr(inner, "__code__", None)
    if code is None:
        raise DefinitionError(
            f"only a function can be a {kind}", got=shown_value(fn), allowed="def or async def", hint="wrap it in a def"
        )
    if isinstance(fn, functools.partial) and frame is not None:
        # A partial is written where it is wrapped, not where the function inside it is.
        where, module = Where(frame.f_code.co_filename, frame.f_lineno), frame.f_globals.get("__name__", "")
        scope = frame.f_code.co_qualname if frame.f_code.co_name != "<module>" else ""
    else:
        where, module = Where(code.co_filename, code.co_firstlineno), inner.__module__
        scope = inner.__qualname__.rpartition(".")[0].removesuffix(".<locals>")
    return where, module, scope, read_signature(fn, where)


def caller() -> FrameType | None:
    """Return the frame of whoever called the decorator."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001  # the documented way to the caller
    while frame is not None and frame.f_globals.get("__name__", "").startswith("flowbuilder.declare"):
        frame = frame.f_back
    return frame


def _name_of(fn: Any, words: Mapping[str, Any], where: Where) -> str:
    name = getattr(unwrapped(fn), "__name__", "")
    if "name" in words and words["name"] == "":
        return ""
    if name == "<lambda>" or isinstance(fn, functools.partial):
        raise DefinitionError("a lambda or partial has no name of its own", where=where, hint='give it one: name="…"')
    return str(name)


def _refuse_unknown(word: str, given: Mapping[str, Any], known: type, where: Where) -> None:
    allowed = list(known.__annotations__)
    for name in given:
        if name not in allowed:
            raise DefinitionError(
                f"{word} has no argument {name!r}",
                where=where,
                allowed=", ".join(allowed),
                hint=did_you_mean(name, allowed),
            )


def _needs(needs: Any, signature: Signature, where: Where) -> Mapping[str, Any]:
    if needs is None:
        return NOTHING
    return _by_parameter("needs=", needs, signature, where, '{"parameter": step}')


def _each(each: Any, signature: Signature, where: Where) -> Mapping[str, Any]:
    if each is None:
        return NOTHING
    checked = _by_parameter("each=", each, signature, where, '{"parameter": "step or input"} or {"parameter": [1, 2]}')
    if not checked:
        raise DefinitionError("each= is empty", where=where, allowed='{"parameter": source}')
    for parameter, source in checked.items():
        if not isinstance(source, str | list | tuple) and definition_of(source) is None:
            raise DefinitionError(
                f"each= cannot map {parameter!r} over this",
                where=where,
                got=shown_value(source),
                allowed="a step, the name of a step or input, or a list or tuple",
            )
    return checked


def _by_parameter(word: str, given: Any, signature: Signature, where: Where, allowed: str) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise DefinitionError(f"{word} takes a dict", where=where, got=shown_value(given), allowed=allowed)
    names = [parameter.name for parameter in signature.parameters]
    for name in given:
        if name not in names:
            raise DefinitionError(
                f"{word} names {shown_value(name)}, which is no parameter of the function",
                where=where,
                allowed=", ".join(names) or "the function has no parameters",
                hint=did_you_mean(str(name), names),
            )
    return MappingProxyType(dict(given))


def _after(after: Any, where: Where, word: str = "after=") -> tuple[Any, ...]:
    if isinstance(after, str) or definition_of(after) is not None or not isinstance(after, Iterable):
        raise DefinitionError(
            f"{word} takes several steps", where=where, got=shown_value(after), allowed=f'{word}(load, "clean")'
        )
    found = tuple(after)
    for one in found:
        if not isinstance(one, str) and definition_of(one) is None:
            raise DefinitionError(
                f"{word} holds something that is no step", where=where, got=shown_value(one), allowed="steps or names"
            )
    return found


def _callable_or_none(word: str, fn: Any, where: Where) -> Callable[..., Any] | None:
    if fn is not None and not callable(fn):
        raise DefinitionError(f"{word} takes a function", where=where, got=shown_value(fn), allowed="def or lambda")
    return fn  # type: ignore[no-any-return]  # just checked


def _retries(retries: Any, where: Where) -> Retry:
    if isinstance(retries, Retry):
        return retries
    n = checked_retries("retries=", retries, where)
    return Retry(n) if n else NO_RETRY


def _executor(executor: Any, signature: Signature, where: Where) -> str:
    if signature.is_async:
        if executor not in (None, "loop"):
            raise DefinitionError(
                "an async def step runs on the event loop and takes no executor=",
                where=where,
                got=shown_value(executor),
                hint="leave executor= out, or make it a plain def",
            )
        return "loop"
    if executor is None:
        return "thread"
    if not isinstance(executor, str) or not executor or executor == "loop":
        raise DefinitionError(
            "executor= is unknown",
            where=where,
            got=shown_value(executor),
            allowed='"thread", "process", "inline", or the name of one a plugin brings',
        )
    return executor


def _timeout(words: Mapping[str, Any], signature: Signature, where: Where) -> float | None:
    timeout = checked_timeout(words.get("timeout"), where)
    if timeout is not None and words.get("executor") == "inline":
        raise DefinitionError(
            "an inline step cannot have a timeout: it runs on the loop thread, where nothing can watch it",
            where=where,
            hint='use executor="process", where a time-out is kept by force, or leave executor= out',
        )
    return timeout


def _on_error(on_error: Any, where: Where) -> str | Callable[..., Any]:
    if on_error in ("fail", "continue") or callable(on_error):
        return on_error  # type: ignore[no-any-return]  # just checked
    raise DefinitionError(
        "on_error= is unknown",
        where=where,
        got=shown_value(on_error),
        allowed='"fail", "continue", or a function whose value is used instead',
    )
