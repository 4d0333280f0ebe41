"""The decorators: each validates its words at once and returns the very function it was given."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping
from types import CodeType, FrameType
from typing import Any, NamedTuple, TypeVar, Unpack

from flowbuilder.declare.cache_word import checked_cache
from flowbuilder.declare.config import checked_config
from flowbuilder.declare.definitions import (
    ATTRIBUTE,
    NOTHING,
    Definition,
    ProviderDefinition,
    StepDefinition,
    WorkflowDefinition,
    definition_of,
)
from flowbuilder.declare.signature import Signature, innermost, read_signature, unwrapped
from flowbuilder.declare.validate import checked_amounts, checked_name, checked_tags, checked_timeout
from flowbuilder.declare.words import (
    ProviderWords,
    StepWords,
    WorkflowWords,
    checked_each,
    checked_executor,
    checked_function,
    checked_idempotent,
    checked_needs,
    checked_on_error,
    checked_priority,
    checked_retry,
    checked_scope,
    checked_step_timeout,
    checked_steps,
    checked_until,
    refuse_unknown,
)
from flowbuilder.errors import DefinitionError, Where, shown_value

F = TypeVar("F", bound=Callable[..., Any])


class Written(NamedTuple):
    """Where a function was written, and its signature."""

    where: Where
    module: str
    scope: str
    signature: Signature


def make_step(fn: Callable[..., Any], frame: FrameType | None = None, **words: Unpack[StepWords]) -> StepDefinition:
    """Return the definition of a step, every word checked.

    Raises:
        DefinitionError: for each wrong word, naming it, the value seen and what is allowed.
    """
    where, module, scope, signature = _written(fn, "step", frame)
    refuse_unknown("@step", words, StepWords, where)
    if signature.is_generator:
        raise DefinitionError(
            "a step cannot be a generator: it returns one value",
            where=where,
            hint="return a list, or make it a @provider if it yields an object to clean up",
        )
    needs = checked_needs(words.get("needs"), signature, where)
    executor = checked_executor(words.get("executor"), signature, where)
    return StepDefinition(
        fn=fn,
        name=_name_of(fn, words, where),
        where=where,
        module=module,
        scope=scope,
        parameters=signature.parameters,
        is_async=signature.is_async,
        needs=needs,
        after=checked_steps("after=", words.get("after", ()), where),
        each=checked_each(words.get("each"), needs, signature, where),
        when=checked_function("when=", words.get("when"), where),
        until=checked_until(words.get("until"), where),
        retries=checked_retry(words.get("retries", 0), where),
        timeout=checked_step_timeout(words.get("timeout"), executor, where),
        executor=executor,
        resources=checked_amounts("resources=", words.get("resources"), where) or NOTHING,
        on_error=checked_on_error(words.get("on_error", "fail"), where),
        undo=checked_function("undo=", words.get("undo"), where),
        cache=checked_cache(words, signature, where),
        idempotent=checked_idempotent(words.get("idempotent", True), where),
        tags=checked_tags(words.get("tags", ()), where),
    )


def make_workflow(
    fn: Callable[..., Any], frame: FrameType | None = None, **words: Unpack[WorkflowWords]
) -> WorkflowDefinition:
    """Return the definition of a workflow with a body, every word checked.

    Raises:
        DefinitionError: for each wrong word.
    """
    where, module, scope, signature = _written(fn, "workflow", frame)
    refuse_unknown("@workflow", words, WorkflowWords, where)
    if signature.is_generator:
        raise DefinitionError("a workflow's body cannot be a generator", where=where, hint="return one value")
    return WorkflowDefinition(
        fn=fn,
        name=_name_of(fn, words, where),
        where=where,
        module=module,
        scope=scope,
        parameters=signature.parameters,
        is_async=signature.is_async,
        priority=checked_priority(words.get("priority", 0), where),
        resources=checked_amounts("resources=", words.get("resources"), where) or NOTHING,
        timeout=checked_timeout(words.get("timeout"), where),
        steps=checked_steps("steps=", words.get("steps", ()), where),
        config=checked_config(words.get("config"), where),
        tags=checked_tags(words.get("tags", ()), where),
    )


def make_provider(
    fn: Callable[..., Any], frame: FrameType | None = None, **words: Unpack[ProviderWords]
) -> ProviderDefinition:
    """Return the definition of a provider, every word checked.

    Raises:
        DefinitionError: for each wrong word.
    """
    where, module, scope, signature = _written(fn, "provider", frame)
    refuse_unknown("@provider", words, ProviderWords, where)
    return ProviderDefinition(
        fn=fn,
        name=_name_of(fn, words, where),
        where=where,
        module=module,
        scope=scope,
        parameters=signature.parameters,
        is_async=signature.is_async,
        is_generator=signature.is_generator,
        is_per_step=checked_scope(words.get("scope", "run"), where),
    )


def mark(fn: F, definition: Definition) -> F:
    """Set the one attribute a decorator adds, and return the function.

    Raises:
        DefinitionError: when it is decorated already, or takes no attributes.
    """
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


OURS = ("flowbuilder.declare", "flowbuilder.parallel")


def caller() -> FrameType | None:
    """Return the frame of whoever called the decorator, the builder or the executor."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001  # the documented way to the caller
    while frame is not None and str(frame.f_globals.get("__name__")).startswith(OURS):
        frame = frame.f_back
    return frame


@functools.lru_cache(maxsize=64)
def _place(file: str, line: int) -> Where:
    """Return one object for all that one line makes, such as the steps of a loop."""
    return Where(file, line)


def _written(fn: Any, kind: str, frame: FrameType | None) -> Written:
    place = _place(frame.f_code.co_filename, frame.f_lineno) if frame else None
    if isinstance(fn, type):
        raise DefinitionError(
            f"a class cannot be a {kind}", where=place, got=shown_value(fn), hint="decorate a function"
        )
    inner = innermost(fn) if callable(fn) else None
    code = getattr(inner, "__code__", None)
    if not isinstance(code, CodeType) or isinstance(fn, staticmethod | classmethod):
        raise DefinitionError(
            f"only a function can be a {kind}",
            where=place,
            got=shown_value(fn),
            allowed="def or async def",
            hint=_hint(fn, kind),
        )
    if isinstance(fn, functools.partial) and frame is not None and place is not None:
        # A partial is written where it is wrapped, not where the function inside it is.
        scope = frame.f_code.co_qualname if frame.f_code.co_name != "<module>" else ""
        return Written(place, frame.f_globals.get("__name__", ""), scope, read_signature(fn, place))
    where = _place(code.co_filename, code.co_firstlineno)
    scope = str(getattr(inner, "__qualname__", "")).rpartition(".")[0].removesuffix(".<locals>")
    return Written(where, str(getattr(inner, "__module__", "")), scope, read_signature(fn, where))


def _hint(fn: Any, kind: str) -> str:
    if isinstance(fn, str):
        return f"a name is given so: @{kind}(name={shown_value(fn)})"
    return "wrap it in a def" if callable(fn) else ""


def _name_of(fn: Any, words: Mapping[str, Any], where: Where) -> str:
    given = words.get("name")
    if given is not None:
        return checked_name(given, where)
    name = getattr(unwrapped(fn), "__name__", "")
    if name == "<lambda>" or isinstance(fn, functools.partial):
        raise DefinitionError("a lambda or partial has no name of its own", where=where, hint='give it one: name="…"')
    return checked_name(name, where)
