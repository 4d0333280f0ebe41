"""Signals: how Ctrl-C and SIGTERM stop what runs."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from flowbuilder.engine.execute import Stop
from flowbuilder.supervisor import ECHO
from flowbuilder.terminal import Terminal

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stopped_by_signals(stop: Stop, terminal: Terminal | None = None) -> Iterator[None]:
    """Let SIGINT and SIGTERM call ``stop``, where this is the main thread and they are not ignored.

    The first one asks for an orderly end. The second ends the process at once, by the signal's
    default action, unless it is an echo of the first. While somebody holds the ``terminal``, a Ctrl-C is theirs.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    interrupt = _Interrupt(stop, terminal)
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)


class _Interrupt:
    """What a signal does: the first one stops, the second ends the process."""

    def __init__(self, stop: Stop, terminal: Terminal | None) -> None:
        self._stop = stop
        self._terminal = terminal
        self._came = 0.0

    def __call__(self, number: int, frame: object) -> None:
        holder = self._terminal.holder if self._terminal is not None and number == signal.SIGINT else None
        if holder == threading.main_thread().ident:
            raise KeyboardInterrupt
        if holder is not None:
            return
        if self._stop.reason:
            self._again(number)
        else:
            self._came = time.monotonic()
            self._stop(signal.Signals(number).name)

    def _again(self, number: int) -> None:
        if time.monotonic() - self._came > ECHO:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
