"""Terminal: where a report is printed; a text stream that never raises and knows what it can show."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import unicodedata
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from flowbuilder.errors import shown

if TYPE_CHECKING:
    from rich.console import Console

NARROWEST, USUAL_WIDTH, WIDEST = 20, 80, 1_000
# What reports draw with, for streams that cannot show it.
PLAIN = str.maketrans(
    {"…": "...", "·": "-", "›": ">", "├": "|", "└": "`", "─": "-", "│": "|", "━": "-", "╸": "-", "╺": " "}
)
ATTRIBUTES = frozenset({"bold", "dim", "underline", "italic", "reverse"})


class Terminal:
    """A text stream to report to.

    A stream that is closed or whose reader has gone is written to no more, without an error; what
    its encoding cannot express is written as backslash escapes; control characters are escaped.
    While rows are painted at the bottom of a terminal, ``above`` takes what is printed, and whoever
    set it prints it above them. ``holder`` is the thread that has it to itself, where one does.
    ``error`` is what writing was given up for.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream: TextIO | None = stream if stream is not None else sys.stdout
        self.above: Callable[[str], None] | None = None
        self.holder: int | None = None
        self._holding = threading.Lock()
        # Not while the terminal is being taken: else what was found free is written into what the holder shows.
        self._writing = threading.RLock()
        self._waiting: deque[Callable[[], object]] = deque()
        self._console: Console | None = None
        self._look()

    def _look(self) -> None:
        self.error: BaseException | None = None
        self._is_plain = not _can_draw(self.stream)
        self.is_terminal = _is_tty(self.stream) and os.environ.get("TERM") not in ("dumb", "unknown")
        forced = os.environ.get("FORCE_COLOR", "") not in ("", "0")
        self.has_color = (self.is_terminal or forced) and not os.environ.get("NO_COLOR")

    def move_to(self, stream: TextIO | None) -> None:
        """Print to another stream from now on."""
        self.stream = stream
        self._console = None
        self._look()

    @property
    def width(self) -> int:
        """How many columns there are: 20 to 1,000, and 80 where nothing says."""
        wanted = os.environ.get("COLUMNS", "")
        found = int(wanted) if wanted.isdecimal() else 0
        if not found and self.is_terminal and self.stream is not None:
            with contextlib.suppress(OSError, ValueError):
                found = os.get_terminal_size(self.stream.fileno()).columns
        return min(max(found or USUAL_WIDTH, NARROWEST), WIDEST)

    @property
    def console(self) -> Console:
        """A rich console on the same stream; rich is loaded when this is first asked for."""
        if self._console is None:
            from rich.console import Console

            self._console = Console(
                file=_Safe(self),  # type: ignore[arg-type]  # rich asks only for write, flush, isatty and encoding
                force_terminal=self.is_terminal,
                no_color=not self.has_color,
                highlight=False,
                markup=False,
                emoji=False,
            )
        return self._console

    def print(self, *parts: object, style: str = "") -> None:
        """Print parts with a space between them, and a line break.

        Args:
            parts: texts, or pairs of a text and its style; control characters are escaped, but for
                line breaks.
            style: of the parts that have none: words such as "bold red" or "dim"; without colours
                they do nothing.
        """
        pairs = [part if isinstance(part, tuple) else (part, style) for part in parts]
        self.write(" ".join(self._styled(printable(str(text)), own) for text, own in pairs) + "\n")

    def section(self, title: str, *, style: str = "bold", line: str = "=") -> None:
        """Print a title in the middle of a line that is as wide as the terminal."""
        self.print(ruled(title, self.width, line), style=style)

    def _styled(self, text: str, style: str) -> str:
        if not self.has_color or not style:
            return text
        from click import style as in_color

        words = style.split()
        colors = [word for word in words if word not in ATTRIBUTES]
        return in_color(text, fg=colors[0] if colors else None, **{word: True for word in words if word in ATTRIBUTES})

    @contextmanager
    def held(self) -> Iterator[None]:
        """Have the terminal to oneself, to talk with the user: what other threads print waits until it is given back.

        Whoever asks meanwhile waits, too. A Ctrl-C interrupts the holder, if that is the main
        thread, and not what runs. Rows must not be painted at the time.
        """
        with self._holding:
            with self._writing:  # what is being written is written before
                self.holder = threading.get_ident()
            try:
                yield
            finally:
                self.holder = None
                self._print_waiting()

    def _let_wait(self, write: Callable[[], object]) -> bool:
        """Return whether another thread holds the terminal; then it is written when that gives it back."""
        if not self._is_held_by_another():
            return False
        self._waiting.append(write)
        if not self._is_held_by_another():  # it was given back meanwhile, and nobody else would print this
            self._print_waiting()
        return True

    def _is_held_by_another(self) -> bool:
        return self.holder is not None and self.holder != threading.get_ident()

    def _print_waiting(self) -> None:
        while self._waiting:
            self._waiting.popleft()()

    def write(self, text: str) -> None:
        """Write text as it is; above the painted rows, where there are any."""
        with self._writing:
            if self._let_wait(lambda: self.write(text)):
                return
            if self.above is not None:
                self.above(text)
            else:
                self.put(text)

    def pass_on(self, stream: TextIO, text: str) -> None:
        """Write a program's own text to one of its streams; above the painted rows, where it would disturb them."""
        if not _is_tty(stream):
            stream.write(text)
            return
        with self._writing:
            if self._let_wait(lambda: self.pass_on(stream, text)):
                return
            if self.above is not None:
                self.above(text)
            else:
                stream.write(text)

    def put(self, text: str) -> None:
        """Write text as it is, at once."""
        if self.error is not None or self.stream is None:
            return
        text = text.translate(PLAIN) if self._is_plain else text
        try:
            self.stream.write(text)
            self.stream.flush()
        except UnicodeEncodeError:
            encoding = self.stream.encoding or "ascii"
            self.put(text.encode(encoding, "backslashreplace").decode(encoding))
        except BlockingIOError:
            pass  # a full pipe that somebody made non-blocking: this text is lost, the next may pass
        except (OSError, ValueError) as error:
            self._give_up(error)

    def _give_up(self, error: BaseException) -> None:
        """Write no more; Python must not fail either, when it flushes its stdout at exit."""
        self.error = error
        if self.stream is sys.__stdout__ and self.stream is not None:
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), self.stream.fileno())


