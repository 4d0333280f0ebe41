"""Resuming: what of a run is kept, what runs again, and why."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from flowbuilder.durable.inside import Inside
from flowbuilder.durable.prints import CodeMarks, wiring_of
from flowbuilder.durable.resumption import NAMED, ResumeWords, Resumption, counted
from flowbuilder.engine.kept import Kept, KeptResult
from flowbuilder.errors import RunRefusedError, UnknownNameError, listed, shown
from flowbuilder.plan.garbage import no_garbage_sought
from flowbuilder.plan.plan import Kind, Plan, PlannedStep
from flowbuilder.results import NO_INNER, InnerCounts, Status
from flowbuilder.store.contract import Store
from flowbuilder.store.rows import SUCCESS, AttemptRow, RunRow, Unit, UnitRow
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
    """One look at what a store has of a run, beside the plan it is to go on with; by the names of steps and items."""

    def __init__(self, store: Store, row: RunRow, plan: Plan, words: ResumeWords) -> None:
        self._row = row
        self._plan = plan
        self._words = words
        self._ended: dict[str, UnitRow] = {}
        self._attempts: dict[str, list[AttemptRow]] = {}
        self._items: dict[str, dict[str, None]] = {}
        for one in store.units(row.run_id, with_values=True):
            self._ended[self._name_of(one.unit)] = one
        for made in store.attempts(row.run_id):
            self._attempts.setdefault(self._name_of(made.unit), []).append(made)
        self._begun = list(self._noted(store.begun(row.run_id)))
        self._inside = Inside(store.inner(row.run_id))
        self._results: dict[str, KeptResult] = {}
        self._marks = CodeMarks()
        self._changed: dict[str, None] = {}
        self._again: dict[str, str] = {}
        self._firm: set[str] = set()
        self._dropped_steps: set[str] = set()

    def _name_of(self, unit: Unit) -> str:
        step, item = unit
        if item < 0:
            return step
        name = f"{step}[{item}]"
        self._items.setdefault(step, {})[name] = None
        return name

    def _noted(self, begun: Iterable[tuple[Unit, int]]) -> Iterator[AttemptRow]:
        """Yield the attempts that were noted and not written any more, and count them among the others."""
        for unit, number in begun:
            name = self._name_of(unit)
            if name in self._ended:
                continue
            made = self._attempts.setdefault(name, [])
            if not any(one.number == number for one in made):
                found = AttemptRow(unit=unit, number=number, started_at=self._row.started_at)
                made.append(found)
                yield found

    def resumption(self) -> Resumption:
        for name in self._words.rerun:
            if name not in self._plan.by_name:
                raise UnknownNameError("step in this workflow", name, list(self._plan.by_name))
        rewired = self._refuse_changes()
        self._dropped_steps = dropped = self._with_downstream({*self._words.rerun, *rewired})
        for step in self._plan.steps:
            self._keep(step, "" if step.name not in dropped else self._dropped_because(step.name, rewired))
        deaths, died_at = self._deaths()
        return Resumption(
            kept=self._kept(),
            forgotten=tuple(self._forgotten()),
            begun=tuple(self._begun),
            inside=self._inside.kept(self._stand_inside),
            unmade=self._inside.unmade(self._stand_inside),
            again=self._again,
            changed=tuple(self._changed),
            deaths=deaths,
            died_at=died_at,
        )

    def _forgotten(self) -> Iterator[Unit]:
        """Yield the successes that are not kept."""
        for name, row in self._ended.items():
            if name not in self._results and row.status == SUCCESS:
                step = self._plan.by_name.get(name)
                # A mapped step as a whole has no result of its own.
                if step is None or not step.mapped or name in self._again:
                    yield row.unit

    # What was changed.

    def _refuse_changes(self) -> set[str]:
        """Return the finished steps that are wired anew, where that is accepted."""
        gone: dict[str, None] = {}
        rewired: dict[str, str] = {}
        for row in self._ended.values():
            if row.status != SUCCESS:
                continue
            name = row.unit.step
            step = self._plan.by_name.get(name)
            if step is None:
                gone[name] = None
            elif row.wiring and row.wiring != wiring_of(step):
                rewired[name] = f"{shown(name)} had ({row.wiring}), has ({wiring_of(step)})"
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

    # What is kept.

    def _keep(self, step: PlannedStep, dropped: str) -> None:
        """Keep what can be kept of one step, and say why the rest runs."""
        if dropped:
            self._again[step.name] = dropped
        elif step.mapped:
            self._keep_items(step)
        elif (why := self._kept_result(step, step.name)) is not None:
            self._again[step.name] = why

    def _keep_items(self, step: PlannedStep) -> None:
        sources = [one.source for one in step.each if one.kind is Kind.STEP]
        items = self._items.get(step.name, ())
        if not all(source in self._results or source in self._firm for source in sources):
            self._again[step.name] = "items may be others now" if items else self._reason(step.name)
            return
        self._firm.add(step.name)
        left = [why for name in items if (why := self._kept_result(step, name)) is not None]
        whole = self._ended.get(step.name)
        if left or whole is None or whole.status != SUCCESS:
            kept = len(items) - len(left)
            self._again[step.name] = f"all but {counted(kept, 'item')}" if kept else self._reason(step.name)

    def _kept_result(self, step: PlannedStep, name: str) -> str | None:
        """Keep the result of a step or of an item of it; return why not where it cannot be."""
        row = self._ended.get(name)
        if row is None or row.status != SUCCESS:
            return self._reason(name)
        if not row.value.format:
            return "result not stored"
        try:
            value = decode(row.value)
        except ValueError as error:
            return f"result cannot be read any more ({shown(error)})"
        inner = InnerCounts(**row.inside) if row.inside else NO_INNER
        self._results[name] = KeptResult(value, row.attempts, row.started_at, row.duration, inner)
        if row.code and row.code != self._marks.of(step):
            self._changed[step.name] = None
        return None

    def _stand_inside(self, unit: Unit) -> bool:
        """Return whether the calls of a body stand: its step runs again with what it was given before, and goes on."""
        name, step = str(unit), self._plan.by_name.get(unit.step)
        if step is None or name in self._results or step.mapped is not (unit.item >= 0):
            return False
        if step.mapped and step.name not in self._firm:
            return False
        # Rounds begin anew.
        has_rounds = any(one.status == "repeated" for one in self._attempts.get(name, ()))
        return step.name not in self._dropped_steps and not has_rounds

    def _reason(self, name: str) -> str:
        row, attempts = self._ended.get(name), self._attempts.get(name)
        if row is not None:
            return _WORDS.get(row.status, row.status)
        if not attempts:
            return "had not started"
        if attempts[-1].status:
            return f"attempt {attempts[-1].number + 1} follows"
        if lost := self._lost(attempts):
            what = "it" if lost == name else shown(lost)
            return f"nobody knows whether {what} finished, so it is left to you (--rerun-lost)"
        return f"running when the process died; attempt {attempts[-1].number + 1} follows"

    # What the engine needs to know of the rest.

    def _kept(self) -> Kept:
        attempts = {name: row.attempts for name, row in self._dropped()}
        forgiven = dict(attempts)
        due: dict[str, float] = {}
        lost: dict[str, str] = {}
        for name, made in self._attempts.items():
            if name in self._results:
                continue
            attempts[name] = max(attempts.get(name, 0), *(one.number for one in made))
            forgiven[name] = attempts[name] - _failures(made, has_ended=name in self._ended)
            last = made[-1]
            if last.due_at is not None and name not in self._ended and last.unit.step not in self._words.rerun:
                due[name] = last.due_at
            if one := self._lost(made):
                lost[name] = one
        # In the order in which they ended, of which an undo is the reverse.
        results = {name: self._results[name] for name in self._ended if name in self._results}
        return Kept(results=results, attempts=attempts, forgiven=forgiven, due=due, lost=lost)

    def _dropped(self) -> Iterator[tuple[str, UnitRow]]:
        """Yield what had ended, and is to run again: it may have no attempts but the one that its row tells of."""
        for name, row in self._ended.items():
            if name not in self._results and row.attempts and name not in self._items:
                yield name, row

    def _lost(self, attempts: Sequence[AttemptRow]) -> str:
        """Return the name of what must not be repeated and was running: a step, or a call of its body; "" for none."""
        last = attempts[-1]
        step = self._plan.by_name.get(last.unit.step)
        if self._words.rerun_lost or last.unit.step in self._words.rerun or step is None or last.status:
            return ""
        if not getattr(step.definition, "idempotent", True):
            return str(last.unit)
        return self._inside.lost_in(last)

    def _deaths(self) -> tuple[int, str]:
        """Return how many processes died in a row at one step, and at which."""
        dying = [name for name, made in self._attempts.items() if name not in self._ended and not made[-1].status]
        if not dying or self._row.status != "interrupted":
            return 0, ""
        before = set(self._row.died_at.split("\n"))
        # A body that has more behind it than the process before is not what kills it.
        same = [name for name in dying if name in before and not self._inside.got_on(self._attempts[name][-1])]
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
