"""Measure a tree of Python files in worker processes and write an HTML report a person likes to read.

flowbuilder run examples/flow_code_report.py -P root=src -P output=report.html
"""

from __future__ import annotations

from pathlib import Path

from examples.code_report.measure import Measure, measured
from examples.code_report.summary import Summary, summed_up
from flowbuilder import step, workflow


@step
def sources(root: Path) -> list[Path]:
    """Find the Python files below ``root``."""
    if not root.is_dir():
        raise NotADirectoryError(f"root={str(root)!r} is no folder")
    return sorted(path for path in root.rglob("*.py") if _readable(path))


@step(each={"path": "sources"}, executor="process", timeout=60)
def measure(path: Path) -> Measure:
    """Measure one file; a file that does not parse is a result too."""
    return measured(path)


@step
def summary(root: Path, measure: list[Measure]) -> Summary:
    """Sum up all files."""
    return summed_up(root, measure)


@workflow
def report(summary: Summary, output: Path = Path("code-report.html")) -> Path:
    """Write the report on a source tree as one HTML file."""
    from examples.code_report.page import page  # only here: the workers that measure need no drawing

    output.write_text(page(summary), encoding="utf-8")
    return output


def _readable(path: Path) -> bool:
    try:
        with path.open("rb"):
            return path.is_file()
    except OSError:
        return False
