"""A pytest plugin for those who test flows and plugins: ``Recorder`` and the ``flowtester`` fixture."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from flowbuilder.declared import registry
from flowbuilder.discovery import install_finder
from flowbuilder.engine.views import RunInfo, StepInfo
from flowbuilder.hookspecs import hookimpl
from flowbuilder.results import RunResult, Status, StepResult

PARAM = "FLOWBUILDER_PARAM_"


class Recorder:
    """A plugin that records what it hears, in order.

    ``told`` has a short line for each hook ("start measure[3] 1", "finish total"), ``results`` the
    result of each step and item that ended, ``runs`` the result of each run, and ``nested`` of each that a body ran.
    """

    def __init__(self) -> None:
        self.told: list[str] = []
        self.results: dict[str, StepResult[Any]] = {}
        self.runs: list[RunResult[Any]] = []
        self.nested: list[RunResult[Any]] = []
        self._steps: list[tuple[str, str]] = []

    def of(self, step: str) -> list[str]:
        """Return what was told of one step or item, in order."""
        return [line for name, line in self._steps if name == step]

    def _hear(self, step: StepInfo, line: str) -> None:
        self.told.append(line)
        self._steps.append((step.name, line))

    @hookimpl
    def flowbuilder_run_start(self, run: RunInfo) -> None:
        """Record the start of a run."""
        self.told.append(f"run_start {run.workflow}")

    @hookimpl
    def flowbuilder_batch_start(self, batch: Sequence[str]) -> None:
        """Record the start of a batch."""
        self.told.append(f"batch_start {' '.join(batch)}")

    @hookimpl
    def flowbuilder_batch_finish(self, batch: Sequence[str]) -> None:
        """Record the end of a batch."""
        self.told.append(f"batch_finish {' '.join(batch)}")

    @hookimpl
    def flowbuilder_step_start(self, step: StepInfo, attempt: int) -> None:
        """Record the start of an attempt."""
        self._hear(step, f"start {step.name} {attempt}")

    @hookimpl
    def flowbuilder_step_retry(self, step: StepInfo, attempt: int, error: BaseException) -> None:
        """Record a retry."""
        self._hear(step, f"retry {step.name} {attempt} {type(error).__name__}")

    @hookimpl
    def flowbuilder_step_repeat(self, step: StepInfo, rounds: int) -> None:
        """Record that another round follows."""
        self._hear(step, f"repeat {step.name} {rounds}")

    @hookimpl
    def flowbuilder_step_finish(self, step: StepInfo, result: StepResult[Any]) -> None:
        """Record a success."""
        self.results[step.name] = result
        self._hear(step, f"finish {step.name}")

    @hookimpl
    def flowbuilder_step_error(self, step: StepInfo, result: StepResult[Any]) -> None:
        """Record a failure, a time-out or a cancellation."""
        self.results[step.name] = result
        self._hear(step, f"error {step.name} {result.status}")

    @hookimpl
    def flowbuilder_step_skip(self, step: StepInfo, reason: str) -> None:
        """Record a skip."""
        self.results[step.name] = StepResult(step.name, Status.SKIPPED, reason=reason)
        self._hear(step, f"skip {step.name} {reason}")

    @hookimpl
    def flowbuilder_step_undo(self, step: StepInfo, result: StepResult[Any], error: BaseException | None) -> None:
        """Record that a step was undone, or the kind of error that its undo raised."""
        self.results[step.name] = result
        self._hear(step, f"undo {step.name}{f' {type(error).__name__}' if error is not None else ''}")

    @hookimpl
    def flowbuilder_run_cancel(self, run: RunInfo, reason: str) -> None:
        """Record that a run is being cancelled."""
        self.told.append(f"run_cancel {run.workflow} {reason}")

    @hookimpl
    def flowbuilder_run_finish(self, run: RunInfo, result: RunResult[Any]) -> None:
        """Record the end of a run."""
        (self.runs if run.parent is None else self.nested).append(result)
        self.told.append(f"run_finish {run.workflow} {result.status}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a command ended: its exit code, what it printed, and what a ``Recorder`` heard.

    ``heard`` is None for a command that ran as a process of its own.
    """

    exit_code: int
    stdout: str
    stderr: str
    heard: Recorder | None = None

    @property
    def recorder(self) -> Recorder:
        """What a ``Recorder`` heard of the command.

        Raises:
            AssertionError: for a command that ran as a process of its own.
        """
        __tracebackhide__ = True
        if self.heard is None:
            raise AssertionError("nobody hears what a process of its own does; use flowtester.run()")
        return self.heard

    @property
    def result(self) -> RunResult[Any]:
        """The result of the one run.

        Raises:
            AssertionError: when there was none, or more than one.
        """
        __tracebackhide__ = True
        runs = self.recorder.runs
        if len(runs) != 1:
            raise AssertionError(f"there were {len(runs)} runs, not one{self._printed()}")
        return runs[0]

    def assert_counts(self, *, succeeded: int = 0, failed: int = 0, skipped: int = 0) -> None:
        """Assert how many steps of all runs succeeded, failed or timed out, and were skipped."""
        __tracebackhide__ = True
        runs = self.recorder.runs
        seen = {
            "succeeded": sum(run.success_count for run in runs),
            "failed": sum(run.failed_count for run in runs),
            "skipped": sum(run.skipped_count for run in runs),
        }
        assert seen == {"succeeded": succeeded, "failed": failed, "skipped": skipped}, self._printed()

    def status_of(self, step: str) -> Status:
        """Return how a step or item ended, in the last run that had it."""
        __tracebackhide__ = True
        if step not in self.recorder.results:
            known = ", ".join(self.recorder.results) or "nothing"
            raise AssertionError(f"no run has a step {step!r}, but {known}{self._printed()}")
        return self.recorder.results[step].status

    def assert_lines(self, *patterns: str) -> None:
        """Assert that stdout has a line for each pattern, in this order; ``*`` stands for anything."""
        __tracebackhide__ = True
        lines = iter(self.stdout.splitlines())
        for pattern in patterns:
            if not any(fnmatchcase(line, pattern) for line in lines):
                raise AssertionError(f"no line like {pattern!r} after those before it{self._printed()}")

    def _printed(self) -> str:
        return f"\nexit code {self.exit_code}\n--- stdout\n{self.stdout}--- stderr\n{self.stderr}"


