"""Debugger: ``--pdb`` opens it where a step has failed, in the frame that raised, before anything is cleaned up."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Generator
from types import TracebackType

import click

from flowbuilder import Call, RunInfo, Settings, StepInfo, Terminal, hookimpl
from flowbuilder.errors import StepCancelledError, shown

OF_WORKER = '(its frames ended with its worker process; in a thread, without executor="process", they would stay)'
NO_FRAME = "(it has no frame to open the debugger in)"


@hookimpl
def flowbuilder_add_options(command: click.Command) -> None:
    """Add ``--pdb``."""
    command.params.append(
        click.Option(["--pdb"], is_flag=True, help="Open the debugger where a step fails, one failure after another.")
    )


@hookimpl
def flowbuilder_configure(config: Settings) -> None:
    """Register the debugger, if it is wanted."""
    if config.command == "run" and config.options.get("pdb"):
        config.plugins.register(Debugger(config.terminal), "debugger-prompt")


class Debugger:
    """Opens ``pdb`` in the thread of the step that failed, while it still has its slot and its providers."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._turn = threading.Lock()
        self._is_over = threading.Event()
        self._cancelled: set[str] = set()

    @hookimpl
    def flowbuilder_run_cancel(self, run: RunInfo) -> None:
        """Open no more debuggers for a run: what ends now does so because it was asked to."""
        self._cancelled.add(run.run_id)

    # First, which is outermost: what is typed and printed at the prompt is no output of the step.
    @hookimpl(tryfirst=True)
    def flowbuilder_step_call(self, run: RunInfo, step: StepInfo, call: Call) -> Generator[None, None, None]:
        """Open the debugger where the body fails for good: no attempt follows, and nothing rescues it."""
        try:
            yield
        except (Exception, SystemExit) as error:
            if _is_for_good(error, step, call):
                call.lift_timeouts()
                self._look_at(error, run, step, call)
            raise

    def _look_at(self, error: BaseException, run: RunInfo, step: StepInfo, call: Call) -> None:
        """Open the debugger when it is this failure's turn, and end all where the user quits it."""
        with self._turn:
            if self._is_over.is_set() or run.run_id in self._cancelled:
                return
            try:
                with self._terminal.held():
                    has_quit = self._opened(error, run, step, call)
            except KeyboardInterrupt:  # beside the prompt, where the debugger does not hear it
                has_quit = True
            if has_quit:
                # While nobody holds the terminal: a Ctrl-C would be the holder's.
                self._is_over.set()
                _interrupt()

    def _opened(self, error: BaseException, run: RunInfo, step: StepInfo, call: Call) -> bool:
        """Show a failure and let the user look at it; return whether all is to end."""
        from flowbuilder.builtin.failures import Failure, print_failure
        from flowbuilder.builtin.tracebacks import traceback_of_user

        name = f"{shown(run.workflow)} › {shown(step.name)}"
        title = f"{name}, attempt {call.attempt}" if call.attempt > 1 else name
        where = step.definition.where
        failure = Failure(title=title, step=step.name, error=error, where=where, sections=call.sections)
        self._terminal.print()
        print_failure(self._terminal, failure)
        frames = traceback_of_user(error)
        if frames is None:
            cause = type(error.__cause__).__name__
            self._terminal.print(OF_WORKER if cause.endswith("RemoteTraceback") else NO_FRAME, style="yellow")
            return False
        self._terminal.print("the debugger: c goes on, q ends the run", style="dim")
        return _has_quit(frames)


def _is_for_good(error: BaseException, step: StepInfo, call: Call) -> bool:
    definition = step.definition
    is_rescued = getattr(definition, "on_error", "fail") != "fail"
    retries = getattr(definition, "retries", None)
    is_retried = retries is not None and retries.wants(error, call.attempt - call.earlier)
    return not (is_rescued or is_retried or isinstance(error, StepCancelledError))


def _has_quit(frames: TracebackType) -> bool:
    """Open the debugger and return whether it was left by ``q``, or by the end of what is typed."""
    from pdb import Pdb

    # A Ctrl-C is heard by whoever runs the steps, and not by a handler of the debugger's own.
    debugger = Pdb(nosigint=True)
    # What traces this thread already, as a measurement of coverage does, would be cut off by it.
    tracer = sys.gettrace()
    try:
        debugger.reset()
        debugger.interaction(None, frames)
    finally:
        sys.settrace(tracer)
    return bool(debugger.quitting)


def _interrupt() -> None:
    """End all runs as a Ctrl-C does: to be resumed."""
    main = threading.main_thread().ident
    if main is not None:
        signal.pthread_kill(main, signal.SIGINT)
