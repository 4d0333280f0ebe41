"""Watchdog: names a body that blocks the event loop, and a hook that does not return."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

from flowbuilder.engine.attempt import Attempt
from flowbuilder.engine.relay import Relay

log = logging.getLogger("flowbuilder")

LOOK_EVERY = 0.5
LOOP_PATIENCE = 1.0
HOOK_PATIENCE = 5.0


class Watchdog:
    """A thread that asks the loop for a sign of life, and the hook thread what it is at.

    Args:
        call_soon: calls a function on the loop, from any thread.
        relay: the hook thread.
        note: takes a sentence for the user about the run.
    """

    def __init__(
        self, call_soon: Callable[[Callable[[], None]], object], relay: Relay, note: Callable[[str], None]
    ) -> None:
        self._call_soon = call_soon
        self._relay = relay
        self._note = note
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop_thread = threading.get_ident()
        self._asked_at = 0.0
        self._has_warned = False
        self._slow_since = 0.0

    def start(self) -> None:
        """Begin to watch, if it does not yet; called on the loop."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="flowbuilder-watchdog", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End the thread, where there is one."""
        if self._thread is not None:
            self._closed.set()
            self._thread.join()

    def _watch(self) -> None:
        while not self._closed.wait(LOOK_EVERY):
            self._look_at_loop()
            self._look_at_hooks()

    def _look_at_loop(self) -> None:
        if not self._asked_at:
            self._has_warned = False
            self._asked_at = time.monotonic()
            try:
                self._call_soon(self._answer)
            except RuntimeError:  # the loop has ended
                self._closed.set()
        elif not self._has_warned and time.monotonic() - self._asked_at >= LOOP_PATIENCE:
            self._has_warned = True
            sentence = self._blocked(sys._current_frames().get(self._loop_thread))  # noqa: SLF001  # the documented way to another thread's frames
            if sentence:
                self._warn(sentence)

    def _answer(self) -> None:
        self._asked_at = 0.0

    def _blocked(self, frame: FrameType | None) -> str:
        """Return what blocks the loop; nothing where it is a person, who looks at what a body left."""
        where = f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else "an unknown place"
        while frame is not None:
            attempt = frame.f_locals.get("self") if "execute" in frame.f_code.co_name else None
            if isinstance(attempt, Attempt) and attempt.is_untimed:
                return ""
            if isinstance(attempt, Attempt):
                is_inline = attempt.step.executor == "inline"
                advice = 'use executor="thread"' if is_inline else "make it a plain def, or await what takes long"
                return (
                    f"{attempt.info.name} blocks the event loop at {where}: nothing else on the loop runs,"
                    f" and no time-out can end it; {advice}"
                )
            frame = frame.f_back
        return f"the event loop is blocked at {where}"

    def _look_at_hooks(self) -> None:
        calling = self._relay.calling
        since = self._relay.since
        if calling is None or since == self._slow_since or time.monotonic() - since < HOOK_PATIENCE:
            return
        self._slow_since = since
        self._warn(
            f"plugin {calling.plugin} has been in flowbuilder_{calling.hook} for more than {HOOK_PATIENCE:g} s;"
            " the run waits for it"
        )

    def _warn(self, sentence: str) -> None:
        log.warning("%s", sentence)
        self._note(sentence)
