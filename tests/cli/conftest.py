"""A folder of its own for each command, and what a command leaves behind in this process taken away again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowbuilder import registry
from flowbuilder.testing import FlowTester, Outcome

REPORT = """
    from flowbuilder import step, workflow

    @step
    def rows(count: int = 3) -> list[int]:
        \"\"\"Count.\"\"\"
        return list(range(count))

    @step(each={"row": "rows"})
    def double(row: int) -> int:
        return row * 2

    @workflow
    def report(double: list[int]) -> str:
        \"\"\"Add up.\"\"\"
        return f"total {sum(double)}"
"""


@pytest.fixture(autouse=True)
def forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget the modules of a test, so that the next one may have files of the same names."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    yield
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]
            registry.forget(name)


@pytest.fixture
def tester(flowtester: FlowTester) -> FlowTester:
    """Return a tester with the file flow_report.py."""
    flowtester.write("flow_report.py", REPORT)
    return flowtester


def error_of(outcome: Outcome, code: int = 4) -> str:
    """Return what a command that failed said, after checking that it said it as it should."""
    assert outcome.exit_code == code, outcome
    assert outcome.stderr.startswith("error: ")
    assert "Traceback" not in outcome.stderr
    return outcome.stderr.removeprefix("error: ").rstrip("\n")