class _Safe:
    """The file that a rich console of a ``Terminal`` writes to."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self.encoding = getattr(terminal.stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        self._terminal.put(text)
        return len(text)

    def flush(self) -> None:
        """Everything is flushed when it is written."""

    def isatty(self) -> bool:
        return self._terminal.is_terminal


def ruled(title: str, width: int, line: str = "=") -> str:
    """Return a title in the middle of a line."""
    free = width - columns(title) - 2
    return f"{line * max(free // 2, 2)} {title} {line * max(free - free // 2, 2)}"


def padded(text: str, width: int) -> str:
    """Return text with spaces after it, up to a width in columns; wide characters take two."""
    return text + " " * (width - columns(text))


def columns(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def printable(text: str) -> str:
    """Return text with control characters escaped, but for line breaks; tabs become spaces."""
    if text.isprintable():
        return text
    lines = text.replace("\r\n", "\n").expandtabs(8).split("\n")
    return "\n".join(line if line.isprintable() else shown(line, len(line)) for line in lines)


def _is_tty(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):  # no stream at all, or a closed one
        return False


def _can_draw(stream: Any) -> bool:
    """Return whether a stream can show what reports draw with."""
    try:
        "".join(map(chr, PLAIN)).encode(getattr(stream, "encoding", None) or "utf-8")
    except (LookupError, UnicodeEncodeError):
        return False
    return True
