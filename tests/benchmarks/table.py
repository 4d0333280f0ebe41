"""Table: what was measured, as text for a terminal and as Markdown for the documentation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.benchmarks.measured import Measured, Row
from tests.benchmarks.workloads import OURS, Workload

HEAD = ("work, and its unit", "FlowBuilder", "beside", "ratio", "aim", "others")
RULE = ("---", "--:", "---", "--:", "--:", "---")


def text(measured: Measured) -> str:
    """Return every figure, a paragraph for each workload, the best first."""
    parts = ["\n".join(_paragraph(measured, workload)) for workload in measured.workloads()]
    return "\n\n".join([*parts, *measured.left_out, conditions(measured)])


def _paragraph(measured: Measured, workload: Workload) -> Iterator[str]:
    rows = measured.rows(workload)
    beside = _named(rows, workload.reference)
    yield f"{workload.title}: {workload.unit}"
    for row in rows:
        ratio = row.figure / beside.figure
        hold = f"  {verdict(workload, row.figure, ratio)}" if row.contender == OURS else ""
        yield f"  {label(workload, row):28} {number(row.figure):>9}  {ratio:8.2f} ×{hold}"


def verdict(workload: Workload, figure: float, ratio: float) -> str:
    """Say whether FlowBuilder is where it is to be."""
    is_held = (figure if workload.holds_figure else ratio) <= workload.hold
    return f"{'held' if is_held else 'NOT held'}, at most {aim(workload)}"


def aim(workload: Workload) -> str:
    """Return what FlowBuilder is to hold: a ratio, with its sign, or a figure."""
    return f"{workload.hold:g}" if workload.holds_figure else f"{workload.hold:g} ×"


def markdown(measured: Measured, *, short: bool = False) -> str:
    """Return a table with a row for each workload; the ``short`` one has the telling ones and no others beside."""
    chosen = (one for one in measured.workloads() if one.is_headline or not short)
    lines = [HEAD, RULE, *(_cells(workload, measured.rows(workload)) for workload in chosen)]
    width = len(HEAD) - 1 if short else len(HEAD)
    return "\n".join([*(f"| {' | '.join(cells[:width])} |" for cells in lines), "", conditions(measured)])


def _cells(workload: Workload, rows: Sequence[Row]) -> Sequence[str]:
    ours, beside = _named(rows, OURS), _named(rows, workload.reference)
    others = [row for row in rows if row not in (ours, beside)]
    return [
        f"{workload.title}, {workload.unit}",
        number(ours.figure),
        f"{beside.contender} {number(beside.figure)}",
        f"{ours.figure / beside.figure:.2f} ×",
        aim(workload),
        ", ".join(f"{label(workload, row)} {number(row.figure)}" for row in others),
    ]


def conditions(measured: Measured) -> str:
    """Say on what and when it was measured."""
    versions = ", ".join(f"{name} {version}" for name, version in measured.versions.items())
    return (
        f"Measured on {measured.date} with `{measured.command}` on {measured.machine}, Python {measured.python}"
        f" ({versions}), while other processes used {measured.others:.1f} of its processors."
    )


def label(workload: Workload, row: Row) -> str:
    """Return the name of a contender, with its size where that is another one."""
    return row.contender if row.size == workload.size else f"{row.contender} ({row.size:,})"


def number(figure: float) -> str:
    """Return a figure with three digits that matter."""
    return f"{figure:.2f}" if figure < 10 else f"{figure:.1f}" if figure < 100 else f"{figure:,.0f}"


def _named(rows: Sequence[Row], contender: str) -> Row:
    return next(row for row in rows if row.contender == contender)
