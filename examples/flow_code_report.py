"""Measure a tree of Python files in worker processes and write an HTML report a person likes to read.

flowbuilder run examples/flow_code_report.py -P root=src -P output=report.html
"""

from __future__ import annotations

from pathlib import Path

from examples.code_report.measure import Measure, measured
from examples.code_report.summary import Summary, summed_up
from examples.code_report.words import in_words
from flowbuilder import step, workflow

FOREIGN = frozenset({"site-packages", "dist-packages", "node_modules", "__pycache__"})


@step
def sources(root: Path) -> list[Path]:
    """Find the Python files below ``root``, without installed packages and hidden folders."""
    if not root.is_dir():
        raise NotADirectoryError(f"root={str(root)!r} is no folder")
    return sorted(path for path in root.rglob("*.py") if path.is_file() and _is_own(path.relative_to(root)))


def unmeasured(path: Path, error: Exception) -> Measure:
    """Stand in for the measure of a file that took too long or ended its worker process."""
    return Measure(path=path, error=str(error))


@step(each={"path": "sources"}, executor="process", timeout=60, on_error=unmeasured)
def measure(path: Path) -> Measure:
    """Measure one file; a file that does not parse is a result too."""
    return measured(path)


@step
def summary(root: Path, measure: list[Measure]) -> Summary:
    """Sum up all files."""
    return summed_up(root, measure)


@workflow
def report(summary: Summary, output: Path = Path("code-report.html")) -> str:
    """Write the report on a source tree as one HTML file."""
    from examples.code_report.page import page  # only here: the workers that measure need no drawing

    output.write_text(page(summary), encoding="utf-8")
    return in_words(summary, output)


def _is_own(path: Path) -> bool:
    return FOREIGN.isdisjoint(path.parts) and not any(part.startswith(".") for part in path.parts)
