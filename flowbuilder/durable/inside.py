"""Inside: the calls that bodies made, as a store has them, and which of them stand when their run goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from flowbuilder.store.rows import BEGUN, SUCCESS, AttemptRow, InnerRow, Unit


class Inside:
    """The calls of bodies that have not ended for good, by the step or item whose body it is."""

    def __init__(self, rows: Iterable[InnerRow]) -> None:
        self._rows: dict[Unit, list[InnerRow]] = {}
        for row in rows:
            self._rows.setdefault(row.unit, []).append(row)

    def lost_in(self, attempt: AttemptRow) -> str:
        """Return the name of a call that must not be repeated, and that an attempt had begun; "" for none."""
        return next((f"{row.unit}/{row.name}" for row in self._of(attempt) if row.status == BEGUN), "")

    def got_on(self, attempt: AttemptRow) -> bool:
        """Return whether calls of an attempt have succeeded."""
        return any(row.status == SUCCESS for row in self._of(attempt))

    def _of(self, attempt: AttemptRow) -> Iterator[InnerRow]:
        return (row for row in self._rows.get(attempt.unit, ()) if row.attempt == attempt.number)

    def kept(self, stands: Callable[[Unit], bool]) -> Mapping[str, dict[bytes, InnerRow]]:
        """Return the calls that are not made again, by the names of steps and items and by their keys."""
        found = {
            str(unit): {row.key: row for row in rows if row.status == SUCCESS}
            for unit, rows in self._rows.items()
            if stands(unit)
        }
        return {name: calls for name, calls in found.items() if calls}

    def unmade(self, stands: Callable[[Unit], bool]) -> tuple[Unit, ...]:
        """Return the steps and items all of whose calls are dropped."""
        return tuple(unit for unit in self._rows if not stands(unit))
