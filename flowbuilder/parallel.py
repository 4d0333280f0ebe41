"""ParallelExecutor: independent named functions in parallel, without declaring anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

from flowbuilder.declare.builder import FlowBuilder
from flowbuilder.declare.config import ParallelConfig, checked_config
from flowbuilder.declare.definitions import WorkflowDefinition
from flowbuilder.declare.signature import default_of, read_signature
from flowbuilder.declare.validate import checked_name
from flowbuilder.errors import DefinitionError, InputError, shown, shown_value
from flowbuilder.results import RunResult, StepResult
from flowbuilder.runner import arun, refuse_running_loop, run

__all__ = ["ParallelConfig", "ParallelExecutor", "ParallelResults", "ParallelStep"]


@dataclass(frozen=True, slots=True)
class ParallelStep:
    """A named function, plain or async; it may be shared and cloned.

    Its parameters are filled by name from the ``context`` given to ``execute``.
    """

    name: str
    fn: Callable[..., Any]

    def __post_init__(self) -> None:
        checked_name(self.name)
        if not callable(self.fn):
            raise DefinitionError("ParallelStep takes a function", got=shown_value(self.fn))

    def clone(self, name: str | None = None) -> Self:
        """Return a copy, under another name if given."""
        return replace(self, name=name or self.name)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ParallelResults:
    """How all steps ended; ``results`` by name, ``total_duration`` in seconds."""

    results: Mapping[str, StepResult[Any]]
    success_count: int
    failed_count: int
    errors: tuple[BaseException, ...]
    total_duration: float


Steps = Iterable[ParallelStep | tuple[str, Callable[..., Any]]]


class ParallelExecutor:
    """Runs independent named functions in parallel, within the limits of a ``ParallelConfig``."""

    def __init__(self, config: ParallelConfig | None = None) -> None:
        self.config = checked_config(config) or ParallelConfig()

    async def execute(self, steps: Steps, context: Mapping[str, Any] | None = None) -> ParallelResults:
        """Run all ``steps`` on the running loop and return how each ended.

        Args:
            steps: ``ParallelStep`` or ``(name, function)``.
            context: values for the functions' parameters, by name.

        Raises:
            FlowBuilderError: for a wrong step, two of one name, or a parameter without a value.
        """
        return await self._execute(steps, context)

    def execute_sync(self, steps: Steps, context: Mapping[str, Any] | None = None) -> ParallelResults:
        """Do the same from a program without a loop."""
        refuse_running_loop("execute_sync", "executor.execute")
        return self._execute_sync(steps, context)

    async def execute_with_monitoring(self, steps: Steps, context: Mapping[str, Any] | None = None) -> ParallelResults:
        """Do the same as ``execute`` with live progress printed to stderr."""
        return await self._execute(steps, context, _monitor())

    def execute_with_monitoring_sync(self, steps: Steps, context: Mapping[str, Any] | None = None) -> ParallelResults:
        """Do the same as ``execute_sync`` with live progress printed to stderr."""
        refuse_running_loop("execute_with_monitoring_sync", "executor.execute_with_monitoring")
        return self._execute_sync(steps, context, _monitor())

    async def _execute(
        self, steps: Steps, context: Mapping[str, Any] | None, plugins: Sequence[Any] = ()
    ) -> ParallelResults:
        flow = _flow(steps, context or {})
        return _results(await arun(flow, config=self.config, plugins=plugins) if flow else None)

    def _execute_sync(
        self, steps: Steps, context: Mapping[str, Any] | None, plugins: Sequence[Any] = ()
    ) -> ParallelResults:
        flow = _flow(steps, context or {})
        return _results(run(flow, config=self.config, plugins=plugins) if flow else None)


def _monitor() -> Sequence[Any]:
    from flowbuilder.monitor import Monitor

    return [Monitor()]


def _flow(steps: Steps, context: Mapping[str, Any]) -> WorkflowDefinition | None:
    builder = FlowBuilder("parallel")
    given = list(steps)
    unused = set(context)
    for one in given:
        step = ParallelStep(*one) if isinstance(one, tuple) and len(one) == 2 else one
        if not isinstance(step, ParallelStep):
            raise DefinitionError("this is no ParallelStep", got=shown_value(one), allowed="ParallelStep or (name, fn)")
        settled = _settled(step, context)
        unused -= settled.keys()
        builder.step(partial(step.fn, **settled), name=step.name)
    if unused:
        name = min(unused)
        raise InputError(f"the context has a value for {shown(name)!r}, which no function takes")
    return builder.build() if given else None


def _settled(step: ParallelStep, context: Mapping[str, Any]) -> dict[str, Any]:
    """Return all arguments of a function, so that nothing declared elsewhere is taken for one of them."""
    found: dict[str, Any] = {}
    for parameter in read_signature(step.fn, None).parameters:
        if parameter.name in context:
            found[parameter.name] = context[parameter.name]
        elif parameter.has_default:
            found[parameter.name] = default_of(step.fn, parameter.name)
        elif parameter.name != "ctx":
            raise InputError(
                f"{shown(step.name)!r} needs {parameter.name!r}, and the context has no value for it",
                hint=f'context={{"{parameter.name}": …}}',
            )
    return found


def _results(result: RunResult[Any] | None) -> ParallelResults:
    if result is None:
        return ParallelResults(results={}, success_count=0, failed_count=0, errors=(), total_duration=0.0)
    return ParallelResults(
        results=result.steps,
        success_count=result.success_count,
        failed_count=result.failed_count,
        errors=result.errors,
        total_duration=result.duration,
    )
