"""StoreJournal: writes the runs of one engine into a run store, and passes on what was told when it stands."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from flowbuilder.durable.entries import Entries
from flowbuilder.durable.resumption import Resumption
from flowbuilder.durable.units import is_inner, unit_of
from flowbuilder.engine.attempt import Attempt
from flowbuilder.engine.cached import Look
from flowbuilder.engine.journal import Recorded
from flowbuilder.engine.relay import Facts
from flowbuilder.engine.views import RunInfo
from flowbuilder.plan.plan import Plan, PlannedStep
from flowbuilder.results import StepResult
from flowbuilder.store.contract import Claim, Store
from flowbuilder.store.rows import Entry, RunRow

if TYPE_CHECKING:
    from flowbuilder.durable.body_calls import BodyCalls
    from flowbuilder.durable.caching import Caching

BACKLOG = 5_000
WRITTEN = frozenset(
    {"run_start", "step_start", "step_retry", "step_finish", "step_error", "step_skip", "step_undo", "run_finish"}
)
UNSYNCED = frozenset({"step_start", "step_retry", "batch_start", "batch_finish", "run_cancel"})


class StoreJournal:
    """The engine's ``Journal`` over a ``Store``; one serves one engine.

    ``failure`` is what the store failed with.
    """

    def __init__(self, store: Store, *, reads_cache: bool = True) -> None:
        self.failure: Exception | None = None
        self._store = store
        self._entries = Entries(lambda run_id, text: self._note(run_id, text))
        self._caching: Caching | None = None
        self._reads_cache = reads_cache
        self._claims: dict[str, Claim] = {}
        self._given = itertools.count(1)
        self._last = 0
        self._done = 0
        self._is_waited_for = False
        self._engine: Recorded
        self._stop_all: Callable[[str], None]
        self._note: Callable[[str, str], None]
        self._loop_thread = 0

    # Runs.

    def enter(self, row: RunRow, resumption: Resumption | None = None) -> None:
        """Take on a run, which nobody else may own; ``resumption`` says how it goes on.

        Raises:
            RunRefusedError: when another process owns it.
        """
        self._claims[row.run_id] = self._store.claim(row.run_id)
        self._entries.expect(row, resumption)

    def close(self) -> None:
        """Give back the runs that have not ended."""
        for claim in self._claims.values():
            claim.release()
        self._claims.clear()

    def prepare_cache(self, plan: Plan) -> None:
        """Make ready to look for the results of a plan's steps, where any of them has ``cache=``."""
        if plan.shape.cached:
            from flowbuilder.durable.caching import Caching  # which few need

            self._caching = self._caching or Caching(self._store, reads=self._reads_cache)
            self._caching.prepare(plan)

    def look_up(self, run: RunInfo, step: PlannedStep, arguments: Mapping[str, Any]) -> Look:
        """Look for the result of a step in earlier runs."""
        assert self._caching is not None
        return self._caching.look_up(run, step, arguments)

    def recollection(self, attempt: Attempt) -> BodyCalls | None:
        """Return what is known of the calls that an attempt's body makes; None in a run that is not kept by itself."""
        run_id = attempt.source.info.run_id
        if run_id not in self._claims:
            return None
        from flowbuilder.durable.body_calls import BodyCalls, OfUnit, tools_of
        from flowbuilder.durable.marks import Marks

        of_unit = OfUnit(
            unit=unit_of(attempt.info),
            attempt=attempt.number,
            kept=self._entries.take_inside(run_id, attempt.info.name),
            note=partial(self._entries.note_once, run_id),
            codes=self._entries.marks,
        )
        return BodyCalls(of_unit, Marks(b"", partial(tools_of, attempt), of_unit.codes))

    # What the engine says.

    def attach(self, engine: Recorded, stop_all: Callable[[str], None], note: Callable[[str, str], None]) -> None:
        """Begin to serve an engine, on its loop."""
        self._engine, self._stop_all, self._note = engine, stop_all, note
        self._loop_thread = threading.get_ident()

    @property
    def is_behind(self) -> bool:
        """Whether so much waits to be written that no new step should start."""
        if self._last - self._done <= BACKLOG:
            return False
        self._is_waited_for = True
        return self._last - self._done > BACKLOG // 2

    def hears(self, name: str) -> bool:
        """Return whether a hook is written down, or anybody listens to it."""
        return name in WRITTEN or self._engine.relay.hears(name)

    def tell(self, name: str, **facts: Any) -> None:
        """Write what a hook is told, then tell it."""
        self._write_and_tell(name, facts.__getitem__)

    def tell_of(self, name: str, facts: Facts) -> None:
        """Write what a hook is told, as far as it is asked for, then tell it."""
        if name == "step_start" and not self._engine.relay.hears(name):
            # As it is for most steps: nobody has to be told.
            self._store.write(partial(self._entries.of, name, facts, time.time()), self._notice, sync=False)
        else:
            self._write_and_tell(name, facts)

    def _write_and_tell(self, name: str, facts: Facts) -> None:
        draft = partial(self._entries.of, name, facts, time.time())
        self._write(draft, partial(self._pass_on, name, facts), sync=name not in UNSYNCED)

    def after(self, call: Callable[[], None]) -> None:
        """Have ``call`` called after all that was told before."""
        self._write(tuple, lambda error: self._engine.relay.after(call))

    def when_written(self, call: Callable[[], None]) -> None:
        """Have ``call`` called when all that was told before stands."""
        self._write(tuple, lambda error: call())

    def note(self, attempt: Attempt) -> None:
        """Note that the body of an attempt is about to be called, so that it is known should the process die in it."""
        claim = self._claims.get(attempt.source.info.run_id)
        if claim is not None and attempt.phase == "body" and not is_inner(attempt.info):
            claim.begin(unit_of(attempt.info), attempt.number)

    def outcome(self, attempt: Attempt) -> Callable[[], Iterable[Entry]]:
        """Return what is to be written of an attempt; on the loop's own thread nothing is encoded yet."""
        if threading.get_ident() == self._loop_thread:
            return lambda: self._entries.outcome(attempt)
        entries = self._entries.outcome(attempt)
        return lambda: entries

    def end(self, attempt: Attempt, outcome: Callable[[], Iterable[Entry]], lane: int | None = None) -> bool:
        """Write how an attempt ended, then have it settled; return whether it was, in this thread."""
        caller = threading.get_ident()
        is_here, is_over = False, False

        def then(error: Exception | None) -> None:
            nonlocal is_here
            # This thread may also come to write it later, behind the end of another attempt.
            is_here = lane is not None and not is_over and threading.get_ident() == caller
            self._settle(attempt, error, lane if is_here else None)

        self._write(outcome, then, here=lane is not None and caller != self._loop_thread)
        is_over = True
        return is_here

    def begin(self, attempt: Attempt) -> None:
        """Write that an attempt begins, then let it begin."""
        self._write(lambda: self._entries.began(attempt), lambda error: self._begin(attempt, error))

    def keep_call(self, run: RunInfo, mark: Any, value: Any, then: Callable[[], None]) -> None:
        """Write what a call inside a body of a run gave, then call ``then``."""
        self._write(partial(self._entries.kept_call, run.run_id, mark, value), lambda error: then())

    def undo(self, run: RunInfo, results: Sequence[StepResult[Any]], then: Callable[[], None]) -> None:
        """Write that some steps and items no longer count, then call ``then``."""
        self._write(lambda: self._entries.undone(run, results), lambda error: then())

    # On the thread that writes.

    def _write(
        self,
        draft: Callable[[], Iterable[Entry]],
        then: Callable[[Exception | None], None],
        *,
        sync: bool = True,
        here: bool = False,
    ) -> None:
        self._last = next(self._given)
        self._store.write(draft, partial(self._written, then), sync=sync, here=here)

    def _written(self, then: Callable[[Exception | None], None], error: Exception | None) -> None:
        self._notice(error)
        then(error)
        self._done += 1
        if self._is_waited_for and self._last - self._done <= BACKLOG // 2:
            self._is_waited_for = False
            self._engine.wake_lanes()

    def _notice(self, error: Exception | None) -> None:
        if error is not None and self.failure is None:
            self.failure = error
            self._stop_all("the run store failed")

    def _pass_on(self, name: str, facts: Facts, error: Exception | None) -> None:
        if name == "run_finish" and (claim := self._claims.pop(facts("run").run_id, None)) is not None:
            claim.release()
        self._engine.relay.tell_of(name, facts)

    def _settle(self, attempt: Attempt, error: Exception | None, lane: int | None) -> None:
        if error is not None:
            _take_back(attempt, error)
        self._engine.settle_recorded(attempt, lane)

    def _begin(self, attempt: Attempt, error: Exception | None) -> None:
        if error is not None:
            _take_back(attempt, error)
            self._engine.settle_recorded(attempt)
        else:
            self._engine.begin_recorded(attempt)


def _take_back(attempt: Attempt, error: Exception) -> None:
    """Note that an attempt may not be told or used, since it was not written."""
    attempt.cancelled()
    if attempt.error is not None:
        attempt.error.__cause__ = error
