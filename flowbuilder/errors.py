"""Every error a user can meet: each says what, where, the value seen, what is allowed, what to type."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# Public from here: whoever writes errors of their own writes them with these.
from flowbuilder.foreign import (
    did_you_mean as did_you_mean,
    is_secret as is_secret,
    listed as listed,
    near as near,
    nearest as nearest,
    shown as shown,
    shown_value as shown_value,
)
from flowbuilder.secret import MASK as MASK


@dataclass(frozen=True, slots=True)
class Where:
    """A place in a user's source: a file and a line, shown as ``file:line``."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class FlowBuilderError(Exception):
    """Base of all errors FlowBuilder raises for a mistake of its user.

    ``what`` is a sentence; the rest is optional and printed one to a line. ``exit_code`` is what
    the command line ends with.
    """

    exit_code = 4

    def __init__(
        self, what: str, *, where: Where | str | None = None, got: str = "", allowed: str = "", hint: str = ""
    ) -> None:
        self.what = what
        self.where = where
        self.got = got
        self.allowed = allowed
        self.hint = hint
        super().__init__(what)

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        facts = {"got": self.got, "allowed": self.allowed, "hint": self.hint}
        return "\n".join([f"{self.what}{place}", *(f"  {label}: {text}" for label, text in facts.items() if text)])

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.args, self.__dict__))


def _rebuild(kind: type[FlowBuilderError], args: tuple[object, ...], facts: dict[str, object]) -> FlowBuilderError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(facts)
    return error


class DefinitionError(FlowBuilderError):
    """A decorator or builder was given something it cannot use."""


class DuplicateNameError(DefinitionError):
    """Two definitions of one file share a name."""

    def __init__(self, name: str, first: Where, second: Where) -> None:
        self.name = name
        self.first = first
        self.second = second
        super().__init__(
            f"the name {shown_value(name)} is defined twice",
            where=second,
            got=f"{first} and {second}" if first != second else f"{first}, twice",
            hint="steps, workflows and providers share one namespace: rename one, or give it name=",
        )


class UnknownNameError(FlowBuilderError):
    """A name was asked for that nothing in scope has."""

    def __init__(self, kind: str, name: str, known: Iterable[str], where: Where | str | None = None) -> None:
        self.name = name
        self.known = tuple(known)
        super().__init__(
            f"there is no {kind} named {shown_value(name)}",
            where=where,
            allowed=listed(self.known),
            hint=did_you_mean(name, self.known),
        )


class CycleError(FlowBuilderError):
    """Steps, or providers, need each other in a circle; ``path`` lists them in order, each with its place."""

    LONGEST = 10

    def __init__(self, path: Sequence[tuple[str, Where]], kind: str = "step") -> None:
        self.path = tuple(path)
        parts = [f"{shown(name)} ({where})" for name, where in self.path]
        if len(parts) > self.LONGEST:
            parts[self.LONGEST - 2 : -2] = [f"… {len(parts) - self.LONGEST} more …"]
        super().__init__(
            f"these {kind}s need each other in a circle: " + " → ".join(parts),
            hint=f"a {kind} is needed by one that it needs itself; remove one of these requests",
        )


class InputError(FlowBuilderError):
    """A value given for an input is missing, unknown or not of the annotated type."""


class PlanError(FlowBuilderError):
    """The definitions cannot be made into a plan."""


class InnerStepError(FlowBuilderError):
    """A body asked its ``ctx`` for an inner step that cannot be run, or cannot be run there."""


class ForeignCodeError(FlowBuilderError):
    """A file of the user's or a plugin's cannot be used; ``frames`` holds its own traceback lines."""

    def __init__(
        self,
        what: str,
        *,
        where: Where | str | None = None,
        got: str = "",
        allowed: str = "",
        hint: str = "",
        frames: str = "",
    ) -> None:
        self.frames = frames
        super().__init__(what, where=where, got=got, allowed=allowed, hint=hint)

    def __str__(self) -> str:
        text = super().__str__()
        return f"{text}\n{self.frames}" if self.frames else text


class CollectError(ForeignCodeError):
    """A flow file cannot be found, read or imported."""


class SettingsError(FlowBuilderError):
    """A setting of pyproject.toml or an option is wrong."""


class PluginError(ForeignCodeError):
    """A plugin cannot be loaded, or implements a hook wrongly."""


class NothingToDoError(FlowBuilderError):
    """Nothing was found, or nothing was selected."""

    exit_code = 5


class InsideLoopError(FlowBuilderError):
    """``run()`` was called while an event loop runs in this thread."""

    def __init__(self, name: str, instead: str) -> None:
        super().__init__(
            f"{name}() cannot be called while an event loop runs in this thread", hint=f"use: await {instead}(...)"
        )


class SchedulerClosedError(FlowBuilderError):
    """A ``WorkflowScheduler`` was asked for something before it was entered or after it was left."""


class StoreError(FlowBuilderError):
    """The run store cannot be read or written."""

    exit_code = 6


class RunRefusedError(FlowBuilderError):
    """A run is not gone on with: another process owns it, or what had finished was changed."""

    exit_code = 7


class StepTimeoutError(TimeoutError):
    """An attempt of a step overran its ``timeout``; ``seconds`` is the limit."""

    def __init__(self, step: str, seconds: float, note: str = "") -> None:
        self.step = step
        self.seconds = seconds
        self.note = note
        # An OSError, which a TimeoutError is, keeps no more than two arguments.
        super().__init__(step, seconds)

    def __str__(self) -> str:
        return f"{self.step} timed out after {self.seconds:g} s{self.note}"


class UntilLimitError(Exception):
    """The ``until`` of a step did not hold after the last of its rounds; ``limit`` is their number."""

    def __init__(self, step: str, limit: int) -> None:
        self.step = step
        self.limit = limit
        super().__init__(step, limit)

    def __str__(self) -> str:
        rounds = "the only round" if self.limit == 1 else f"{self.limit} rounds"
        return f"the until of {self.step} did not hold after {rounds}"


class StepCancelledError(Exception):
    """A running step was cancelled because its run was, or by ``fail_fast``."""


class StepLostError(Exception):
    """A step with ``idempotent=False`` was running when its process died: nobody knows whether it finished."""


class WorkerDiedError(Exception):
    """The worker process of a step ended before the step did: killed, exited or crashed."""


class UnhandledCaseError(Exception):
    """The value that a ``switch`` of a ``FlowBuilder`` goes by is none of its cases, and it has no default.

    ``value`` and ``cases`` are texts, fit for a message.
    """

    def __init__(self, name: str, value: str, cases: Sequence[str]) -> None:
        self.name = name
        self.value = value
        self.cases = tuple(cases)
        super().__init__(name, value, self.cases)

    def __str__(self) -> str:
        return f"{shown(self.name)} was {self.value}, and the cases are {listed(self.cases)}; add one, or a default="


class StepSkippedError(Exception):
    """Raised by ``StepResult.value`` of a skipped step, naming the reason."""


class NotRunError(Exception):
    """Raised by ``RunResult.value`` when the workflow's body never ran."""


def error_line(error: BaseException) -> str:
    """Return the last line of a traceback, "ValueError: text", without notes, whatever a broken ``__str__`` does."""
    shape = traceback.TracebackException(type(error), error, None)
    shape.__notes__ = None
    return "".join(shape.format_exception_only()).rstrip()
