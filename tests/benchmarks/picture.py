"""Picture: the figures as dots on logarithmic axes, a panel for each workload."""

from __future__ import annotations

import math
from collections.abc import Sequence

from docs.diagrams import BLUE, GREEN, INK, LINE, PALE, WIDTH, Drawing
from tests.benchmarks.measured import Measured, Row
from tests.benchmarks.table import label, number
from tests.benchmarks.workloads import OURS, Workload

SHOWN = (
    "fan-plain-10000", "fan-async-10000", "chain-plain", "chain-async", "layers-plain", "layers-async",
    "start", "memory-100000",
)  # fmt: skip
COLUMN = WIDTH // 2
NAMES, DOTS, ROW, TOP = 150, 160, 20, 34


def picture(measured: Measured) -> str:
    """Return the document; what was not measured is not on it."""
    panels = [(one, measured.rows(one)) for one in measured.workloads() if one.name in SHOWN]
    panels.sort(key=lambda panel: SHOWN.index(panel[0].name))
    pairs = [panels[start : start + 2] for start in range(0, len(panels), 2)]
    heights = [TOP + ROW * max(len(rows) for _, rows in pair) + 34 for pair in pairs]
    drawing = Drawing("What a step costs: FlowBuilder, the standard library and peers", 10 + sum(heights))
    for number_of, pair in enumerate(pairs):
        for column, (workload, rows) in enumerate(pair):
            _panel(drawing, column * COLUMN + 12, 10 + sum(heights[:number_of]), workload, rows)
    return drawing.svg()


def _panel(drawing: Drawing, left: int, top: int, workload: Workload, rows: Sequence[Row]) -> None:
    low = math.floor(math.log10(min(row.figure for row in rows)))
    high = max(low + 1, math.ceil(math.log10(max(row.figure for row in rows))))
    axis, bottom = left + NAMES, top + TOP + ROW * len(rows)
    drawing.text(left, top + 16, workload.title, size=12, bold=True)
    for power in range(low, high + 1):
        x = axis + DOTS * (power - low) // (high - low)
        drawing.shapes.append(
            f'<line x1="{x}" x2="{x}" y1="{top + TOP - 6}" y2="{bottom}" stroke="{LINE}" opacity=".4"/>'
        )
        drawing.text(x, bottom + 14, f"{10.0**power:,g}", size=10, anchor="middle", color=PALE)
    drawing.text(axis - 16, bottom + 14, workload.unit, size=10, anchor="end", color=PALE)
    for place, row in enumerate(rows):
        y = top + TOP + 6 + ROW * place
        x = axis + round(DOTS * (math.log10(row.figure) - low) / (high - low))
        _dot(drawing, (axis, x, y), workload, row)


def _dot(drawing: Drawing, place: tuple[int, int, int], workload: Workload, row: Row) -> None:
    axis, x, y = place
    is_ours, is_reference = row.contender.startswith(OURS), row.contender == workload.reference
    color = GREEN[1] if is_ours else BLUE[1] if is_reference else PALE
    drawing.text(
        axis - 10, y + 4, label(workload, row), size=11, anchor="end", bold=is_ours, color=color if is_ours else INK
    )
    drawing.shapes.append(f'<line x1="{axis}" x2="{x}" y1="{y}" y2="{y}" stroke="{color}" opacity=".35"/>')
    drawing.shapes.append(f'<circle cx="{x}" cy="{y}" r="4.5" fill="{color}"/>')
    drawing.text(x + 9, y + 4, number(row.figure), size=11, bold=is_ours, color=color if is_ours else INK)
