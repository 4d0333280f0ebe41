"""The hook contract: every hook a plugin may implement, when it is called, on which thread.

A plugin is a module or object with functions marked ``@flowbuilder.hookimpl`` and named
``flowbuilder_…``; an implementation takes any subset of the arguments. Running hooks *watch*: they
are called one at a time, in the order things happened, on one hook thread, after the state they
tell of was recorded; what they return is not read, and one that raises is logged once and hears
nothing more of that run. Everything they are given is frozen.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from flowbuilder.declare.collection import Collection
from flowbuilder.engine.call import Call
from flowbuilder.engine.lanes.base import LaneFactory
from flowbuilder.engine.policies import Policy
from flowbuilder.engine.views import RunInfo, StepInfo
from flowbuilder.plan.plan import Plan
from flowbuilder.results import RunResult, StepResult
from flowbuilder.settings import Settings
from flowbuilder.store.contract import Store
from flowbuilder.terminal import Terminal

if TYPE_CHECKING:
    import click

PROJECT = "flowbuilder"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

# Set-up ----------------------------------------------------------------------------------------


@hookspec
def flowbuilder_add_options(command: click.Command) -> None:
    """Add options to the ``run`` command: append ``click.Option`` objects to ``command.params``.

    Called once on the main thread, before the command line is read. The values arrive in
    ``config.options`` under the option's name. An exception is an internal error, exit code 3.
    """


@hookspec
def flowbuilder_add_commands(cli: click.Group) -> None:
    """Add commands of your own: ``cli.add_command(…)``.

    Called once on the main thread, before the command line is read. An exception is an internal
    error, exit code 3.
    """


@hookspec
def flowbuilder_configure(config: Settings) -> None:
    """Prepare for what follows; called once on the main thread, after the command line was read.

    A plugin with state registers an object of its own here: ``config.plugins.register(obj, name)``.
    An exception is an internal error, exit code 3.
    """


@hookspec
def flowbuilder_unconfigure(config: Settings, error: BaseException | None) -> None:
    """Clean up; called once on the main thread, last of all, also after a failure.

    ``error`` is what ended the command, such as a wrong plan; a failed step is none.
    """


# Collection ------------------------------------------------------------------------------------


@hookspec(firstresult=True)
def flowbuilder_collect_file(path: Path, registry: Collection) -> object | None:
    """Collect a file that is no flow file by name; the first plugin that returns a true value has taken it.

    Called on the main thread for each file named on the command line that is not Python. Add
    definitions to ``registry``. An exception is a failed collection, exit code 4.
    """


@hookspec
def flowbuilder_collection_finish(registry: Collection) -> None:
    """Look at everything collected; called once on the main thread before anything is planned."""


# Planning --------------------------------------------------------------------------------------


@hookspec
def flowbuilder_plan(plan: Plan) -> None:
    """Look at a finished plan; called on the thread that plans, once for each run, before it starts.

    An exception stops the run before anything starts. It is not called for a workflow that a body runs by
    ``ctx.run``, whose plan ``run_start`` has.
    """


# Running: watchers, on the hook thread ---------------------------------------------------------


@hookspec
def flowbuilder_run_start(run: RunInfo) -> None:
    """Hear that a run starts; the first hook of every run. Hook thread.

    A workflow that a body runs by ``ctx.run`` is a nested run, and told as any other, between the start and the end of
    that body: ``run.parent`` says whose it is, ``run.full_name(step)`` what a step is called in the whole.
    """


@hookspec
def flowbuilder_batch_start(run: RunInfo, batch: Sequence[str]) -> None:
    """Hear that a batch starts; only with ``schedule="batches"``. Hook thread."""


@hookspec
def flowbuilder_step_start(run: RunInfo, step: StepInfo, attempt: int) -> None:
    """Hear that an attempt, counted from 1, starts; its body may already run. Hook thread.

    A mapped step is told once as a whole, with ``step.total`` items, and then each item.
    """


@hookspec
def flowbuilder_step_progress(run: RunInfo, step: StepInfo, done: float, total: float | None) -> None:
    """Hear how far a body says it is, by ``ctx.progress``; ten times a second at most. Hook thread."""


@hookspec
def flowbuilder_step_retry(run: RunInfo, step: StepInfo, attempt: int, error: BaseException, delay: float) -> None:
    """Hear that ``attempt`` ended with ``error`` and another follows after ``delay`` seconds. Hook thread."""


@hookspec
def flowbuilder_step_repeat(run: RunInfo, step: StepInfo, attempt: int, rounds: int, value: Any, delay: float) -> None:
    """Hear that a round of a step with ``until`` ended and another follows after ``delay`` seconds. Hook thread.

    ``rounds`` counts those that ended, ``attempt`` is the last of this one, and ``value`` is what it returned.
    """


@hookspec
def flowbuilder_step_finish(run: RunInfo, step: StepInfo, result: StepResult[Any]) -> None:
    """Hear that a step succeeded, also when ``on_error`` rescued it. Hook thread.

    Each step ends in exactly one of finish, error and skip.
    """


@hookspec
def flowbuilder_step_error(run: RunInfo, step: StepInfo, result: StepResult[Any]) -> None:
    """Hear that a step failed, timed out or was cancelled, for good: no retry follows. Hook thread."""


@hookspec
def flowbuilder_step_skip(run: RunInfo, step: StepInfo, reason: str) -> None:
    """Hear that a step will not run, and why. Hook thread."""


@hookspec
def flowbuilder_step_undo(run: RunInfo, step: StepInfo, result: StepResult[Any], error: BaseException | None) -> None:
    """Hear that a step was undone after its run failed or was cancelled, or that its undo failed. Hook thread.

    ``result`` is that of the step, which no longer counts; ``error`` is what the undo raised, None where it went
    well. What is downstream of the step no longer counts either, and is not told one by one.
    """


@hookspec
def flowbuilder_run_cancel(run: RunInfo, reason: str) -> None:
    """Hear that a run is being cancelled, and why: what runs is asked to end, and nothing starts any more. Hook thread.

    Told at most once, before those ends; a Ctrl-C has the ``reason`` "SIGINT".
    """


@hookspec
def flowbuilder_batch_finish(run: RunInfo, batch: Sequence[str]) -> None:
    """Hear that every step of a batch ended; only with ``schedule="batches"``. Hook thread."""


@hookspec
def flowbuilder_run_finish(run: RunInfo, result: RunResult[Any]) -> None:
    """Hear that a run ended; the last hook of every run, told before ``run()`` returns. Hook thread."""


# Taking part -----------------------------------------------------------------------------------


@hookspec
def flowbuilder_executors() -> Mapping[str, LaneFactory]:
    """Offer executors: ``{name: factory}``; a step asks for one with ``executor=name``.

    Called on the thread that starts the run. An exception stops the run before anything starts.
    """


@hookspec
def flowbuilder_policies() -> Mapping[str, Callable[[], Policy]]:
    """Offer policies, the order in which waiting steps start: ``{name: factory}``, for ``policy=name``.

    Called on the thread that starts the run, or makes the ``WorkflowScheduler``. An exception stops it.
    """


@hookspec(firstresult=True)
def flowbuilder_store(url: str) -> Store | None:
    """Return the store that a URL such as ``redis://host`` stands for, None for a URL that is not yours.

    Called on the thread that starts the run, for ``store=`` and ``--store`` with ``://`` in it. An
    exception stops the run before anything starts.
    """


@hookspec
def flowbuilder_step_call(run: RunInfo, step: StepInfo, call: Call) -> Generator[None, Any, None]:
    """Stand around the body of each attempt: a generator that yields exactly once.

    Called in the step's own context, on the thread that runs the body (for a process step the
    thread that waits for it). ``yield`` gives what the body returned, or raises what it raised.
    An exception before the yield fails the attempt without running the body. ``call`` has
    ``kwargs``, ``attempt``, ``add_section(title, text)`` and, for text that comes bit by bit, ``write(title, text)``.
    One that lets a person look calls ``call.lift_timeouts()``, and holds the terminal with ``config.terminal.held()``.
    """


# Reporting -------------------------------------------------------------------------------------


@hookspec
def flowbuilder_report_header(config: Settings) -> str | list[str] | None:
    """Return a line, or lines, for the header of the terminal report. Main thread, before any run."""


@hookspec
def flowbuilder_summary(terminal: Terminal, results: Sequence[RunResult[Any]]) -> None:
    """Print to the end of the terminal report: ``terminal.print(…)``. Main thread, after all runs."""
