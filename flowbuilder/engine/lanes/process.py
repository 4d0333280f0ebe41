"""The process lane: bodies in worker processes, each kept by one thread that can kill it."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from flowbuilder.engine.attempt import Attempt, DeadlinePassedError
from flowbuilder.engine.context import current, stamp
from flowbuilder.engine.lanes.thread import ThreadLane
from flowbuilder.engine.worker_process import WorkerProcess
from flowbuilder.errors import StepCancelledError, WorkerDiedError


class ProcessLane(ThreadLane):
    """Runs plain bodies in spawned worker processes, kept warm for the run.

    Each thread of this lane keeps one worker. A body that overruns, or whose run is cancelled,
    loses its worker; a worker that dies fails its own step alone.
    """

    enforces_timeouts = True

    def __init__(self, limit: int | None = None) -> None:
        super().__init__(limit or os.cpu_count() or 1)
        self._workers: dict[int, WorkerProcess] = {}
        self._busy: dict[Attempt, WorkerProcess] = {}
        self._invoke = self._call

    def cancel(self, attempts: Iterable[Attempt]) -> None:
        """Kill the workers of running bodies."""
        with self._lock:
            workers = [worker for attempt in attempts if (worker := self._busy.get(attempt)) is not None]
        for worker in workers:
            worker.kill()

    def close(self) -> None:
        """Kill idle workers too; each thread reaps its own."""
        with self._lock:
            workers, threads = list(self._workers.values()), list(self._threads)
        for worker in workers:
            worker.kill()
        super().close()
        for thread in threads:
            thread.join(1.0)

    def _call(self, attempt: Attempt, fn: Callable[..., Any], kwargs: Mapping[str, Any]) -> Any:
        """Send one call to this thread's worker and wait for its answer, its death or the deadline."""
        worker = self._worker()
        with self._lock:
            self._busy[attempt] = worker
        try:
            # Asked now that a cancellation would find the worker.
            if attempt.source.is_over(attempt):
                raise StepCancelledError(f"{attempt.info.name} was cancelled")
            reply = worker.call(fn, kwargs, attempt.deadline, partial(attempt.source.tell_progress, attempt))
        except DeadlinePassedError:
            self._drop()
            raise
        except WorkerDiedError:
            self._drop()
            if attempt.source.is_over(attempt):
                raise StepCancelledError(f"{attempt.info.name} was cancelled") from None
            raise
        finally:
            with self._lock:
                del self._busy[attempt]
            _replay(worker)
        return reply.value()

    def _worker(self) -> WorkerProcess:
        number = threading.get_ident()
        worker = self._workers.get(number)
        if worker is not None and not worker.is_alive:
            # It died with nothing to do: that is no step's fault.
            self._drop()
            worker = None
        if worker is None:
            worker = WorkerProcess()
            with self._lock:
                self._workers[number] = worker
        return worker

    def _drop(self) -> None:
        with self._lock:
            worker = self._workers.pop(threading.get_ident(), None)
        if worker is not None:
            worker.close()
            _replay(worker)

    def _ended(self) -> None:
        self._drop()


def _replay(worker: WorkerProcess) -> None:
    """Give what the worker printed and logged to this thread's own streams, as if it were said here."""
    for stream, text in worker.printed():
        target = sys.stdout if stream == "stdout" else sys.stderr
        if text and target is not None:
            target.write(text)
    step = current.get()
    for record in worker.logged():
        stamp(record, step.context if step else None)
        logger = logging.getLogger(record.name)
        if logger.isEnabledFor(record.levelno):
            logger.handle(record)
