"""WorkflowScheduler: many workflows at once, which share slots and resources but never steps."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future, wait
from contextvars import copy_context
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict, TypeVar, Unpack, overload

import anyio
import pluggy
from anyio.abc import TaskGroup

from flowbuilder.compiled import CompiledPlans
from flowbuilder.declare.config import ParallelConfig
from flowbuilder.declare.definitions import WorkflowDefinition
from flowbuilder.declare.validate import checked_amounts, checked_at_once, checked_count
from flowbuilder.declare.words import checked_priority
from flowbuilder.declared import Registry
from flowbuilder.durable.keeping import NO_ORIGIN, Keeping, Origin
from flowbuilder.durable.opening import Durability
from flowbuilder.engine.conduct import Conduct
from flowbuilder.engine.drive import Driver
from flowbuilder.engine.engine import Limits
from flowbuilder.engine.execute import alone
from flowbuilder.engine.policies import Policy
from flowbuilder.errors import (
    DefinitionError,
    InsideLoopError,
    SchedulerClosedError,
    did_you_mean,
    listed,
    shown_value,
)
from flowbuilder.handle import Handle
from flowbuilder.host import host_of, policies_of
from flowbuilder.loop_thread import LoopThread
from flowbuilder.plan.plan import Plan
from flowbuilder.runner import Backend, checked_backend, factories, refuse_running_loop, refuse_unknown, run_info

if TYPE_CHECKING:
    from flowbuilder.engine.activity import Activity
    from flowbuilder.stats import SchedulerStats

R = TypeVar("R")
MOST_AT_ONCE = 100_000
LEFT_BY_ERROR = "its scheduler was left by an error"


class SubmitWords(TypedDict, total=False):
    """The words of ``WorkflowScheduler.submit``."""

    params: Mapping[str, Any] | None
    priority: int | None
    config: ParallelConfig | None
    overrides: Mapping[Any, Any] | None
    registry: Registry | None
    seed: int


class WorkflowScheduler:
    """Runs many workflows at once, within limits that all of them share.

    ``async with`` it on asyncio or trio, or plainly ``with`` it in a program without a loop, which
    gives it a thread of its own. Leaving waits for every run; leaving by an error cancels them.

    Args:
        max_concurrency: how many steps run at once, over all runs; None for the lanes' own limits; "auto" for a
            number from 1 to 64 that is found by measuring.
        resources: how much there is of each named resource that workflows and steps may need.
        policy: the order in which waiting steps start: "priority", "fifo", "fair", "shortest",
            "critical-path", one that a plugin brings, or a ``Policy``.
        plugins: objects with hooks that hear of every run.
        max_failures: so many failed steps, over all runs, stop them all.
        store: keeps what happens in every run, the path of a file or a ``Store``; None for nowhere.
        durability: "full" keeps what was told through a loss of power, "normal" through the death of the process.
        cache: False takes nothing from the cache, though what runs is kept in it.
        backend: the event loop's library where it has a thread of its own.
    """

    def __init__(
        self,
        max_concurrency: int | Literal["auto"] | None = None,
        *,
        resources: Mapping[str, int] | None = None,
        policy: str | Policy = "priority",
        plugins: Sequence[Any] | pluggy.PluginManager = (),
        max_failures: int | None = None,
        store: Any = None,
        durability: Durability = "full",
        cache: bool = True,
        backend: Backend = "asyncio",
    ) -> None:
        self._host = plugins if isinstance(plugins, pluggy.PluginManager) else host_of(plugins)
        self._factories = factories(self._host)
        self._compiled = CompiledPlans(self._host)
        self._limits = Limits(
            checked_at_once(max_concurrency, MOST_AT_ONCE),
            checked_amounts("resources=", resources) or {},
            _policy(policy, self._host),
            checked_count("max_failures=", max_failures, 10_000_000),
        )
        self._backend = checked_backend(backend)
        self._kept_in = (store, durability)
        self._reads_cache = cache
        self._keeping: Keeping
        self._driver: Driver | None = None
        self._group: TaskGroup
        self._thread: LoopThread
        self._loop_thread = 0
        self._started = 0.0

    @property
    def is_adaptive(self) -> bool:
        """Whether how many steps run at once is found by measuring."""
        return self._limits.max_concurrency == "auto"

    # Being there.

    async def __aenter__(self) -> Self:
        self._refuse_again()
        store, durability = self._kept_in
        self._keeping = Keeping(store, self._host, durability, cache=self._reads_cache)
        self._driver = Driver(self._host, self._factories, self._limits, self._keeping.journal)
        self._loop_thread = threading.get_ident()
        self._started = time.monotonic()
        self._group = anyio.create_task_group()
        await self._group.__aenter__()
        self._group.start_soon(self._serve, self._driver, name="flowbuilder scheduler")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        driver = self._entered()
        if error is not None:
            driver.stop_all(LEFT_BY_ERROR)
        driver.close()
        try:
            return await self._group.__aexit__(kind, error, trace)
        except BaseExceptionGroup as several:
            # What the block raised goes on as it is, as it does from ``with``.
            if alone(several) is error:
                return False
            raise alone(several) from None
        finally:
            self._keeping.close()

    async def _serve(self, driver: Driver) -> None:
        """Serve to the end; a cancellation, of the block or while it is left, cancels every run first."""
        async with anyio.create_task_group() as group:
            group.start_soon(driver.serve, name="flowbuilder driver")
            try:
                await driver.ended.wait()
            except BaseException:  # a cancellation, which asyncio and trio each have their own class for
                driver.stop_all("its scheduler was cancelled")
                driver.close()
                raise

    def __enter__(self) -> Self:
        self._refuse_again()
        try:
            refuse_running_loop("WorkflowScheduler.__enter__", "")
        except InsideLoopError as error:
            error.hint = "use: async with WorkflowScheduler(...)"
            raise
        self._thread = LoopThread(self, self._backend)
        self._thread.enter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        driver = self._entered()
        if error is not None:
            driver.stop_all(LEFT_BY_ERROR)
        self._thread.leave(lambda: driver.stop_all(LEFT_BY_ERROR))

    def _refuse_again(self) -> None:
        if self._driver is not None:
            raise SchedulerClosedError("a WorkflowScheduler is used once")

    # Runs.

    @overload
    def submit(self, workflow: WorkflowDefinition | str, **words: Unpack[SubmitWords]) -> Handle[Any]: ...

    @overload
    def submit(self, workflow: Callable[..., Coroutine[Any, Any, R]], **words: Unpack[SubmitWords]) -> Handle[R]: ...

    @overload
    def submit(self, workflow: Callable[..., R], **words: Unpack[SubmitWords]) -> Handle[R]: ...

    def submit(self, workflow: Any, **words: Unpack[SubmitWords]) -> Handle[Any]:
        """Plan a workflow and begin its run, as soon as slots and resources allow; from any thread.

        One submitted again without values is planned anew only where a name in it stands for something else by now.

        Args:
            workflow: its function, what ``FlowBuilder`` built, or its name in the registry.
            **words: ``priority`` takes the place of the workflow's own; ``params``, ``config``,
                ``overrides``, ``registry`` and ``seed`` are as for ``run``.

        Raises:
            FlowBuilderError: when the plan is wrong, or could never get what it needs; nothing has started then.
            SchedulerClosedError: when the scheduler is not, or no longer, there.
        """
        refuse_unknown("submit", words, SubmitWords)
        self._open()
        plan = self._compiled.plan(workflow, words.get("params"), words.get("overrides"), words.get("registry"))
        return self.submit_plan(plan, words.get("config"), words.get("priority"), words.get("seed", 0))

    def submit_plan(
        self,
        plan: Plan,
        config: ParallelConfig | None = None,
        priority: int | None = None,
        seed: int = 0,
        origin: Origin = NO_ORIGIN,
    ) -> Handle[Any]:
        """Begin a run of a plan that ``Registry.plan`` gave; a plan may be submitted many times.

        ``origin`` is where it comes from, and for a run that goes on what is kept of it.
        """
        driver = self._open()
        driver.learn(plan.name, self._keeping.past)
        info = self._keeping.enter(run_info(plan, config, seed, self._limits.resources), origin)
        rank = plan.workflow.priority if priority is None else checked_priority(priority)
        variables = copy_context()
        if threading.get_ident() == self._loop_thread:
            return Handle(driver.submit(info, rank, variables))
        submitted: Future[Conduct] = Future()

        def submit() -> None:
            # The block may have been left since this was asked for.
            if driver.is_closing:
                submitted.set_exception(_closed())
            else:
                submitted.set_result(driver.submit(info, rank, variables))

        try:
            driver.call_soon(submit)
        except RuntimeError:  # the loop has ended
            raise _closed() from None
        # A loop that is about to end may take it and never call it.
        while not wait([submitted], timeout=0.1).done:
            if driver.has_ended:
                raise _closed()
        return Handle(submitted.result())

    def cancel(self, reason: str = "its scheduler was cancelled") -> None:
        """Cancel every run that is there; from any thread."""
        self._entered().stop_all(reason)

    def _entered(self) -> Driver:
        if self._driver is None:
            raise _closed()
        return self._driver

    def _open(self) -> Driver:
        driver = self._entered()
        if driver.is_closing:
            raise _closed()
        return driver

    # Looking.

    def active(self) -> list[Activity]:
        """Return, for each run, which steps run, and for each step that waits what it waits for."""
        return self._entered().activities()

    def stats(self) -> SchedulerStats:
        """Return counts of runs and steps, how long steps waited, and how resources are used."""
        from flowbuilder.stats import stats_of

        return stats_of(self._entered().counts(), time.monotonic() - self._started)


def _closed() -> SchedulerClosedError:
    return SchedulerClosedError("this WorkflowScheduler is not entered, or has been left")


def _policy(policy: str | Policy, host: pluggy.PluginManager) -> Policy:
    if not isinstance(policy, str):
        return policy
    known = policies_of(host)
    if policy not in known:
        raise DefinitionError(
            "policy= is unknown", got=shown_value(policy), allowed=listed(known), hint=did_you_mean(policy, known)
        )
    return known[policy]()
