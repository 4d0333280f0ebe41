"""Painter: a thread that paints the rows at the bottom of a terminal, and alone writes to it meanwhile."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from flowbuilder import Terminal

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

FIRST_AFTER = 0.25
EVERY = 0.2

Styled = tuple[str, str]
Picture = tuple[float, str, Sequence[Sequence[Styled]]]  # the share that is done, the totals, and a line for each row


class Painter:
    """Paints what ``look(now)`` returns, five times a second where it changes, until stopped.

    What is printed meanwhile, by whatever thread, is queued and printed above the rows: nobody
    waits for the terminal but the painter, and nothing it needs is behind a lock. Runs shorter than
    a quarter of a second are never painted, so they do not load rich.
    """

    def __init__(self, terminal: Terminal, look: Callable[[float], Picture]) -> None:
        self._terminal = terminal
        self._look = look
        self._queue: deque[str] = deque()
        self._stop = threading.Event()
        self._is_over = False
        self._painted: tuple[int, Picture] | None = None
        self._thread = threading.Thread(target=self._paint, name="flowbuilder-painter", daemon=True)

    def start(self) -> None:
        """Begin to paint, in a moment."""
        self._thread.start()

    def stop(self) -> None:
        """Wipe the rows and print what is still queued; from any thread."""
        self._stop.set()
        self._thread.join()

    def _paint(self) -> None:
        if self._stop.wait(FIRST_AFTER):
            return
        from rich.live import Live

        console = self._terminal.console
        live = Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False)
        self._terminal.above = self._take
        try:
            live.start()
            # A second Ctrl-C ends the process at once, and must not leave a terminal without a cursor.
            console.show_cursor(True)
            while not self._stop.wait(EVERY):
                self._turn(live)
        finally:
            self._terminal.above = None
            live.stop()
            self._is_over = True
            self._print_rest()

    def _take(self, text: str) -> None:
        self._queue.append(text)
        if self._is_over:
            self._print_rest()

    def _print_rest(self) -> None:
        while self._queue:
            self._terminal.put(self._queue.popleft())

    def _turn(self, live: Live) -> None:
        """Print what is queued, up to its last line break, and paint the rows if they changed."""
        console = self._terminal.console
        # First the lines, then the rows: so no step is said to have ended while its row still runs.
        text = self._queued_lines()
        seen = (console.width, self._look(time.monotonic()))
        if seen != self._painted:
            self._painted = seen
            live.update(_drawn(*seen[1], width=console.width, height=console.height), refresh=not text)
        if text:
            from rich.text import Text

            console.print(Text.from_ansi(text), soft_wrap=True)

    def _queued_lines(self) -> str:
        found = "".join(self._queue.popleft() for _ in range(len(self._queue)))
        whole, line_break, rest = found.rpartition("\n")
        if rest:
            self._queue.appendleft(rest)
        return whole if line_break else ""


MOST_ROWS = 8
LINES_AROUND = 3
WIDEST_BAR = 40
NARROW = 50


def _drawn(share: float, totals: str, lines: Sequence[Sequence[Styled]], *, width: int, height: int) -> RenderableType:
    """Return what rich is to paint: as many lines as fit, and under them the bar and the totals."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    most = max(min(MOST_ROWS, height - LINES_AROUND), 1)
    rows = [Text(" ", no_wrap=True, overflow="crop").join(Text(*part) for part in line) for line in lines[:most]]
    if len(lines) > most:
        margin = " " * len(lines[0][0][0])
        rows.append(Text(f"{margin}… and {len(lines) - most:,} more", style="dim", no_wrap=True, overflow="crop"))
    footer = Table.grid(padding=(0, 2, 0, 0))
    sentence = Text(totals, style="bold", no_wrap=True, overflow="crop")
    if width >= NARROW:
        footer.add_row(ProgressBar(total=1.0, completed=share, width=min(width // 3, WIDEST_BAR)), sentence)
    else:
        footer.add_row(sentence)
    return Group(*rows, footer)
