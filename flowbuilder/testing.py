"""A pytest plugin for those who test flows and plugins: ``Recorder`` and the ``flowtester`` fixture."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from flowbuilder.engine.views import RunInfo, StepInfo
from flowbuilder.hookspecs import hookimpl
from flowbuilder.results import RunResult, Status, StepResult


class Recorder:
    """A plugin that records what it hears, in order.

    ``told`` has a short line for each hook ("start measure[3] 1", "finish total"), ``results`` the
    result of each step that ended, ``runs`` the result of each run.
    """

    def __init__(self) -> None:
        self.told: list[str] = []
        self.results: dict[str, StepResult[Any]] = {}
        self.runs: list[RunResult[Any]] = []

    def of(self, name: str) -> list[str]:
        """Return what was told of one step, in order."""
        return [line for line in self.told if line.split(" ")[1:2] == [name]]

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
        self.told.append(f"start {step.name} {attempt}")

    @hookimpl
    def flowbuilder_step_retry(self, step: StepInfo, attempt: int, error: BaseException) -> None:
        """Record a retry."""
        self.told.append(f"retry {step.name} {attempt} {type(error).__name__}")

    @hookimpl
    def flowbuilder_step_finish(self, step: StepInfo, result: StepResult[Any]) -> None:
        """Record a success."""
        self.results[step.name] = result
        self.told.append(f"finish {step.name}")

    @hookimpl
    def flowbuilder_step_error(self, step: StepInfo, result: StepResult[Any]) -> None:
        """Record a failure, a time-out or a cancellation."""
        self.results[step.name] = result
        self.told.append(f"error {step.name} {result.status}")

    @hookimpl
    def flowbuilder_step_skip(self, step: StepInfo, reason: str) -> None:
        """Record a skip."""
        self.told.append(f"skip {step.name} {reason}")

    @hookimpl
    def flowbuilder_run_finish(self, run: RunInfo, result: RunResult[Any]) -> None:
        """Record the end of a run."""
        self.runs.append(result)
        self.told.append(f"run_finish {run.workflow} {result.status}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a command ended: its exit code, what it printed, and what a ``Recorder`` heard.

    The recorder hears nothing of a command that ran as a process of its own.
    """

    exit_code: int
    stdout: str
    stderr: str
    recorder: Recorder = field(default_factory=Recorder)

    def assert_counts(self, *, succeeded: int = 0, failed: int = 0, skipped: int = 0) -> None:
        """Assert how many steps of all runs succeeded, failed or timed out, and were skipped."""
        seen = {
            "succeeded": sum(run.success_count for run in self.recorder.runs),
            "failed": sum(run.failed_count for run in self.recorder.runs),
            "skipped": sum(run.skipped_count for run in self.recorder.runs),
        }
        assert seen == {"succeeded": succeeded, "failed": failed, "skipped": skipped}, self.stdout + self.stderr

    def status_of(self, step: str) -> Status:
        """Return how a step ended."""
        for run in self.recorder.runs:
            if step in run.steps:
                return run.steps[step].status
        raise AssertionError(f"no run has a step {step!r}: {self.stdout}{self.stderr}")


class FlowTester:
    """Writes flow files into a temporary folder and runs ``flowbuilder`` on them."""

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

    def run(self, *arguments: str) -> Outcome:
        """Run ``flowbuilder`` in this process, in the temporary folder."""
        from flowbuilder.cli import main

        self._monkeypatch.chdir(self.path)
        recorder = Recorder()
        self._capsys.readouterr()
        code = main(list(arguments), plugins=[recorder])
        out, err = self._capsys.readouterr()
        return Outcome(exit_code=code, stdout=out, stderr=err, recorder=recorder)

    def run_process(self, *arguments: str, timeout: float = 60.0) -> Outcome:
        """Run ``flowbuilder`` as a process of its own; ``timeout`` in seconds."""
        done = subprocess.run(
            [sys.executable, "-m", "flowbuilder", *arguments],
            cwd=self.path,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Outcome(exit_code=done.returncode, stdout=done.stdout, stderr=done.stderr)


@pytest.fixture
def recorder() -> Recorder:
    """Return a fresh ``Recorder`` to pass as ``plugins=[recorder]``."""
    return Recorder()


@pytest.fixture
def flowtester(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> FlowTester:
    """Return a ``FlowTester`` whose root is a temporary folder of its own."""
    (tmp_path / "pyproject.toml").write_text("[tool.flowbuilder]\n", encoding="utf-8")
    return FlowTester(tmp_path, capsys, monkeypatch)
