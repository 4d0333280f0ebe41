"""Relay: tells watching hooks what happened, one at a time, in order, on a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any, NamedTuple

import pluggy

log = logging.getLogger("flowbuilder")

BACKLOG = 2_000
WATCHERS = (
    "run_start", "batch_start", "step_start", "step_progress", "step_retry", "step_repeat", "step_finish",
    "step_error", "step_skip", "step_undo", "run_cancel", "batch_finish", "run_finish",
)  # fmt: skip

Facts = Callable[[str], Any]  # what is told, by the names of the hook's arguments


class Listener(NamedTuple):
    """One implementation of a hook, and the arguments it takes."""

    plugin: str
    hook: str
    owner: int
    function: Callable[..., Any]
    arguments: Sequence[str]


Told = tuple[Sequence[Listener], Facts]


class Relay:
    """The hook thread of one engine.

    ``tell`` costs one queue put, and nothing where nobody listens. An implementation that raises
    is logged once and hears nothing more of that run; ``failures`` lists each as (plugin, hook). ``calling`` is
    who is being called, and ``since`` when (monotonic seconds).
    """

    def __init__(self, host: pluggy.PluginManager, on_drained: Callable[[], None]) -> None:
        self._listeners = {name: _listeners(host, name) for name in WATCHERS}
        self._silenced: dict[str, dict[int, tuple[str, str]]] = {}
        self._is_waited_for = False
        self._queue: SimpleQueue[Told | Callable[[], None] | None] = SimpleQueue()
        self._on_drained = on_drained
        self._thread: threading.Thread | None = None
        self.calling: Listener | None = None
        self.since = 0.0

    def hears(self, name: str) -> bool:
        """Return whether anybody listens to a hook."""
        return bool(self._listeners[name])

    @property
    def is_heard(self) -> bool:
        """Whether anybody listens at all."""
        return any(self._listeners.values())

    @property
    def is_behind(self) -> bool:
        """Whether so much waits to be told that no new step should start; ``on_drained`` follows."""
        if self._queue.qsize() <= BACKLOG:
            return False
        # Asked for before the second look: the hook thread either sees it, or has caught up already.
        self._is_waited_for = True
        return self._queue.qsize() > BACKLOG // 2

    def start(self) -> None:
        """Start the hook thread, where anybody listens at all."""
        if self.is_heard:
            self._thread = threading.Thread(target=self._serve, name="flowbuilder-hooks", daemon=True)
            self._thread.start()

    def tell(self, name: str, **facts: Any) -> None:
        """Queue one call of a hook; may be called from any thread, also under the schedule's lock."""
        self.tell_of(name, facts.__getitem__)

    def tell_of(self, name: str, facts: Facts) -> None:
        """Queue one call of a hook as ``tell`` does; the hook thread asks for the facts that somebody wants."""
        listeners = self._listeners[name]
        if listeners and self._thread is not None:
            self._queue.put((listeners, facts))

    def failures(self, run_id: str) -> tuple[tuple[str, str], ...]:
        """Return (plugin, hook) for each implementation that raised in a run."""
        return tuple(self._silenced.get(run_id, {}).values())

    def forget(self, run_id: str) -> None:
        """Drop what is kept of a run that is over."""
        self._silenced.pop(run_id, None)

    def after(self, call: Callable[[], None]) -> None:
        """Have ``call`` called on the hook thread after all that is queued; at once where nobody listens."""
        if self._thread is None:
            call()
        else:
            self._queue.put(call)

    def close(self) -> None:
        """Tell what is queued, then end the thread; it is not waited for where it hangs in a hook."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(None if self.calling is None else 0.1)

    def _serve(self) -> None:
        while (told := self._queue.get()) is not None:
            if callable(told):
                told()
            else:
                self._tell(*told)
            if self._is_waited_for and self._queue.qsize() <= BACKLOG // 2:
                self._is_waited_for = False
                self._on_drained()

    def _tell(self, listeners: Sequence[Listener], facts: Facts) -> None:
        for one in listeners:
            if self._silenced and one.owner in self._silenced.get(facts("run").root.run_id, ()):
                continue
            self.since, self.calling = time.monotonic(), one
            try:
                one.function(*map(facts, one.arguments))
            except BaseException:  # a watcher may raise anything, SystemExit included, and must not break the run
                self._silence(one, facts("run").root.run_id)
            self.calling = None

    def _silence(self, listener: Listener, run_id: str) -> None:
        plugin, hook = listener.plugin, listener.hook
        self._silenced.setdefault(run_id, {})[listener.owner] = (plugin, hook)
        log.exception("plugin %s failed in flowbuilder_%s and hears nothing more of this run", plugin, hook)


def _listeners(host: pluggy.PluginManager, name: str) -> Sequence[Listener]:
    """Return who listens to a hook, last registered first, as pluggy calls them."""
    caller = getattr(host.hook, f"flowbuilder_{name}", None)
    found = reversed(caller.get_hookimpls()) if caller is not None else ()
    return [Listener(one.plugin_name, name, id(one.plugin), one.function, one.argnames) for one in found]