class FlowTester:
    """Writes flow files into a temporary folder and runs ``flowbuilder`` on them.

    ``path`` is that folder, the root of its own project.
    """

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = path
        self._capsys = capsys
        self._monkeypatch = monkeypatch

    def write(self, name: str, text: str) -> Path:
        """Write a file, dedented, and return its path."""
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text), encoding="utf-8")
        return file

    def run(self, *arguments: str, plugins: Sequence[Any] = ()) -> Outcome:
        """Run ``flowbuilder`` in this process, in the temporary folder.

        What it imports from there is forgotten afterwards, so that a file may be written anew.
        ``plugins`` are objects with hooks, to be tested.
        """
        from flowbuilder.cli import main

        recorder = Recorder()
        self._capsys.readouterr()
        with self._monkeypatch.context() as patch, _forgetting(self.path):
            patch.chdir(self.path)
            # Bytecode is told apart by whole seconds, in which a test may well write a file twice.
            patch.setattr(sys, "dont_write_bytecode", True)
            code = main(list(arguments), plugins=[recorder, *plugins])
        out, err = self._capsys.readouterr()
        return Outcome(exit_code=code, stdout=out, stderr=err, heard=recorder)

    def run_process(self, *arguments: str, environ: Mapping[str, str] | None = None, timeout: float = 60.0) -> Outcome:
        """Run ``flowbuilder`` as a process of its own; ``timeout`` in seconds.

        ``environ`` is put over the environment of the test.

        Raises:
            subprocess.TimeoutExpired: when it takes longer; it is killed then.
        """
        done = subprocess.run(
            [sys.executable, "-m", "flowbuilder", *arguments],
            cwd=self.path,
            env={**os.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=timeout,
            check=False,
        )
        return Outcome(exit_code=done.returncode, stdout=done.stdout, stderr=done.stderr)


@contextmanager
def _forgetting(folder: Path) -> Iterator[None]:
    """Take away what is imported from a folder meanwhile, wherever it was noted down."""
    table, path = install_finder().table, list(sys.path)
    known = dict(table)
    try:
        yield
    finally:
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", None) or "").startswith(f"{folder}{os.sep}"):
                del sys.modules[name]
                registry.forget(name)
        table.clear()
        table.update(known)
        sys.path[:] = path
        importlib.invalidate_caches()


@pytest.fixture
def recorder() -> Recorder:
    """Return a fresh ``Recorder`` to pass as ``plugins=[recorder]``."""
    return Recorder()


@pytest.fixture
def flowtester(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> FlowTester:
    """Return a ``FlowTester`` whose root is a temporary folder of its own."""
    for variable in [name for name in os.environ if name.startswith(PARAM)]:
        monkeypatch.delenv(variable)
    (tmp_path / "pyproject.toml").write_text("[tool.flowbuilder]\n", encoding="utf-8")
    return FlowTester(tmp_path, capsys, monkeypatch)
