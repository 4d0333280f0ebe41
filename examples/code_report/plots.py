"""Plots: how complex functions are, and how large and complex files are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from examples.code_report.summary import COMPLEX, Bar, File
from examples.code_report.svg import Frame, counted, heat, number, rect, svg, text, words

WIDTH, HEIGHT = 560, 304
MOST_DOTS = 4000


def distribution(bars: Sequence[Bar]) -> str:
    """Draw which share of the functions, and of their complexity, each range of complexity has."""
    frame = Frame(left=40, top=26, right=WIDTH - 10, bottom=262)
    functions, complexity = sum(bar.functions for bar in bars) or 1, sum(bar.complexity for bar in bars) or 1
    shares = [(bar.functions / functions, bar.complexity / complexity) for bar in bars]
    tenths = math.ceil(10 * max(max(pair) for pair in shares)) or 1
    parts = [_shade(frame, sum(bar.low <= COMPLEX for bar in bars) / len(bars))]
    parts += [frame.across(at / tenths, f"{at * 10} %") for at in range(0, tenths + 1, 2 if tenths > 5 else 1)]
    for at, (bar, pair) in enumerate(zip(bars, shares, strict=True)):
        tip = f"complexity {bar.label}: {counted(bar.functions, 'function')}, {pair[0]:.1%} of all"
        tip += f", with {pair[1]:.1%} of all complexity"
        drawn = _pair(frame, at, len(bars), [share * 10 / tenths for share in pair])
        label = frame.below((at + 0.5) / len(bars), bar.label)
        parts.append(f"<g><title>{tip}</title>{drawn}{label}</g>")
    parts.append(frame.captions("complexity of a function"))
    return svg("plot", WIDTH, HEIGHT, "Functions, and their complexity, by complexity", parts)


def _shade(frame: Frame, start: float) -> str:
    """Return the ground under what is complex."""
    x, top = frame.x(start), frame.top - 18
    label = words("tick", frame.x((start + 1) / 2), frame.top - 4, f"above {COMPLEX}")
    return rect("shade", x, top, frame.right - x, frame.bottom - top) + label


def _pair(frame: Frame, at: int, slots: int, heights: Sequence[float]) -> str:
    """Return two bars side by side in one of the slots."""
    middle, wide = frame.x((at + 0.5) / slots), (frame.right - frame.left) / slots / 2 - 4
    places = (("count", middle - wide - 0.3), ("weight", middle + 0.3))
    # A bar that would be too low to see is drawn as a line.
    tops = (min(frame.y(height), frame.bottom - 1) if height else frame.bottom for height in heights)
    return "".join(rect(kind, x, top, wide, frame.bottom - top) for (kind, x), top in zip(places, tops, strict=True))


def scatter(files: Sequence[File]) -> str:
    """Draw each file by lines and complexity, both on logarithmic axes; the most complex on top."""
    frame = Frame(left=52, top=8, right=WIDTH - 26, bottom=262)
    shown = sorted(files, key=lambda file: file.complexity)[-MOST_DOTS:]
    far, high = _decades(file.lines for file in shown), _decades(file.complexity for file in shown)
    places = {file: (frame.x(_log(file.lines) / far), frame.y(_log(file.complexity) / high)) for file in shown}
    parts = [frame.upright(one / far, number(10**one)) for one in range(far + 1)]
    parts += [frame.across(one / high, number(10**one)) for one in range(high + 1)]
    parts += [_dot(file, *place) for file, place in places.items()]
    for file in _extremes(shown):
        x, y = places[file]
        parts.append(words("halo", x - 6, y + 3, text(file.name)))
    parts.append(frame.captions("lines of a file", "complexity of a file"))
    return svg("dots", WIDTH, HEIGHT, "Lines and complexity of each file", parts)


def _dot(file: File, x: float, y: float) -> str:
    tip = f"{text(file.path)}: {counted(file.lines, 'line')}, complexity {number(file.complexity)}"
    return f'<circle class="{heat(file.mean)}" cx="{x:.1f}" cy="{y:.1f}" r="3.2"><title>{tip}</title></circle>'


def _extremes(files: Sequence[File]) -> Iterator[File]:
    """Return the file with the most lines and the most complex one, once where they are the same."""
    longest = max(files, key=lambda file: file.lines, default=None)
    most_complex = max(files, key=lambda file: file.complexity, default=None)
    yield from dict.fromkeys(file for file in (longest, most_complex) if file is not None)


def _log(value: int) -> float:
    return math.log10(max(value, 1))


def _decades(values: Iterable[int]) -> int:
    """Return how many powers of ten an axis needs."""
    return max(1, math.ceil(_log(max(values, default=1))))
