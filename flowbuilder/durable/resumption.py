"""Resumption: how a run goes on, as data and in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from flowbuilder.engine.kept import Kept
from flowbuilder.errors import listed
from flowbuilder.store.rows import AttemptRow, InnerRow, Unit

NAMED = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeWords:
    """What a user asked for: steps to ``rerun``, the lost ones too, changes of the wiring accepted."""

    rerun: tuple[str, ...] = ()
    rerun_lost: bool = False
    accept_changes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumption:
    """How a run goes on.

    ``kept`` is for the engine; ``forgotten`` are successes that are dropped, ``begun`` attempts of which
    only the dead process's note is left. ``inside`` has the calls that bodies do not make again, by the names of
    steps and items and by their keys, ``unmade`` the steps and items the calls of whose bodies are dropped. ``again``
    says of each step that runs why, ``changed`` names those that are kept although their code has changed;
    ``deaths`` counts processes that died in a row at ``died_at``.
    """

    kept: Kept
    forgotten: tuple[Unit, ...] = ()
    begun: tuple[AttemptRow, ...] = ()
    inside: Mapping[str, dict[bytes, InnerRow]] = field(default_factory=dict)
    unmade: tuple[Unit, ...] = ()
    again: Mapping[str, str] = field(default_factory=dict)
    changed: tuple[str, ...] = ()
    deaths: int = 0
    died_at: str = ""

    def _calls(self) -> Sequence[str]:
        """Return how many calls are kept of the bodies of each step."""
        numbers = Counter[str]()
        for name, calls in self.inside.items():
            numbers[name.partition("[")[0]] += len(calls)
        return [f"{name} {counted(number, 'call')}" for name, number in numbers.items()]

    def lines(self) -> Iterator[str]:
        """Yield in words what is kept, and what runs and why."""
        steps = [name for name in self.kept.results if not name.endswith("]")]
        items = len(self.kept.results) - len(steps)
        parts = [counted(number, noun) for number, noun in ((len(steps), "step"), (items, "item")) if number]
        yield f"kept: {' and '.join(parts) or 'nothing'}" + (f" ({listed(steps, NAMED)})" if steps else "")
        if self.inside:
            yield f"kept inside: {listed(self._calls(), NAMED)}"
        if self.changed:
            yield f"kept although changed since: {listed(self.changed, NAMED)}; --rerun NAME runs one again"
        reasons: dict[str, list[str]] = {}
        for name, reason in self.again.items():
            reasons.setdefault(reason, []).append(name)
        for reason, names in reasons.items():
            yield f"runs: {listed(names, NAMED)}: {reason}"
        if not reasons:
            yield "nothing is left to run"


def counted(number: int, noun: str) -> str:
    """Return "1 item" or "2,134 items"."""
    return f"{number:,} {noun}{'s' * (number != 1)}"
