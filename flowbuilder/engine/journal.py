"""Journal: the seam where runs are written down before they are told or used; a run without one never comes here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from flowbuilder.engine.attempt import Attempt
from flowbuilder.engine.cached import Recall
from flowbuilder.engine.recollection import Recollection
from flowbuilder.engine.relay import Facts, Relay
from flowbuilder.engine.views import RunInfo
from flowbuilder.results import StepResult


class Teller(Protocol):
    """Whom a run tells what happened: the hook thread, or a journal that passes it on."""

    def hears(self, name: str) -> bool:
        """Return whether anybody listens to a hook."""

    def tell(self, name: str, **facts: Any) -> None:
        """Take one call of a hook and return at once; from any thread, also under the engine's lock."""

    def tell_of(self, name: str, facts: Facts) -> None:
        """Take one call of a hook as ``tell`` does; ``facts`` is asked for what is wanted, when it is told."""

    def after(self, call: Callable[[], None]) -> None:
        """Have ``call`` called after all that was told before."""


class Recorded(Protocol):
    """What a journal asks of the engine whose runs it writes down."""

    relay: Relay

    def settle_recorded(self, attempt: Attempt, lane: int | None = None) -> None:
        """Act on an attempt whose outcome stands; this thread looks for what is next in ``lane``, right after."""

    def begin_recorded(self, attempt: Attempt) -> None:
        """Let an attempt begin whose start stands."""

    def wake_lanes(self) -> None:
        """Wake every lane that could start something."""


class Journal(Teller, Recall, Protocol):
    """Writes down what happens in the runs of one engine; a plain ``tell`` is passed on when it stands."""

    @property
    def is_behind(self) -> bool:
        """Whether so much waits to be written that no new step should start; the lanes are woken after it."""

    def attach(self, engine: Recorded, stop_all: Callable[[str], None], note: Callable[[str, str], None]) -> None:
        """Begin to serve an engine; ``stop_all`` cancels its runs, ``note`` adds a note to the result of one."""

    def when_written(self, call: Callable[[], None]) -> None:
        """Have ``call`` called when all that was told before stands, on any thread."""

    def note(self, attempt: Attempt) -> None:
        """Note that the body of an attempt is about to be called; on its own thread, without a lock."""

    def outcome(self, attempt: Attempt) -> Callable[[], Any]:
        """Return what is to be written of an attempt that has ended; user code runs here, so no lock is held."""

    def end(self, attempt: Attempt, outcome: Callable[[], Any], lane: int | None = None) -> bool:
        """Write how an attempt ended, then have it settled.

        A thread that has nothing else to do names its ``lane``. Then it may be done in that thread, which True says.
        """

    def begin(self, attempt: Attempt) -> None:
        """Write that an attempt begins, then let it begin."""

    def recollection(self, attempt: Attempt) -> Recollection | None:
        """Return what is known of the calls that an attempt's body makes; of all attempts the first knows of some.

        None in a run that is not kept by itself.
        """

    def keep_call(self, run: RunInfo, mark: Any, value: Any, then: Callable[[], None]) -> None:
        """Write what a nested run gave, by the mark of its call in a body of ``run``, then call ``then``."""

    def undo(self, run: RunInfo, results: Sequence[StepResult[Any]], then: Callable[[], None]) -> None:
        """Write that some steps and items no longer count, then call ``then``, on any thread."""


def is_written_first(attempt: Attempt) -> bool:
    """Return whether an attempt may begin only when its start is written: nobody would repeat it otherwise."""
    return attempt.phase == "body" and not getattr(attempt.step.definition, "idempotent", True)
