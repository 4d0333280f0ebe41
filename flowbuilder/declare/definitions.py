"""Definitions: steps, workflows and providers as written, before any run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from flowbuilder.declare.cache import Cache
from flowbuilder.declare.config import ParallelConfig
from flowbuilder.declare.retry import NO_RETRY, Retry
from flowbuilder.declare.signature import Parameter, unwrapped
from flowbuilder.declare.until import Until
from flowbuilder.errors import Where

ATTRIBUTE = "__flowbuilder__"
NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Definition:
    """What steps, workflows and providers have in common.

    ``module`` and ``scope`` say where the definition was written: the module's name and, for one
    written inside a function, the qualified name of that function ("" at module level).
    """

    fn: Callable[..., Any] | None
    name: str
    where: Where
    module: str
    scope: str = ""
    parameters: tuple[Parameter, ...] = ()
    is_async: bool = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} at {self.where}>"

    @property
    def summary(self) -> str:
        """The first line of the docstring."""
        text = (getattr(unwrapped(self.fn), "__doc__", None) or "").strip() if self.fn else ""
        return text.splitlines()[0] if text else ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class StepDefinition(Definition):
    """A step as written; see ``@step`` for the words. ``executor`` is None where it names none.

    ``has_more_than_parameters`` says whether it waits for more than its parameters name, or has functions beside
    its body.
    """

    needs: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    after: tuple[Any, ...] = ()
    each: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    when: Callable[..., Any] | None = None
    until: Until | None = None
    retries: Retry = NO_RETRY
    timeout: float | None = None
    executor: str | None = None
    resources: Mapping[str, int] = field(default_factory=lambda: NOTHING)
    on_error: str | Callable[..., Any] = "fail"
    undo: Callable[..., Any] | None = None
    cache: Cache | None = None
    idempotent: bool = True
    tags: tuple[str, ...] = ()
    has_more_than_parameters: bool = field(init=False)

    def __post_init__(self) -> None:
        # Found out once, since every plan asks each of its steps; few have any of these.
        has_functions = self.when is not None or self.until is not None or self.undo is not None
        has_more = bool(self.each or self.after) or has_functions or callable(self.on_error)
        object.__setattr__(self, "has_more_than_parameters", has_more)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class ProviderDefinition(Definition):
    """A provider as written: an injected object with clean-up; ``is_per_step`` is that of ``scope="step"``."""

    is_generator: bool = False
    is_per_step: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class WorkflowDefinition(Definition):
    """A workflow as written; ``fn`` is its body, None where it has none.

    ``own`` holds the definitions a ``FlowBuilder`` or an implicit workflow brings along: they are
    found by name before any other scope. ``value_of`` is the step whose value is the run's, where
    that is not the body's.
    """

    priority: int = 0
    resources: Mapping[str, int] = field(default_factory=lambda: NOTHING)
    timeout: float | None = None
    steps: tuple[Any, ...] = ()
    config: ParallelConfig | None = None
    tags: tuple[str, ...] = ()
    own: Mapping[str, Definition] = field(default_factory=lambda: NOTHING)
    value_of: str | None = None


def definition_of(thing: object) -> Definition | None:
    """Return the definition a decorated function, partial or definition object stands for."""
    try:
        found = thing if isinstance(thing, Definition) else getattr(thing, ATTRIBUTE, None)
    except Exception:  # a module may hold lazy objects that raise whatever they like when they are asked
        return None
    return found if isinstance(found, Definition) else None
