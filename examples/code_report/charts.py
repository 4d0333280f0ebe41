"""Charts: numbers as inline SVG, coloured by the classes of the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

from examples.code_report.summary import COMPLEX, Bar, Dot, Package

VERY_COMPLEX = 20
MOST_DOTS = 4000
MOST_PACKAGES = 15


def text(value: object) -> str:
    """Return foreign text for HTML: escaped, and with control characters made visible."""
    plain = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(value))
    return escape(plain)


def number(value: float) -> str:
    """Return a number with thin spaces between thousands."""
    shown = f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
    return shown.replace(",", "\N{NARROW NO-BREAK SPACE}")


def level(complexity: int) -> str:
    """Return the class that colours a complexity: calm up to 10, warm up to 20, hot above."""
    if complexity > VERY_COMPLEX:
        return "hot"
    return "warm" if complexity > COMPLEX else "calm"


def distribution(bars: Sequence[Bar]) -> str:
    """Draw how many functions have which complexity."""
    width, height, left, bottom = 560, 300, 8, 262
    slot = (width - 2 * left) / len(bars)
    most = max((bar.functions for bar in bars), default=0) or 1
    total = sum(bar.functions for bar in bars) or 1
    parts = []
    for at, bar in enumerate(bars):
        x, tall = left + at * slot, 225 * bar.functions / most
        if bar.functions:
            tall = max(tall, 1.5)
        middle = x + slot / 2
        tip = f"{number(bar.functions)} functions of complexity {bar.label} ({bar.functions / total:.1%})"
        parts.append(
            f'<g><title>{tip}</title><rect class="{level(bar.low)}" x="{x + 3:.1f}" y="{bottom - tall:.1f}"'
            f' width="{slot - 6:.1f}" height="{tall:.1f}" rx="2"/>'
            f'<text class="value" x="{middle:.1f}" y="{bottom - tall - 6:.1f}">{number(bar.functions)}</text>'
            f'<text class="tick" x="{middle:.1f}" y="{bottom + 18}">{bar.label}</text></g>'
        )
    axis = f'<line class="axis" x1="{left}" x2="{width - left}" y1="{bottom}" y2="{bottom}"/>'
    caption = f'<text class="tick" x="{width / 2}" y="{bottom + 36}">complexity of a function</text>'
    return _svg(width, height, "Functions by complexity", [*parts, axis, caption])


def packages(rows: Sequence[Package]) -> str:
    """Draw the largest packages: code lines solid, comments and blank lines lighter."""
    width, row, left, right = 1160, 28, 210, 170
    shown = rows[:MOST_PACKAGES]
    most = max((one.lines for one in shown), default=0) or 1
    parts = []
    for at, one in enumerate(shown):
        y, wide = at * row + 4, (width - left - right) * one.lines / most
        code = wide * one.code / one.lines if one.lines else 0
        tip = f"{text(one.name)}: {number(one.lines)} lines, {number(one.code)} of code, in {_files(one.files)}"
        name = one.name if len(one.name) <= 26 else one.name[:25] + "…"
        parts.append(
            f'<g><title>{tip}</title><text class="name" x="{left - 12}" y="{y + 14}">{text(name)}</text>'
            f'<rect class="pale" x="{left}" y="{y}" width="{max(wide, 1):.1f}" height="{row - 8}" rx="2"/>'
            f'<rect class="calm" x="{left}" y="{y}" width="{code:.1f}" height="{row - 8}" rx="2"/>'
            f'<text class="beside" x="{left + wide + 10:.1f}" y="{y + 14}">{number(one.lines)}'
            f'<tspan class="faint" dx="8">{_files(one.files)}</tspan></text></g>'
        )
    return _svg(width, max(len(shown), 1) * row + 4, "Largest packages by lines", parts)


def scatter(dots: Sequence[Dot]) -> str:
    """Draw each file by lines and complexity, both on logarithmic axes; the most complex on top."""
    width, height, left, right, top, bottom = 560, 300, 44, 14, 10, 262
    shown = sorted(dots, key=lambda dot: dot.complexity)[-MOST_DOTS:]
    far = _decades(dot.lines for dot in shown)
    high = _decades(dot.complexity for dot in shown)

    def across(lines: float) -> float:
        return left + (width - left - right) * math.log10(max(lines, 1)) / far

    def up(complexity: float) -> float:
        return bottom - (bottom - top) * math.log10(max(complexity, 1)) / high

    grid = [_upright(across(10**one), top, bottom, 10**one) for one in range(far + 1)]
    grid += [_level_line(up(10**one), left, width - right, 10**one) for one in range(high + 1)]
    parts = [
        f'<circle class="dot" cx="{across(dot.lines):.1f}" cy="{up(dot.complexity):.1f}" r="3">'
        f"<title>{text(dot.path)}: {number(dot.lines)} lines, complexity {number(dot.complexity)}</title></circle>"
        for dot in shown
    ]
    middle = (top + bottom) / 2
    captions = [
        f'<text class="tick" x="{(left + width - right) / 2}" y="{bottom + 36}">lines of a file</text>',
        f'<text class="tick" transform="translate(11 {middle}) rotate(-90)">complexity of a file</text>',
    ]
    return _svg(width, height, "Lines and complexity of each file", [*grid, *parts, *captions])


def _svg(width: int, height: int, label: str, parts: Iterable[str]) -> str:
    inner = "\n".join(parts)
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{text(label)}">\n{inner}\n</svg>'


def _decades(values: Iterable[int]) -> int:
    """Return how many powers of ten an axis needs."""
    return max(1, math.ceil(math.log10(max([*values, 1]))))


def _upright(x: float, top: float, bottom: float, value: int) -> str:
    return (
        f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}"/>'
        f'<text class="tick" x="{x:.1f}" y="{bottom + 18}">{number(value)}</text>'
    )


def _level_line(y: float, left: float, right: float, value: int) -> str:
    return (
        f'<line class="grid" x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="row" x="{left - 6}" y="{y + 4:.1f}">{number(value)}</text>'
    )


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{number(count)} files"
