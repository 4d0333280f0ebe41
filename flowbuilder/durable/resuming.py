"""Resuming: what of a run is kept, what runs again, and why."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from flowbuilder.durable.prints import code_of, wiring_of
from flowbuilder.durable.resumption import NAMED, ResumeWords, Resumption, counted
from flowbuilder.engine.kept import Kept, KeptResult
from flowbuilder.errors import RunRefusedError, UnknownNameError, listed, shown
from flowbuilder.plan.garbage import no_garbage_sought
from flowbuilder.plan.plan import Kind, Plan, PlannedStep
from flowbuilder.results import Status
from flowbuilder.store.contract import Store
from flowbuilder.store.rows import NOT_STORED, SUCCESS, AttemptRow, Encoded, RunRow, Unit, UnitRow
from flowbuilder.store.values import decode

MOST_DEATHS = 5


@no_garbage_sought()
def look_back(store: Store, row: RunRow, plan: Plan, words: ResumeWords) -> Resumption:
    """Return how a run goes on with a plan of its workflow.

    Raises:
        RunRefusedError: when what had finished was removed or wired anew, or it keeps dying at one step.
        UnknownNameError: when a step is to run again that there is not.
    """
    return _LookBack(store, row, plan, words).resumption()


class _LookBack:
    """One look at what a store has of a run, beside the plan it is to go on with."""

    def __init__(self, store: Store, row: RunRow, plan: Plan, words: ResumeWords) -> None:
        self._row = row
        self._plan = plan
        self._words = words
        self._ended = {one.unit: one for one in store.units(row.run_id)}
        self._attempts: dict[Unit, list[AttemptRow]] = {}
        for one in store.attempts(row.run_id):
            self._attempts.setdefault(one.unit, []).append(one)
        self._begun = list(self._noted(store.begun(row.run_id)))
        self._values: dict[Unit, Encoded] = dict(store.values(row.run_id))
        self._items: dict[str, dict[Unit, None]] = {}
        for unit in (*self._ended, *self._attempts):
            if unit.item >= 0:
                self._items.setdefault(unit.step, {})[unit] = None
        self._results: dict[str, KeptResult] = {}
        self._codes: dict[str, str] = {}
        self._again: dict[str, str] = {}
        self._firm: set[str] = set()

    def _noted(self, begun: Iterable[tuple[Unit, int]]) -> Iterator[AttemptRow]:
        """Yield the attempts that were noted and not written any more, and count them among the others."""
        for unit, number in begun:
            if unit in self._ended:
                continue
            made = self._attempts.setdefault(unit, [])
            if not any(one.number == number for one in made):
                found = AttemptRow(unit=unit, number=number, started_at=self._row.started_at)
                made.append(found)
                yield found

    def resumption(self) -> Resumption:
        for name in self._words.rerun:
            if name not in self._plan.by_name:
                raise UnknownNameError("step in this workflow", name, list(self._plan.by_name))
        rewired = self._refuse_changes()
        dropped = self._with_downstream({*self._words.rerun, *rewired})
        for step in self._plan.steps:
            self._keep(step, "" if step.name not in dropped else self._dropped_because(step.name, rewired))
        deaths, died_at = self._deaths()
        return Resumption(
            kept=self._kept(),
            forgotten=tuple(self._forgotten()),
            begun=tuple(self._begun),
            again=self._again,
            changed=tuple(self._changed()),
            deaths=deaths,
            died_at=died_at,
        )

    def _forgotten(self) -> Iterator[Unit]:
        """Yield the successes that are not kept."""
        for unit, row in self._ended.items():
            if row.status == SUCCESS and str(unit) not in self._results:
                step = self._plan.by_name.get(unit.step)
                # A mapped step as a whole has no result of its own.
                if unit.item >= 0 or step is None or not step.mapped or unit.step in self._again:
                    yield unit

    # What was changed.

    def _refuse_changes(self) -> set[str]:
        """Return the finished steps that are wired anew, where that is accepted."""
        gone: dict[str, None] = {}
        rewired: dict[str, str] = {}
        for unit, row in self._ended.items():
            step = self._plan.by_name.get(unit.step)
            if row.status != SUCCESS:
                continue
            if step is None:
                gone[unit.step] = None
            elif row.wiring and row.wiring != wiring_of(step):
                rewired[unit.step] = f"{shown(unit.step)} had ({row.wiring}), has ({wiring_of(step)})"
        if (gone or rewired) and not self._words.accept_changes:
            parts = [f"{shown(name)} is gone" for name in gone] + list(rewired.values())
            raise RunRefusedError(
                f"steps of the run {self._row.run_id} that have finished were changed",
                got="; ".join(parts[:NAMED]) + (f"; and {len(parts) - NAMED} more" if len(parts) > NAMED else ""),
                hint="--accept-changes runs them again, with all that follows from them",
            )
        return set(rewired)

    def _with_downstream(self, names: Collection[str]) -> set[str]:
        found = set(names)
        if found:
            for step in self._plan.steps:
                if not found.isdisjoint(step.upstream):
                    found.add(step.name)
        return found

    def _dropped_because(self, name: str, rewired: Collection[str]) -> str:
        if name in self._words.rerun:
            return "--rerun"
        return "parameters come from elsewhere now" if name in rewired else "follows from what runs again"

    def _changed(self) -> Iterator[str]:
        for name, code in self._codes.items():
            if code and code != code_of(self._plan.by_name[name]):
                yield name

    # What is kept.

    def _keep(self, step: PlannedStep, dropped: str) -> None:
        """Keep what can be kept of one step, and say why the rest runs."""
        if dropped:
            self._again[step.name] = dropped
        elif step.mapped:
            self._keep_items(step)
        elif (why := self._kept_result(Unit(step.name))) is None:
            self._firm.add(step.name)
        else:
            self._again[step.name] = why

    def _keep_items(self, step: PlannedStep) -> None:
        sources = [one.source for one in step.each if one.kind is Kind.STEP]
        units = self._items.get(step.name, ())
        if not all(source in self._firm for source in sources):
            self._again[step.name] = "items may be others now" if units else self._reason(Unit(step.name))
            return
        self._firm.add(step.name)
        left = {why: 0 for unit in units if (why := self._kept_result(unit)) is not None}
        whole = self._ended.get(Unit(step.name))
        if left or whole is None or whole.status != SUCCESS:
            kept = sum(f"{step.name}[{unit.item}]" in self._results for unit in units)
            self._again[step.name] = f"all but {counted(kept, 'item')}" if kept else self._reason(Unit(step.name))

    def _kept_result(self, unit: Unit) -> str | None:
        """Keep the result of a step or item; return why not where it cannot be."""
        row = self._ended.get(unit)
        if row is None or row.status != SUCCESS:
            return self._reason(unit)
        encoded = self._values.get(unit, NOT_STORED)
        if encoded == NOT_STORED:
            return "result not stored"
        try:
            value = decode(encoded)
        except ValueError as error:
            return f"result cannot be read any more ({shown(error)})"
        self._results[str(unit)] = KeptResult(value, row.attempts, row.started_at, row.duration)
        self._codes.setdefault(unit.step, row.code)
        return None

    def _reason(self, unit: Unit) -> str:
        row, attempts = self._ended.get(unit), self._attempts.get(unit)
        if row is not None:
            return _WORDS.get(row.status, row.status)
        if not attempts:
            return "had not started"
        if attempts[-1].status:
            return f"attempt {attempts[-1].number + 1} follows"
        if self._is_lost(unit, attempts):
            return "nobody knows whether it finished, so it is left to you (--rerun-lost)"
        return f"running when the process died; attempt {attempts[-1].number + 1} follows"

    # What the engine needs to know of the rest.

    def _kept(self) -> Kept:
        attempts = {name: row.attempts for name, row in self._dropped()}
        forgiven = dict(attempts)
        due: dict[str, float] = {}
        lost: set[str] = set()
        for unit, made in self._attempts.items():
            name = str(unit)
            if name in self._results:
                continue
            attempts[name] = max(attempts.get(name, 0), *(one.number for one in made))
            forgiven[name] = attempts[name] - _failures(made, has_ended=unit in self._ended)
            last = made[-1]
            if last.due_at is not None and unit not in self._ended and unit.step not in self._words.rerun:
                due[name] = last.due_at
            if self._is_lost(unit, made):
                lost.add(name)
        # In the order in which they ended, of which an undo is the reverse.
        results = {name: self._results[name] for name in map(str, self._ended) if name in self._results}
        return Kept(results=results, attempts=attempts, forgiven=forgiven, due=due, lost=lost)

    def _dropped(self) -> Iterator[tuple[str, UnitRow]]:
        """Yield what had ended, and is to run again: it may have no attempts but the one that its row tells of."""
        for unit, row in self._ended.items():
            is_whole = unit.item < 0 and unit.step in self._items
            if row.attempts and not is_whole and str(unit) not in self._results:
                yield str(unit), row

    def _is_lost(self, unit: Unit, attempts: Sequence[AttemptRow]) -> bool:
        step = self._plan.by_name.get(unit.step)
        if self._words.rerun_lost or unit.step in self._words.rerun or step is None or attempts[-1].status:
            return False
        return not getattr(step.definition, "idempotent", True)

    def _deaths(self) -> tuple[int, str]:
        """Return how many processes died in a row at one step, and at which."""
        dying = [str(unit) for unit, made in self._attempts.items() if unit not in self._ended and not made[-1].status]
        if not dying or self._row.status != "interrupted":
            return 0, ""
        before = set(self._row.died_at.split("\n"))
        same = [name for name in dying if name in before]
        deaths = self._row.deaths + 1 if same else 1
        again = same or dying
        if deaths >= MOST_DEATHS and not {name.partition("[")[0] for name in again} & set(self._words.rerun):
            raise RunRefusedError(
                f"the run {self._row.run_id} died {deaths} times in a row at {listed(again, NAMED)}",
                hint=f"mend that first; --rerun {shown(again[0].partition('[')[0])} tries again",
            )
        return deaths, "\n".join(again[:100])


_WORDS = {
    "failed": "failed",
    "timed_out": "timed out",
    "cancelled": "cancelled",
    "skipped": "skipped",
    "undone": "undone",
    "lost": "nobody knows whether it finished, so it is left to you (--rerun-lost)",
}


def _failures(attempts: Sequence[AttemptRow], *, has_ended: bool) -> int:
    """Return how many of the last attempts failed and use up retries: none of a step that has ended for good."""
    count = 0
    for one in attempts:
        if one.is_past or one.status == "repeated":
            count = 0
        elif one.status in (Status.FAILED, Status.TIMED_OUT):
            count += 1
    return 0 if has_ended else count
