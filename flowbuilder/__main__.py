"""The console script ``flowbuilder``, and ``python -m flowbuilder``."""

from __future__ import annotations

import _thread
import gc
import os
import signal
import sys
import threading
import time
from typing import TextIO

from flowbuilder.supervisor import ECHO, Watched, supervise


def entry() -> None:
    """Run the command line of this process and exit with its code."""
    # Starting makes many objects and hardly any garbage, which Python would look for a hundred times.
    gc.set_threshold(100_000)
    watched = Watched()
    try:
        _catch_signals()
        watched = supervise(sys.argv[1:], _say)
        watched.let_signals_come()
        from flowbuilder.cli import main

        for stream in (sys.stdout, sys.stderr):
            _escape_what_cannot_be_encoded(stream)
        code = main(watched=watched)
        _flush(sys.stdout)
    except KeyboardInterrupt:
        code = 2
    watched.ended(code)
    sys.exit(code)


def _catch_signals() -> None:
    # Before anything else: a Ctrl-C while the rest is imported is an interruption like any other.
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    sys.unraisablehook = _raise_again


def _say(text: str) -> None:
    from flowbuilder.cli.output import say

    if sys.stdout is not None and sys.stdout.isatty():
        sys.stdout.write("\n")  # below the rows that the process may have left there
    say(text)


def _interrupt(number: int, frame: object) -> None:
    came = time.monotonic()

    def again(number: int, frame: object) -> None:
        if time.monotonic() - came > ECHO:
            signal.signal(number, signal.SIG_DFL)  # a second signal ends the process at once
            signal.raise_signal(number)

    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, again)
    raise KeyboardInterrupt


def _raise_again(unraisable: sys.UnraisableHookArgs) -> None:
    """Let an interruption come again that came where Python swallows errors, such as a callback of an import."""
    if isinstance(unraisable.exc_value, KeyboardInterrupt):
        signal.signal(signal.SIGINT, _interrupt)
        # A moment later, since it would be swallowed here, too.
        threading.Timer(0.01, _thread.interrupt_main).start()
    else:
        sys.__unraisablehook__(unraisable)


def _escape_what_cannot_be_encoded(stream: TextIO | None) -> None:
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")


def _flush(stream: TextIO | None) -> None:
    """Flush now, so that a reader who went away (``| head -1``) is no error at exit."""
    try:
        if stream is not None:
            stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


if __name__ == "__main__":
    entry()
