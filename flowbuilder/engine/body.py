"""Body: how a step's function, and those beside it such as its ``when``, are called for an attempt."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import CoroutineType
from typing import Any, Protocol

from flowbuilder.declare.signature import default_of
from flowbuilder.declare.switch import Unwanted
from flowbuilder.declare.until import Until
from flowbuilder.engine.cached import Look, Recall
from flowbuilder.engine.call import Call, Wrappers
from flowbuilder.engine.views import RunInfo, StepInfo
from flowbuilder.errors import StepCancelledError, StepLostError, UntilLimitError
from flowbuilder.plan.plan import Binding, PlannedStep

Invoke = Callable[[Any, Callable[..., Any], Mapping[str, Any]], Any]  # takes the attempt, the function, its arguments


class Source(Protocol):
    """What is asked of the run that an attempt belongs to."""

    info: RunInfo
    wrappers: Sequence[Any]

    def arguments(self, bindings: Sequence[Binding], attempt: Any) -> dict[str, Any]:
        """Return the arguments for some bindings of a unit; a parameter whose default stands is left out."""

    def values_of(self, bindings: Sequence[Binding]) -> dict[str, Any]:
        """Return the same for bindings that all are values of steps, without defaults."""

    def begin(self, attempt: Any) -> None:
        """Tell that the condition of a step holds, and its body is about to be called."""

    def is_over(self, attempt: Any) -> bool:
        """Return whether nobody waits for an attempt any more."""


class Tried(Protocol):
    """What of an attempt is read and written here."""

    step: PlannedStep
    number: int
    round: int
    earlier: int
    recall: Recall | None
    look: Look | None
    call: Call | None
    has_begun: bool
    passed: str
    wants_more: bool

    @property
    def source(self) -> Source:
        """The run."""

    @property
    def info(self) -> StepInfo:
        """What hooks see of the unit."""


PLAIN = "this plain def returned a coroutine, which nobody awaits; make the step async def"
ASYNC = "this async def returned a coroutine, which nobody awaits; write return await"

# The function itself.


def arguments(attempt: Tried) -> dict[str, Any]:
    """Return the arguments of the function."""
    step = attempt.step
    bindings = step.bindings
    if not bindings:
        return {}
    if step.values_only and len(bindings) == len(step.upstream):
        # Each parameter is the value of another step, and nothing else: as most are.
        return attempt.source.values_of(bindings)
    return attempt.source.arguments(bindings, attempt)


def call(attempt: Tried, invoke: Invoke | None, kwargs: Mapping[str, Any]) -> Any:
    """Call a plain function, by ``invoke`` where the lane does that in a way of its own."""
    fn: Callable[..., Any] = attempt.step.definition.fn  # type: ignore[assignment]  # a planned step has a function
    return invoke(attempt, fn, kwargs) if invoke else fn(**kwargs)


def called(attempt: Tried, invoke: Invoke | None) -> Any:
    """Return what a plain function returns, in the midst of its wrappers, or what the cache has for it."""
    kwargs = arguments(attempt)
    if attempt.recall is not None and _is_known(attempt, attempt.recall, kwargs):
        return attempt.look.value  # type: ignore[union-attr]  # just set
    if not attempt.source.wrappers:
        return call(attempt, invoke, kwargs)
    return _wrappers(attempt, kwargs).around(lambda: call(attempt, invoke, kwargs))


def called_async(attempt: Tried) -> Awaitable[Any]:
    """Return what to await for the same of an async function."""
    kwargs = arguments(attempt)
    return _call_async(attempt, kwargs) if attempt.recall is None else _recalled(attempt, attempt.recall, kwargs)


async def _recalled(attempt: Tried, recall: Recall, kwargs: Mapping[str, Any]) -> Any:
    from anyio import to_thread  # which few need

    # A large argument takes its time, as a slow disk does: neither may hold up the loop.
    if await to_thread.run_sync(_is_known, attempt, recall, kwargs):
        return attempt.look.value  # type: ignore[union-attr]  # just set
    return await _call_async(attempt, kwargs)


def _call_async(attempt: Tried, kwargs: Mapping[str, Any]) -> Awaitable[Any]:
    fn: Callable[..., Any] = attempt.step.definition.fn  # type: ignore[assignment]  # as above
    if not attempt.source.wrappers:
        return fn(**kwargs)  # type: ignore[no-any-return]  # an async function
    return _wrappers(attempt, kwargs).around_async(lambda: fn(**kwargs))


def _is_known(attempt: Tried, recall: Recall, kwargs: Mapping[str, Any]) -> bool:
    """Look whether an earlier run has the result, so that the function need not be called."""
    attempt.look = recall.look_up(attempt.source.info, attempt.step, kwargs)
    return attempt.look.note.is_hit


def _wrappers(attempt: Tried, kwargs: Mapping[str, Any]) -> Wrappers:
    attempt.call = Call(kwargs, attempt.number, attempt.earlier)
    facts = {"run": attempt.source.info, "step": attempt.info, "call": attempt.call}
    return Wrappers(attempt.source.wrappers, facts)


def refuse_coroutine(value: Any, what_to_do: str = PLAIN) -> None:
    """Raise a TypeError where a function returned a coroutine that nobody awaits."""
    if type(value) is CoroutineType:
        value.close()
        raise TypeError(what_to_do)


# The functions beside it; each returns what is to be awaited where it is async.


async def awaited(value: Any) -> Any:
    """Return a value, awaited where it can be."""
    return await value if hasattr(value, "__await__") else value


def wanted(attempt: Tried) -> Any:
    """Ask the ``when`` of the step."""
    predicate: Any = getattr(attempt.step.definition, "when", None)
    return predicate(**_arguments_beside(attempt, attempt.step.when))


def begun(attempt: Tried, answer: Any) -> Any:
    """Tell the start where the ``when`` holds, else keep why it does not; return its answer."""
    if not answer:
        attempt.passed = answer.reason if isinstance(answer, Unwanted) else "its when was false"
        return answer
    if attempt.source.is_over(attempt):
        raise StepCancelledError(f"{attempt.info.name} was cancelled")
    attempt.has_begun = True
    attempt.source.begin(attempt)
    return answer


def holds(attempt: Tried, until: Until) -> Any:
    """Ask the ``until`` of the step."""
    return until.predicate(**_arguments_beside(attempt, attempt.step.until))


def judge(attempt: Tried, until: Until, answer: Any) -> None:
    """Say whether another round follows, by what the ``until`` answered."""
    attempt.wants_more = not answer
    if attempt.wants_more and attempt.round >= until.limit:
        raise UntilLimitError(attempt.info.name, until.limit)


def rescued(attempt: Tried) -> Any:
    """Call the ``on_error`` of the step."""
    rescue: Any = getattr(attempt.step.definition, "on_error", None)
    return rescue(**_arguments_beside(attempt, attempt.step.on_error))


def undone(attempt: Tried) -> Any:
    """Call the ``undo`` of the step."""
    undo: Any = getattr(attempt.step.definition, "undo", None)
    return undo(**_arguments_beside(attempt, attempt.step.undo))


def lost(attempt: Tried) -> StepLostError:
    """Return the error of a step that ran when its process died, and is not to be repeated."""
    kept, name = attempt.source.info.kept, attempt.info.name
    one = kept.lost.get(name, name) if kept is not None else name
    return StepLostError(
        f"{one} was running when its process died, and it is not to be repeated (idempotent=False):"
        " look whether it did its work; resume --rerun-lost does it again"
    )


def _arguments_beside(attempt: Tried, bindings: Sequence[Binding]) -> dict[str, Any]:
    """Return the arguments of such a function; the defaults of the step's own parameters stand for it too."""
    found = attempt.source.arguments(bindings, attempt)
    own = {one.parameter for one in attempt.step.bindings}
    fn: Any = attempt.step.definition.fn
    left_out = [one.parameter for one in bindings if one.parameter in own and one.parameter not in found]
    return found | {name: default_of(fn, name) for name in left_out}
