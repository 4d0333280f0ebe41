"""Keeping: the store of some runs, from opening it over entering each run to closing it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self

import pluggy

from flowbuilder.durable.inputs import kept_inputs, refuse_other_inputs, shown_inputs
from flowbuilder.durable.journal import StoreJournal
from flowbuilder.durable.opening import Durability, open_store
from flowbuilder.durable.past import past_of
from flowbuilder.durable.resuming import look_back
from flowbuilder.durable.resumption import ResumeWords, Resumption
from flowbuilder.engine.views import RunInfo
from flowbuilder.errors import NothingToDoError, RunRefusedError, StoreError, shown, shown_value
from flowbuilder.plan.plan import Plan
from flowbuilder.store.contract import Store
from flowbuilder.store.named import run_named
from flowbuilder.store.rows import RUNNING, SUCCESS, RunQuery, RunRow
from flowbuilder.store.values import decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a run comes from: what was typed, and for one that goes on its row and how it does."""

    source: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    row: RunRow | None = None
    resumption: Resumption | None = None


NO_ORIGIN = Origin()
ENDED = (SUCCESS, RUNNING, "skipped")  # or about to: with nothing left to go on with


class Keeping:
    """Keeps the runs of one engine in a store, and nothing where ``store`` is None.

    ``journal`` is what the engine writes into. With ``cache`` False it takes nothing from earlier runs.
    Leaving the block raises what the store has failed with.
    """

    def __init__(
        self, store: Any, host: pluggy.PluginManager, durability: Durability = "full", *, cache: bool = True
    ) -> None:
        self.store: Store | None = None
        self.journal: StoreJournal | None = None
        self._closes = False
        if store is not None:
            self.store, self._closes = open_store(store, host, durability)
            self.journal = StoreJournal(self.store, reads_cache=cache)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write what waits and let go of everything.

        Raises:
            StoreError: what the store has failed with; nothing that was told is missing from it.
        """
        if self.journal is None or self.store is None:
            return
        if self._closes:
            self.store.close()
        self.journal.close()
        if self.journal.failure is not None:
            raise self.journal.failure

    def past(self, workflow: str) -> Mapping[str, float]:
        """Return how many seconds each step of a workflow took in runs that are kept; one item of a mapped step.

        Raises:
            StoreError: when the store cannot be read.
        """
        if self.store is None:
            return {}
        return {name: one.seconds for name, one in past_of(self.store, workflow).items()}

    def enter(self, info: RunInfo, origin: Origin = NO_ORIGIN) -> RunInfo:
        """Take on a run, and return it as it is to be run: one that goes on has its own id and what is kept of it.

        Raises:
            RunRefusedError: when another process owns it.
        """
        if self.journal is None:
            return info
        self.journal.prepare_cache(info.plan)
        row, resumption = origin.row, origin.resumption
        if row is not None and resumption is not None:
            info = replace(info, run_id=row.run_id, seed=row.seed, kept=resumption.kept)
            row = _resumed_row(row, resumption, info.plan)
            self.journal.enter(row, resumption)
        else:
            self.journal.enter(_new_row(info, origin))
        return info

    # Runs that go on.

    def unfinished(self, run_id: str | None = None) -> RunRow:
        """Return a run that can go on, by the start of its id; the last unfinished one where that is left out.

        Raises:
            UnknownNameError: when there is no such run.
            FlowBuilderError: when several begin so.
            RunRefusedError: when it has succeeded, or a living process owns it.
        """
        if self.store is None:
            raise StoreError("a run is resumed from a run store, and none is given", hint="store=…")
        row = self._last_unfinished() if run_id is None else run_named(self.store, run_id)
        if row.status == SUCCESS:
            raise RunRefusedError(f"the run {row.run_id} has succeeded: nothing is left of it to do")
        if row.status == RUNNING:
            self.store.claim(row.run_id).release()  # which says who owns it
        return row

    def _last_unfinished(self) -> RunRow:
        assert self.store is not None
        for row in self.store.runs(RunQuery()):
            if row.status not in ENDED:
                return row
        raise NothingToDoError("no run that was kept is unfinished")

    def origin_of(self, row: RunRow, plan: Plan, words: ResumeWords) -> Origin:
        """Return how a run goes on with a plan of its workflow.

        Raises:
            RunRefusedError: when it cannot, saying why.
        """
        assert self.store is not None
        if plan.name != row.workflow:
            raise RunRefusedError(f"the run {row.run_id} is one of {row.workflow}", got=plan.name)
        resumption = look_back(self.store, row, plan, words)
        refuse_other_inputs(row, plan, resumption, is_accepted=words.accept_changes)
        return Origin(row=row, resumption=resumption)


def params_of(row: RunRow) -> dict[str, Any]:
    """Return the values that were given for the inputs of a run, but for secrets.

    Raises:
        RunRefusedError: when one cannot be read any more.
    """
    found: dict[str, Any] = {}
    for name, encoded in row.params.items():
        try:
            found[name] = decode(encoded)
        except ValueError as error:
            raise RunRefusedError(
                f"the value of {shown_value(name)} that the run {row.run_id} began with cannot be read any more",
                got=shown(error),
                hint="start a new run",
            ) from error
    return found


def _resumed_row(row: RunRow, resumption: Resumption, plan: Plan) -> RunRow:
    return replace(
        row,
        params={**row.params, **kept_inputs(plan)},
        shown={**row.shown, **shown_inputs(plan)},
        deaths=resumption.deaths,
        died_at=resumption.died_at,
    )


def _new_row(info: RunInfo, origin: Origin) -> RunRow:
    return RunRow(
        run_id=info.run_id,
        workflow=info.workflow,
        started_at=info.started_at,
        source=origin.source,
        options=origin.options,
        params=kept_inputs(info.plan),
        shown=shown_inputs(info.plan),
        seed=info.seed,
    )
