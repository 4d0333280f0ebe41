"""Store: the one Protocol behind which runs are kept; a plugin may bring another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from flowbuilder.store.rows import AttemptRow, CacheRow, Entry, InnerRow, RunQuery, RunRow, TookRow, Unit, UnitRow

Draft = Callable[[], Iterable[Entry]]
Then = Callable[[Exception | None], None]


class Claim(Protocol):
    """The right to carry one run on; it ends with the process that has it."""

    def begin(self, unit: Unit, number: int) -> None:
        """Note that an attempt begins, so that it is known even if the process dies at once; it never raises."""

    def release(self) -> None:
        """Give the run back."""


class Store(Protocol):
    """Keeps runs. Every method may be called from any thread."""

    def claim(self, run_id: str) -> Claim:
        """Make this process the one owner of a run.

        Raises:
            RunRefusedError: when another one owns it, naming that.
            StoreError: when the store cannot be used.
        """

    def write(self, draft: Draft, then: Then | None = None, *, sync: bool = True, here: bool = False) -> None:
        """Write entries behind all that were given before, and return at once.

        ``draft`` gives the entries, on the thread that writes. ``then`` is called on that thread when
        they stand: with None, or with the error that kept them out, after which nothing more is
        written. Without ``sync`` they survive the process, but perhaps not a loss of power. The caller
        has nothing else to do ``here``: they, and what else waits, may be written before this returns.
        """

    def runs(self, query: RunQuery) -> Sequence[RunRow]:
        """Return runs, the newest first."""

    def run(self, run_id: str) -> RunRow | None:
        """Return the one run whose id starts with ``run_id``, None where there is no or more than one such."""

    def units(self, run_id: str, *, with_values: bool = False) -> Sequence[UnitRow]:
        """Return how the steps and items of a run ended, in the order in which they did.

        Without values each has the format of its value alone.
        """

    def attempts(self, run_id: str) -> Sequence[AttemptRow]:
        """Return the attempts of a run, in the order in which they started.

        One that succeeded is not among them: what there is to say of it is in the row of its step or item.
        """

    def begun(self, run_id: str) -> Sequence[tuple[Unit, int]]:
        """Return the attempts that the last owner of a run has noted to begin, if it died."""

    def inner(self, run_id: str) -> Sequence[InnerRow]:
        """Return the calls that are kept of a run's bodies."""

    def took(self, workflow: str, runs: int) -> Sequence[TookRow]:
        """Return how long steps took in the last so many runs of a workflow that have ended, in any order."""

    def purge(self, run_ids: Iterable[str]) -> int:
        """Forget runs that nobody owns; return how many."""

    def cached(self, key: str) -> CacheRow | None:
        """Return what a step of the same code and inputs returned, None where nothing is kept under the key."""

    def cache_rows(self, step: str | None = None, limit: int | None = None) -> Sequence[CacheRow]:
        """Return what is kept of a step, or of all, without values, the newest first."""

    def clear_cache(self, keys: Iterable[str]) -> int:
        """Forget what is kept under keys; return how many there were."""

    def problems(self) -> Sequence[str]:
        """Return what is wrong with what is kept, after a look at all of it."""

    def close(self) -> None:
        """Write what waits, and let go of everything."""
