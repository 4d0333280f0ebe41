"""FlowBuilder: pytest for workflows. This is the public API, and nothing else.

Names are imported when they are first used: a flow file needs few of them, the command line's help none.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowbuilder.declare.builder import FlowBuilder
    from flowbuilder.declare.cache import Cache
    from flowbuilder.declare.config import ParallelConfig
    from flowbuilder.declare.definitions import (
        Definition,
        ProviderDefinition,
        StepDefinition,
        WorkflowDefinition,
    )
    from flowbuilder.declare.retry import Retry
    from flowbuilder.declare.until import Until
    from flowbuilder.declared import Registry, registry
    from flowbuilder.engine.activity import Activity, RunningStep, WaitingStep
    from flowbuilder.engine.attempt import Attempt
    from flowbuilder.engine.call import Call
    from flowbuilder.engine.context import Context
    from flowbuilder.engine.lanes.base import Lane, LaneFactory, Source
    from flowbuilder.engine.policies import Policy, Waiting
    from flowbuilder.engine.views import RunInfo, StepInfo
    from flowbuilder.errors import FlowBuilderError, Where
    from flowbuilder.handle import Handle
    from flowbuilder.hookspecs import hookimpl
    from flowbuilder.parallel import ParallelExecutor, ParallelResults, ParallelStep
    from flowbuilder.plan.plan import Plan
    from flowbuilder.results import CacheNote, InnerCounts, RunResult, Section, Status, StepResult
    from flowbuilder.runner import arun, run
    from flowbuilder.scheduler import WorkflowScheduler
    from flowbuilder.secret import Secret
    from flowbuilder.settings import Settings
    from flowbuilder.stats import ResourceUse, SchedulerStats
    from flowbuilder.store.contract import Store
    from flowbuilder.store.memory import MemoryStore
    from flowbuilder.terminal import Terminal

    step = registry.step
    workflow = registry.workflow
    provider = registry.provider

__version__ = "0.1.0"

__all__ = [
    "Activity",
    "Attempt",
    "Cache",
    "CacheNote",
    "Call",
    "Context",
    "Definition",
    "FlowBuilder",
    "FlowBuilderError",
    "Handle",
    "InnerCounts",
    "Lane",
    "LaneFactory",
    "MemoryStore",
    "ParallelConfig",
    "ParallelExecutor",
    "ParallelResults",
    "ParallelStep",
    "Plan",
    "Policy",
    "ProviderDefinition",
    "Registry",
    "ResourceUse",
    "Retry",
    "RunInfo",
    "RunResult",
    "RunningStep",
    "SchedulerStats",
    "Secret",
    "Section",
    "Settings",
    "Source",
    "Status",
    "StepDefinition",
    "StepInfo",
    "StepResult",
    "Store",
    "Terminal",
    "Until",
    "Waiting",
    "WaitingStep",
    "Where",
    "WorkflowDefinition",
    "WorkflowScheduler",
    "arun",
    "hookimpl",
    "provider",
    "registry",
    "run",
    "step",
    "workflow",
]

_NAMES = {
    "flowbuilder.declare.builder": "FlowBuilder",
    "flowbuilder.declare.cache": "Cache",
    "flowbuilder.declare.config": "ParallelConfig",
    "flowbuilder.declare.definitions": "Definition ProviderDefinition StepDefinition WorkflowDefinition",
    "flowbuilder.declare.retry": "Retry",
    "flowbuilder.declare.until": "Until",
    "flowbuilder.declared": "Registry registry",
    "flowbuilder.engine.activity": "Activity RunningStep WaitingStep",
    "flowbuilder.engine.attempt": "Attempt",
    "flowbuilder.engine.call": "Call",
    "flowbuilder.engine.context": "Context",
    "flowbuilder.engine.lanes.base": "Lane LaneFactory Source",
    "flowbuilder.engine.policies": "Policy Waiting",
    "flowbuilder.engine.views": "RunInfo StepInfo",
    "flowbuilder.errors": "FlowBuilderError Where",
    "flowbuilder.hookspecs": "hookimpl",
    "flowbuilder.parallel": "ParallelExecutor ParallelResults ParallelStep",
    "flowbuilder.plan.plan": "Plan",
    "flowbuilder.results": "CacheNote InnerCounts RunResult Section Status StepResult",
    "flowbuilder.runner": "arun run",
    "flowbuilder.handle": "Handle",
    "flowbuilder.scheduler": "WorkflowScheduler",
    "flowbuilder.stats": "ResourceUse SchedulerStats",
    "flowbuilder.secret": "Secret",
    "flowbuilder.settings": "Settings",
    "flowbuilder.store.contract": "Store",
    "flowbuilder.store.memory": "MemoryStore",
    "flowbuilder.terminal": "Terminal",
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    if name in ("step", "workflow", "provider"):
        value = getattr(__getattr__("registry"), name)
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
