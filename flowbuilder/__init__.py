"""FlowBuilder: pytest for workflows. This is the public API, and nothing else."""

from flowbuilder.declare.builder import FlowBuilder
from flowbuilder.declare.config import ParallelConfig
from flowbuilder.declare.definitions import (
    Definition,
    ProviderDefinition,
    StepDefinition,
    WorkflowDefinition,
)
from flowbuilder.declare.retry import Retry
from flowbuilder.declared import Registry, registry
from flowbuilder.engine.call import Call
from flowbuilder.engine.context import Context
from flowbuilder.engine.views import RunInfo, StepInfo
from flowbuilder.errors import FlowBuilderError, Where
from flowbuilder.hookspecs import hookimpl
from flowbuilder.parallel import ParallelExecutor, ParallelResults, ParallelStep
from flowbuilder.plan.plan import Plan
from flowbuilder.results import RunResult, Section, Status, StepResult
from flowbuilder.runner import arun, run
from flowbuilder.settings import Settings
from flowbuilder.terminal import Terminal

step = registry.step
workflow = registry.workflow
provider = registry.provider

__version__ = "0.1.0"

__all__ = [
    "Call",
    "Context",
    "Definition",
    "FlowBuilder",
    "FlowBuilderError",
    "ParallelConfig",
    "ParallelExecutor",
    "ParallelResults",
    "ParallelStep",
    "Plan",
    "ProviderDefinition",
    "Registry",
    "Retry",
    "RunInfo",
    "RunResult",
    "Section",
    "Settings",
    "Status",
    "StepDefinition",
    "StepInfo",
    "StepResult",
    "Terminal",
    "Where",
    "WorkflowDefinition",
    "arun",
    "hookimpl",
    "provider",
    "registry",
    "run",
    "step",
    "workflow",
]
