"""SVG: the pieces that charts are made of, coloured by the classes of the page's style sheet."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import NamedTuple

from examples.code_report.summary import COMPLEX

VERY_COMPLEX = 20
HEATS = (1.5, 2, 3, 5)


def text(value: object) -> str:
    """Return foreign text for HTML: escaped, and with control characters made visible."""
    plain = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(value))
    return escape(plain)


def number(value: float) -> str:
    """Return a number with thin spaces between thousands."""
    shown = f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
    return shown.replace(",", "\N{NARROW NO-BREAK SPACE}")


def counted(count: int, noun: str) -> str:
    """Return a count with its noun: "1 file", "2 files"."""
    return f"{number(count)} {noun}{'' if count == 1 else 's'}"


def level(complexity: int) -> str:
    """Return the class that colours a function: calm up to 10, warm up to 20, hot above."""
    if complexity > VERY_COMPLEX:
        return "hot"
    return "warm" if complexity > COMPLEX else "calm"


def heat(mean: float) -> str:
    """Return the class that colours a file by the mean complexity of its functions."""
    return f"heat{sum(mean > limit for limit in HEATS)}"


def svg(kind: str, width: int, height: int, label: str, parts: Iterable[str]) -> str:
    """Return a picture; ``label`` is what those hear of it who cannot see it."""
    inner = "\n".join(parts)
    return f'<svg class="{kind}" viewBox="0 0 {width} {height}" role="img" aria-label="{text(label)}">\n{inner}\n</svg>'


def rect(kind: str, x: float, y: float, width: float, height: float, tip: str = "") -> str:
    """Return a rectangle; ``tip`` is shown to those who point at it."""
    inside = f"<title>{tip}</title>" if tip else ""
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}">{inside}</rect>'


def words(kind: str, x: float, y: float, said: str) -> str:
    """Return text at a point."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{said}</text>'


class Frame(NamedTuple):
    """The area of a plot, where x and y go from 0 to 1, y upwards; its axes are labelled outside."""

    left: float
    top: float
    right: float
    bottom: float

    def x(self, share: float) -> float:
        """Return the place of a share of the width."""
        return self.left + (self.right - self.left) * share

    def y(self, share: float) -> float:
        """Return the place of a share of the height."""
        return self.bottom - (self.bottom - self.top) * share

    def across(self, share: float, label: str) -> str:
        """Return a grid line at a height, labelled at the left."""
        y = self.y(share)
        line = f'<line class="grid" x1="{self.left}" x2="{self.right}" y1="{y:.1f}" y2="{y:.1f}"/>'
        return line + words("row", self.left - 6, y + 4, label)

    def upright(self, share: float, label: str) -> str:
        """Return a grid line at a width, labelled below."""
        x = self.x(share)
        line = f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{self.top}" y2="{self.bottom}"/>'
        return line + self.below(share, label)

    def below(self, share: float, label: str) -> str:
        """Return a label of the horizontal axis."""
        return words("tick", self.x(share), self.bottom + 17, label)

    def captions(self, across: str, up: str = "") -> str:
        """Return the names of the axes."""
        turned = f'<text class="tick" transform="translate(10 {self.y(0.5):.1f}) rotate(-90)">{up}</text>'
        return words("tick", self.x(0.5), self.bottom + 36, across) + (turned if up else "")
