"""Lines: one line for each step that ended, and the rows of those that run, in the same columns."""

from __future__ import annotations

from collections.abc import Iterable

from flowbuilder import Terminal
from flowbuilder.builtin.painter import Picture, Styled
from flowbuilder.builtin.rows import Rows
from flowbuilder.builtin.wording import in_seconds, in_whole_seconds, within
from flowbuilder.errors import shown
from flowbuilder.terminal import columns, padded

NARROW = 60
SHORTEST_NAME, WIDEST_NAME = 20, 40
SHORTEST_DETAIL = 20
TIME = 9
LONGEST_DETAIL = 200
STYLES = {
    "start": "dim",
    "running": "cyan",
    "retry": "yellow",
    "repeat": "cyan",
    "waiting": "yellow",
    "success": "green",
    "failed": "red",
    "timed_out": "red",
    "cancelled": "yellow",
    "skipped": "yellow",
    "undone": "yellow",
}
WIDEST_WORD = max(map(len, STYLES))


class Lines:
    """Prints lines to a terminal, with the counts of ``rows`` in front."""

    def __init__(self, terminal: Terminal, rows: Rows) -> None:
        self._terminal = terminal
        self._rows = rows
        self._name_width = 0

    def align(self, names: Iterable[str]) -> None:
        """Make the column of names wide enough for all of ``names``, beside those it is wide enough for."""
        widest = max((columns(shown(name)) for name in names), default=0)
        self._name_width = min(max(self._name_width, widest), self._widest_name)

    @property
    def _widest_name(self) -> int:
        """How wide a name may be, so that there is room beside it for a reason."""
        if not self._terminal.is_terminal:
            return WIDEST_NAME
        beside = len(self._margin) + WIDEST_WORD + TIME + SHORTEST_DETAIL + 5
        return min(max(self._terminal.width - beside, SHORTEST_NAME), WIDEST_NAME)

    @property
    def _margin(self) -> str:
        """As much space as the counts take."""
        return " " * (2 * len(str(self._rows.total)) + 3)

    def forget(self) -> None:
        """Forget how wide names are."""
        self._name_width = 0

    def tell(self, word: str, name: str, seconds: float | None = None, detail: str = "") -> None:
        """Print a line."""
        time = "" if seconds is None else in_seconds(seconds)
        counts = f"[{self._rows.done:>{len(str(self._rows.total))}}/{self._rows.total}]"
        self._terminal.print(*self._parts(counts, word, name, time, detail))

    def picture(self, now: float) -> Picture:
        """Return how far all is and the rows of what runs, then of what waits to start."""
        rows, margin = [*self._rows.running, *self._rows.waiting], self._margin
        # What runs inside bodies was not known when the column was made.
        names = [within(shown(row.name), self._widest_name) for row in rows]
        widest = max(map(columns, names), default=0)
        lines = [
            self._parts(margin, row.word, padded(name, widest), in_whole_seconds(now - row.started), row.detail(now))
            for row, name in zip(rows, names, strict=True)
        ]
        return self._rows.share, self._rows.totals(now), lines

    def _parts(self, front: str, word: str, name: str, time: str, detail: str) -> list[Styled]:
        terminal, style = self._terminal, STYLES[word]
        word, name, detail = word.replace("_", " "), shown(name), shown(detail.partition("\n")[0], LONGEST_DETAIL)
        if terminal.width < NARROW:
            found = [(front.strip(), "dim"), (word, style), (name, ""), (time, "dim"), (detail, "")]
            return [(text, own) for text, own in found if text]
        is_bare = not time and not detail
        word, time = padded(word, WIDEST_WORD), f"{time:>{TIME}}"
        if terminal.is_terminal:
            beside = len(front) + len(word) + 2
            name = within(name, max(terminal.width - beside, SHORTEST_NAME) if is_bare else self._widest_name)
        if is_bare:
            return [(front, "dim"), (word, style), (name, "")]
        name = padded(name, self._name_width)
        if terminal.is_terminal:
            free = terminal.width - len(front) - len(word) - columns(name) - len(time) - 5
            detail = shown(detail, max(free, SHORTEST_DETAIL))
        return [(front, "dim"), (word, style), (name, ""), (time, "dim"), (f" {detail}", "")][: 5 if detail else 4]
