"""The diagrams of the explanation, drawn as SVG without any library; colours that read on light and dark pages."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape

WIDTH = 760
ROW = 40
HEIGHT_OF_BOX = 28
SANS = "system-ui, sans-serif"
MONO = "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace"
INK, PALE, LINE, PAPER = "#1f2933", "#616e7c", "#9aa5b1", "#ffffff"
GREEN, AMBER, BLUE, GREY = (
    ("#e3f4ef", "#1c7d69"),
    ("#fff3d6", "#b7791f"),
    ("#e6ecfb", "#3f5bb5"),
    ("#f3f5f7", "#9aa5b1"),
)
Fill = tuple[str, str]


@dataclass(slots=True)
class Drawing:
    """Collects shapes; ``svg`` gives the document. Lengths are in pixels, from the upper left corner."""

    title: str
    height: int
    shapes: list[str] = field(default_factory=list)

    def box(self, x: int, y: int, width: int, text: str, fill: Fill, *, height: int = HEIGHT_OF_BOX,
            dashed: bool = False, mono: bool = True, size: int = 13) -> None:  # fmt: skip
        """Draw a box with a text in its middle."""
        self.frame(x, y, width, height, fill, dashed=dashed)
        self.text(x + width // 2, y + height // 2 + 5, text, mono=mono, size=size, anchor="middle")

    def frame(self, x: int, y: int, width: int, height: int, fill: Fill, *, dashed: bool = False) -> None:
        """Draw a box without a text."""
        dash = ' stroke-dasharray="4 3"' if dashed else ""
        place = f'x="{x}" y="{y}" width="{width}" height="{height}"'
        self.shapes.append(f'<rect {place} rx="5" fill="{fill[0]}" stroke="{fill[1]}"{dash}/>')

    def text(self, x: int, y: int, text: str, *, mono: bool = False, size: int = 12, anchor: str = "start",
             color: str = INK, bold: bool = False) -> None:  # fmt: skip
        """Write a line of text; ``y`` is its baseline."""
        weight = ' font-weight="600"' if bold else ""
        self.shapes.append(
            f'<text x="{x}" y="{y}" font-family="{MONO if mono else SANS}" font-size="{size}" fill="{color}"'
            f' text-anchor="{anchor}"{weight}>{escape(text)}</text>'
        )

    def arrow(self, *points: tuple[int, int], dashed: bool = False) -> None:
        """Draw a line through points, with a head at its end."""
        path = " ".join(f"{'L' if i else 'M'} {x} {y}" for i, (x, y) in enumerate(points))
        dash = ' stroke-dasharray="4 3"' if dashed else ""
        self.shapes.append(f'<path d="{path}" fill="none" stroke="{PALE}" marker-end="url(#head)"{dash}/>')

    def svg(self) -> str:
        """Return the document."""
        head = (
            '<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            f'<path d="M 0 0 L 8 4 L 0 8 z" fill="{PALE}"/></marker>'
        )
        lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.height}" role="img">',
            f"<title>{escape(self.title)}</title>",
            f"<defs>{head}</defs>",
            f'<rect width="{WIDTH}" height="{self.height}" fill="{PAPER}"/>',
            *self.shapes,
            "</svg>",
        ]
        return "\n".join(lines) + "\n"


LEFT, MIDDLE, RIGHT, COLUMN = 100, 330, 540, 190


def hook_order() -> str:
    """Return the hooks of a run from top to bottom, a column for each thread."""
    drawing = Drawing("The hooks of a run in the order they are called", 1060)
    columns = ((LEFT, "main thread", "may stop the run"), (MIDDLE, "the body's thread", "acts"),
               (RIGHT, "hook thread", "watches"))  # fmt: skip
    for x, name, does in columns:
        drawing.text(x + COLUMN // 2, 24, name, size=14, anchor="middle", bold=True)
        drawing.text(x + COLUMN // 2, 42, does, anchor="middle", color=PALE)
    _phase(drawing, "Set-up", 56, 3)
    _main(drawing, 66, "add_options", "add_commands", "configure")
    _phase(drawing, "Collection", 182, 3)
    _main(drawing, 192, "collect_file", "collection_finish", "report_header")
    drawing.text(LEFT + COLUMN + 14, 211, "for a file that is not Python", color=PALE)
    drawing.text(LEFT + COLUMN + 14, 291, "asked for by the terminal report", color=PALE)
    _phase(drawing, "Planning", 308, 2)
    _main(drawing, 318, "executors", "plan")
    drawing.box(LEFT + COLUMN + 14, 318, 90, "policies", GREEN)
    drawing.box(LEFT + COLUMN + 114, 318, 70, "store", GREEN)
    drawing.text(LEFT + COLUMN + 14, 377, "once for each run", color=PALE)
    _running(drawing)
    _phase(drawing, "Reporting", 966, 2)
    _main(drawing, 976, "summary", "unconfigure")
    return drawing.svg()


def _phase(drawing: Drawing, name: str, y: int, rows: int) -> None:
    drawing.shapes.append(f'<rect x="8" y="{y}" width="{WIDTH - 16}" height="{rows * ROW + 2}" fill="#f7f9fa"/>')
    drawing.text(18, y + 24, name, bold=True)


def _main(drawing: Drawing, y: int, *names: str) -> None:
    for row, name in enumerate(names):
        drawing.box(LEFT, y + row * ROW, COLUMN, name, GREEN)
        if row:
            drawing.arrow((LEFT + COLUMN // 2, y + row * ROW - 12), (LEFT + COLUMN // 2, y + row * ROW))


def _running(drawing: Drawing) -> None:
    """Draw what happens in a run: its steps, and each of their attempts."""
    middle = RIGHT + COLUMN // 2
    drawing.shapes.append(f'<rect x="8" y="394" width="{WIDTH - 16}" height="568" fill="#f7f9fa"/>')
    drawing.text(18, 418, "Running", bold=True)
    drawing.box(RIGHT, 404, COLUMN, "run_start", BLUE)
    drawing.box(RIGHT, 444, COLUMN, "batch_start", BLUE, dashed=True)
    drawing.text(RIGHT - 14, 463, 'only with schedule="batches"', anchor="end", color=PALE)
    drawing.frame(LEFT, 486, WIDTH - LEFT - 16, 302, (PAPER, LINE))
    drawing.text(LEFT + 12, 508, "each step,", color=PALE)
    drawing.text(LEFT + 12, 524, "each item,", color=PALE)
    drawing.text(LEFT + 12, 540, "each attempt", color=PALE)
    drawing.frame(MIDDLE, 536, COLUMN - 20, 140, AMBER)
    drawing.text(MIDDLE + (COLUMN - 20) // 2, 556, "step_call", mono=True, size=13, anchor="middle")
    drawing.box(MIDDLE + 20, 588, COLUMN - 60, "your function", (PAPER, AMBER[1]), mono=False)
    drawing.text(MIDDLE + (COLUMN - 20) // 2, 646, "stands around it", anchor="middle", color=PALE)
    drawing.box(RIGHT, 500, COLUMN, "step_start", BLUE)
    drawing.box(RIGHT, 540, COLUMN, "step_progress", BLUE, dashed=True)
    drawing.box(RIGHT, 584, COLUMN, "step_retry", BLUE)
    drawing.box(RIGHT, 616, COLUMN, "step_repeat", BLUE)
    drawing.box(RIGHT, 654, COLUMN, "step_finish", BLUE)
    drawing.box(RIGHT, 694, COLUMN, "step_error", BLUE)
    drawing.box(RIGHT, 748, COLUMN, "step_skip", BLUE)
    drawing.arrow((middle, 432), (middle, 444))
    drawing.arrow((middle, 472), (middle, 500))
    drawing.arrow((RIGHT, 514), (MIDDLE + 85, 514), (MIDDLE + 85, 536), dashed=True)
    drawing.arrow((MIDDLE + COLUMN - 20, 610), (RIGHT, 610))
    drawing.arrow((MIDDLE + COLUMN - 20, 636), (RIGHT - 12, 636), (RIGHT - 12, 668), (RIGHT, 668))
    drawing.arrow((RIGHT - 12, 668), (RIGHT - 12, 708), (RIGHT, 708))
    drawing.arrow((RIGHT + COLUMN, 598), (RIGHT + COLUMN + 8, 598), (RIGHT + COLUMN + 8, 514), (RIGHT + COLUMN, 514))
    drawing.text(RIGHT + COLUMN - 4, 581, "again", anchor="end", color=PALE)
    drawing.arrow((MIDDLE + COLUMN - 20, 554), (RIGHT, 554), dashed=True)
    drawing.text(RIGHT - 20, 700, "for good, exactly one:", anchor="end", color=PALE)
    drawing.text(RIGHT - 20, 767, "or it is never started", anchor="end", color=PALE)
    drawing.box(RIGHT, 802, COLUMN, "batch_finish", BLUE, dashed=True)
    drawing.box(RIGHT, 842, COLUMN, "run_cancel", BLUE, dashed=True)
    drawing.text(RIGHT - 14, 861, "at any time, only where it is cancelled", anchor="end", color=PALE)
    drawing.box(RIGHT, 882, COLUMN, "step_undo", BLUE, dashed=True)
    drawing.text(RIGHT - 14, 901, "where what was done is undone", anchor="end", color=PALE)
    drawing.box(RIGHT, 926, COLUMN, "run_finish", BLUE)
    drawing.arrow((middle, 788), (middle, 802))
    drawing.arrow((middle, 830), (middle, 842))
    drawing.arrow((middle, 870), (middle, 882))
    drawing.arrow((middle, 910), (middle, 926))


LANES = (
    ("thread lane", "plain functions, in threads"),
    ("process lane", "a thread for each worker process"),
    ("loop lane", "async functions, on the loop"),
    ("inline lane", "plain functions, on the loop"),
)


def threads() -> str:
    """Return the parts of a running run: lanes, the run with its schedule, the loop, the hook thread."""
    drawing = Drawing("The schedule between lanes, loop and hook thread", 380)
    for row, (name, does) in enumerate(LANES):
        y = 40 + row * 62
        drawing.frame(20, y, 210, 48, AMBER)
        drawing.text(125, y + 20, name, size=13, anchor="middle", bold=True)
        drawing.text(125, y + 37, does, size=11, anchor="middle", color=PALE)
    drawing.text(125, 24, "run bodies", anchor="middle", color=PALE)
    drawing.frame(310, 40, 180, 234, GREEN)
    drawing.text(400, 64, "the run", size=13, anchor="middle", bold=True)
    drawing.text(400, 82, "owns the state, one lock", size=11, anchor="middle", color=PALE)
    drawing.frame(328, 104, 144, 150, (PAPER, GREEN[1]))
    drawing.text(400, 134, "the schedule", size=13, anchor="middle", bold=True)
    for row, line in enumerate(("decides what may start", "no thread, no clock,", "no hook, no I/O")):
        drawing.text(400, 160 + row * 18, line, size=11, anchor="middle", color=PALE)
    drawing.arrow((310, 120), (230, 120))
    drawing.text(270, 112, "take", anchor="middle", mono=True)
    drawing.arrow((230, 190), (310, 190))
    drawing.text(270, 182, "done", anchor="middle", mono=True)
    drawing.box(560, 96, 180, "queue of what happened", GREY, mono=False, size=12)
    drawing.arrow((490, 110), (560, 110))
    drawing.text(525, 102, "tell", anchor="middle", mono=True)
    drawing.arrow((650, 124), (650, 150))
    drawing.frame(560, 150, 180, 66, BLUE)
    drawing.text(650, 176, "hook thread", size=13, anchor="middle", bold=True)
    drawing.text(650, 196, "plugins, one call at a time", size=11, anchor="middle", color=PALE)
    drawing.frame(310, 312, 180, 50, GREY)
    drawing.text(400, 332, "the loop", size=13, anchor="middle", bold=True)
    drawing.text(400, 350, "timers, providers, the end", size=11, anchor="middle", color=PALE)
    drawing.arrow((400, 312), (400, 274))
    drawing.box(560, 318, 180, "Ctrl-C, cancellation", GREY, mono=False, size=12)
    drawing.arrow((560, 332), (490, 332))
    return drawing.svg()
