"""Items: the units of mapped steps, behind those of all steps; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_NONE = range(0)


class Items:
    """Which units are items of which mapped step, and which item of one map waits for which of another.

    Args:
        count: how many steps there are.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._units: dict[int, range] = {}
        self._open: dict[int, int] = {}
        self._broken: set[int] = set()
        self._parents: list[int] = []
        self._waiting: dict[int, list[int]] = {}

    def add(self, step: int, count: int, ended: int = 0) -> range:
        """Add the items of a mapped step, of which some have ``ended`` already, and return their units."""
        first = self._count + len(self._parents)
        units = self._units[step] = range(first, first + count)
        self._open[step] = count - ended
        self._parents += [step] * count
        return units

    def __contains__(self, step: int) -> bool:
        return step in self._units

    def of(self, step: int) -> range:
        """Return the units of a mapped step's items; empty while they are not known."""
        return self._units.get(step, _NONE)

    def parent(self, unit: int) -> int:
        """Return the mapped step an item belongs to, -1 for a step."""
        return self._parents[unit - self._count] if unit >= self._count else -1

    def sources(self, unit: int, above: Iterable[int]) -> list[int]:
        """Return the items that an item waits for: those of the same index of the maps ``above`` its own."""
        index = unit - self._units[self.parent(unit)].start
        return [self._units[step].start + index for step in above]

    def wait(self, item: int, source: int) -> None:
        """Let an item wait for one of another map."""
        self._waiting.setdefault(source, []).append(item << 2)

    def waiting(self, source: int) -> Sequence[int]:
        """Return the items that wait for an item, each as an edge: ``number << 2``."""
        return self._waiting.get(source, ())

    def end(self, step: int, *, broken: bool) -> bool:
        """Count an item of a step that has ended, ``broken`` or not; return whether it was the last."""
        self._open[step] -= 1
        if broken:
            self._broken.add(step)
        return not self._open[step]

    def is_whole(self, step: int) -> bool:
        """Return whether no item of a step is broken."""
        return step not in self._broken
