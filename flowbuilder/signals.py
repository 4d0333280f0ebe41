"""Signals: how Ctrl-C and SIGTERM stop what runs."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flowbuilder.engine.execute import Stop
from flowbuilder.terminal import Terminal

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stopped_by_signals(stop: Stop, terminal: Terminal | None = None) -> Iterator[None]:
    """Let SIGINT and SIGTERM call ``stop``, where this is the main thread and they are not ignored.

    The first one asks for an orderly end. The second ends the process at once, by the signal's
    default action. While somebody holds the ``terminal``, a Ctrl-C is theirs.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: object) -> None:
        holder = terminal.holder if terminal is not None and number == signal.SIGINT else None
        if holder == threading.main_thread().ident:
            raise KeyboardInterrupt
        if holder is not None:
            return
        if stop.reason:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        stop(signal.Signals(number).name)

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
