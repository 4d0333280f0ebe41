"""run() and arun(): plan a workflow and run it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, TypedDict, TypeVar, Unpack, overload

import anyio
import pluggy
import sniffio

from flowbuilder.declare.config import ParallelConfig, checked_config
from flowbuilder.declare.definitions import WorkflowDefinition
from flowbuilder.declared import Registry, registry as default_registry
from flowbuilder.durable.keeping import NO_ORIGIN, Keeping, params_of
from flowbuilder.durable.resumption import ResumeWords
from flowbuilder.engine.execute import Stop, execute
from flowbuilder.engine.journal import Journal
from flowbuilder.engine.lanes.base import LaneFactory
from flowbuilder.engine.lanes.factories import BUILT_IN_LANES
from flowbuilder.engine.views import RunInfo
from flowbuilder.errors import DefinitionError, InsideLoopError, shown_value
from flowbuilder.host import executors_of, host_of, modules_of
from flowbuilder.plan.build import PlanOptions
from flowbuilder.plan.needs import check_resources
from flowbuilder.plan.plan import Plan
from flowbuilder.results import RunResult
from flowbuilder.signals import stopped_by_signals

R = TypeVar("R")
Backend = Literal["asyncio", "trio"]


class RunWords(TypedDict, total=False):
    """The words of ``arun``."""

    params: Mapping[str, Any] | None
    config: ParallelConfig | None
    plugins: Sequence[Any] | None
    overrides: Mapping[Any, Any] | None
    registry: Registry | None
    seed: int
    store: Any
    resume: str | None
    cache: bool


class SyncRunWords(RunWords, total=False):
    """The words of ``run``."""

    backend: Backend


@overload
def run(workflow: WorkflowDefinition | str, **words: Unpack[SyncRunWords]) -> RunResult[Any]: ...


@overload
def run(workflow: Callable[..., Coroutine[Any, Any, R]], **words: Unpack[SyncRunWords]) -> RunResult[R]: ...


@overload
def run(workflow: Callable[..., R], **words: Unpack[SyncRunWords]) -> RunResult[R]: ...


def run(workflow: Any, **words: Unpack[SyncRunWords]) -> RunResult[Any]:
    """Run a workflow and return its result.

    Args:
        workflow: its function, what ``FlowBuilder`` built, or its name in the registry; a step is
            run with its upstream, and its value is the run's.
        **words: ``params`` are values of inputs by name; ``config`` are limits, put over the
            workflow's own; ``plugins`` are objects with hooks that hear of this run; ``overrides``
            are values that take the place of steps or providers; ``registry`` is where names are
            looked up (the default one if left out); ``seed`` is of what is random in a run, the
            jitter of retries; ``store`` keeps what happens, the path of a file or a ``Store``;
            ``resume`` is the id of a run in it that goes on: what succeeded is not done again;
            ``cache`` False takes nothing from the cache, though what runs is kept in it;
            ``backend`` is the event loop's library, "asyncio" or "trio".

    Raises:
        FlowBuilderError: when the plan is wrong; nothing has started then.
        StoreError: when the store cannot be read or written; what was told stands in it.
        RunRefusedError: when a run cannot be resumed: another process owns it, or what had finished was changed.
        InsideLoopError: inside a running event loop.
        KeyboardInterrupt: after Ctrl-C, when what ran has been cancelled and torn down.
    """
    refuse_unknown("run", words, SyncRunWords)
    refuse_running_loop("run", "flowbuilder.arun")
    backend = checked_backend(words.pop("backend", "asyncio"))
    host = host_of(words.get("plugins"))
    with Keeping(words.get("store"), host, cache=words.get("cache", True)) as keeping:
        info = _entered(workflow, words, host, keeping)
        result, interrupted = _run_through(info, host, backend, keeping.journal)
    if interrupted:
        raise KeyboardInterrupt
    return result


@overload
async def arun(workflow: WorkflowDefinition | str, **words: Unpack[RunWords]) -> RunResult[Any]: ...


@overload
async def arun(workflow: Callable[..., Coroutine[Any, Any, R]], **words: Unpack[RunWords]) -> RunResult[R]: ...


@overload
async def arun(workflow: Callable[..., R], **words: Unpack[RunWords]) -> RunResult[R]: ...


async def arun(workflow: Any, **words: Unpack[RunWords]) -> RunResult[Any]:
    """Run a workflow on the loop that is running, asyncio's or trio's; else as ``run``."""
    refuse_unknown("arun", words, RunWords)
    host = host_of(words.get("plugins"))
    with Keeping(words.get("store"), host, cache=words.get("cache", True)) as keeping:
        info = _entered(workflow, words, host, keeping)
        return await execute(info, host, factories(host), None, keeping.journal)


def refuse_unknown(name: str, words: Mapping[str, Any], known: type) -> None:
    """Raise for a keyword argument that is not among those of a ``TypedDict``.

    Raises:
        TypeError: naming it, and what there is.
    """
    allowed = list(known.__annotations__)
    for word in words:
        if word not in allowed:
            raise TypeError(f"{name}() has no argument {word!r}; it takes {', '.join(allowed)}")


def _entered(workflow: Any, words: RunWords, host: pluggy.PluginManager, keeping: Keeping) -> RunInfo:
    """Return the run that is about to start, planned and entered in its store where it has one."""
    resume, params = words.get("resume"), words.get("params")
    row = keeping.unfinished(resume) if resume is not None else None
    if row is not None:
        params = {**params_of(row), **(params or {})}
    plan = make_run_plan(workflow, params, words.get("overrides"), words.get("registry"), host)
    info = run_info(plan, words.get("config"), words.get("seed", 0))
    return keeping.enter(info, keeping.origin_of(row, plan, ResumeWords()) if row is not None else NO_ORIGIN)


def make_run_plan(
    workflow: Any,
    params: Mapping[str, Any] | None,
    overrides: Mapping[Any, Any] | None,
    registry: Registry | None,
    host: pluggy.PluginManager,
) -> Plan:
    """Return the plan of a run, after the plugins have looked at it."""
    options = PlanOptions(executors=frozenset(factories(host)), plugins=modules_of(host))
    plan = registry_of(registry).plan(workflow, params, overrides, options)
    # Made now, so that every run of the plan finds it.
    _ = plan.shape, plan.resources, plan.sinks
    host.hook.flowbuilder_plan(plan=plan)
    return plan


def registry_of(registry: Registry | None) -> Registry:
    """Return the registry that names are looked up in: the default one where none is given.

    Raises:
        DefinitionError: when it is none.
    """
    known = default_registry if registry is None else registry
    if not isinstance(known, Registry):
        raise DefinitionError("registry= takes a Registry", got=shown_value(known))
    return known


def run_planned(
    plan: Plan,
    host: pluggy.PluginManager,
    *,
    config: ParallelConfig | None = None,
    seed: int = 0,
    backend: Backend = "asyncio",
    keeping: Keeping | None = None,
) -> tuple[RunResult[Any], bool]:
    """Run a plan, kept where there is a ``keeping``; return its result and whether a signal interrupted it.

    The first SIGINT or SIGTERM cancels and cleans up within the grace period, the second ends the
    process at once, by the signal's default action.
    """
    refuse_running_loop("run", "flowbuilder.arun")
    info = run_info(plan, config, seed)
    if keeping is not None:
        info = keeping.enter(info)
    return _run_through(info, host, backend, keeping.journal if keeping is not None else None)


def _run_through(
    info: RunInfo, host: pluggy.PluginManager, backend: Backend, journal: Journal | None = None
) -> tuple[RunResult[Any], bool]:
    stop = Stop()
    with stopped_by_signals(stop):
        result = anyio.run(execute, info, host, factories(host), stop, journal, backend=backend)
    return result, bool(stop.reason)


def run_info(
    plan: Plan, config: ParallelConfig | None, seed: int = 0, resources: Mapping[str, int] | None = None
) -> RunInfo:
    """Return the view of a run that is about to start; ``resources`` are those of its scheduler.

    Raises:
        PlanError, UnknownNameError: when it needs resources that there are not.
        DefinitionError: when ``config`` or ``seed`` is none.
    """
    own = plan.workflow.config or ParallelConfig()
    given = checked_config(config)
    merged = given.over(own) if given else own
    if not isinstance(seed, int):
        raise DefinitionError("seed= takes a whole number", got=shown_value(seed))
    check_resources(plan, (merged.resources or {}) if resources is None else resources)
    return RunInfo(
        run_id=os.urandom(6).hex(),
        workflow=plan.name,
        definition=plan.workflow,
        plan=plan,
        params=MappingProxyType(plan.params),
        config=merged,
        started_at=time.time(),
        seed=seed,
    )


def factories(host: pluggy.PluginManager) -> dict[str, LaneFactory]:
    """Return every executor by name, those of plugins included.

    Raises:
        PluginError: when a plugin offers a name that is taken.
    """
    return executors_of(host, BUILT_IN_LANES)


def checked_backend(backend: object) -> Backend:
    """Return the name of an event loop's library, if it is one that is known.

    Raises:
        DefinitionError: when it is not.
    """
    if backend not in ("asyncio", "trio"):
        raise DefinitionError("backend= is unknown", got=shown_value(backend), allowed='"asyncio" or "trio"')
    return "trio" if backend == "trio" else "asyncio"


def refuse_running_loop(name: str, instead: str) -> None:
    """Raise where an event loop runs in this thread.

    Raises:
        InsideLoopError: naming what to await instead.
    """
    try:
        sniffio.current_async_library()
    except sniffio.AsyncLibraryNotFoundError:
        return
    raise InsideLoopError(name, instead)
