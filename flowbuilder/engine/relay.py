"""Relay: tells watching hooks what happened, one at a time, in order, on a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from typing import Any

import pluggy

log = logging.getLogger("flowbuilder")

BACKLOG = 2_000
WATCHERS = (
    "run_start", "batch_start", "step_start", "step_retry", "step_repeat", "step_finish",
    "step_error", "step_skip", "step_undo", "run_cancel", "batch_finish", "run_finish",
)  # fmt: skip

Late = Callable[[], Any]
Told = tuple[str, dict[str, Any], Late | None]


class Relay:
    """The hook thread of one engine.

    ``tell`` costs one queue put, and nothing where nobody listens. An implementation that raises
    is logged once and hears nothing more of that run; ``failures`` lists each as (plugin, hook). ``calling`` is
    the plugin and hook that are being called, and since when (monotonic seconds).
    """

    def __init__(self, host: pluggy.PluginManager, on_drained: Callable[[], None]) -> None:
        self._listeners = {name: _implementations(host, name) for name in WATCHERS}
        self._wants_result = {
            name for name, heard in self._listeners.items() if any("result" in one.argnames for one in heard)
        }
        self._silenced: dict[str, dict[int, tuple[str, str]]] = {}
        self._is_waited_for = False
        self._queue: SimpleQueue[Told | Callable[[], None] | None] = SimpleQueue()
        self._on_drained = on_drained
        self._thread: threading.Thread | None = None
        self.calling: tuple[str, str, float] | None = None

    def hears(self, name: str) -> bool:
        """Return whether anybody listens to a hook."""
        return bool(self._listeners[name])

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
        if any(self._listeners.values()):
            self._thread = threading.Thread(target=self._serve, name="flowbuilder-hooks", daemon=True)
            self._thread.start()

    def tell(self, name: str, result: Late | None = None, /, **facts: Any) -> None:
        """Queue one call of a hook; may be called from any thread, also under the schedule's lock.

        ``result`` makes the hook's argument of that name, on the hook thread.
        """
        if self._listeners[name] and self._thread is not None:
            self._queue.put((name, facts, result))

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

    def _tell(self, name: str, facts: dict[str, Any], result: Late | None) -> None:
        if result is not None and name in self._wants_result:
            facts["result"] = result()
        silenced = self._silenced.get(facts["run"].run_id, ())
        for implementation in self._listeners[name]:
            if id(implementation.plugin) not in silenced:
                self._call(implementation, name, facts)

    def _call(self, implementation: Any, name: str, facts: dict[str, Any]) -> None:
        plugin = implementation.plugin_name
        self.calling = (plugin, name, time.monotonic())
        try:
            implementation.function(*(facts[argument] for argument in implementation.argnames))
        except BaseException:  # a watcher may raise anything, SystemExit included, and must not break the run
            silenced = self._silenced.setdefault(facts["run"].run_id, {})
            silenced[id(implementation.plugin)] = (plugin, name)
            log.exception("plugin %s failed in flowbuilder_%s and hears nothing more of this run", plugin, name)
        finally:
            self.calling = None


def _implementations(host: pluggy.PluginManager, name: str) -> Iterable[Any]:
    """Return who listens to a hook, last registered first, as pluggy calls them."""
    caller = getattr(host.hook, f"flowbuilder_{name}", None)
    return tuple(reversed(caller.get_hookimpls())) if caller is not None else ()
