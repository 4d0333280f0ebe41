"""Policies: in which order waiting steps start, each a small class that gives a key; the least goes first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol


class Waiting(NamedTuple):
    """What a policy may know of a step that begins to wait.

    ``run`` counts runs in the order they were submitted, ``starts`` what has started so far in all
    runs. ``expected`` is how long the step takes and ``remaining`` how long the longest chain from
    its start to the end of its run: in seconds where past durations are known, else in steps.
    """

    run: int
    priority: int
    starts: int
    expected: float
    remaining: float


class Policy(Protocol):
    """Orders waiting steps; among equal keys the one that became ready first goes first.

    One that sets ``looks_ahead = False`` says that it does not read ``expected`` and ``remaining``,
    which are then not worked out. One that sets ``starves = False`` says that every step comes to be the
    first, however many come later; under any other, one start in ten goes to the step that came first, once
    that has seen 200 others start.
    """

    def key(self, waiting: Waiting) -> Any:
        """Return the place of a step that begins to wait, as something that compares."""

    def started(self, key: Any) -> None:
        """Hear that the step with this key starts."""


class Priority:
    """Higher priority first."""

    looks_ahead = False

    def key(self, waiting: Waiting) -> Any:
        """Return the priority, negative."""
        return -waiting.priority

    def started(self, key: Any) -> None:
        """Nothing follows from a start."""


class Fifo:
    """First ready, first started."""

    looks_ahead = False
    starves = False

    def key(self, waiting: Waiting) -> Any:
        """Return the same for all."""
        return 0

    def started(self, key: Any) -> None:
        """Nothing follows from a start."""


class Fair:
    """Round-robin over the runs: one step of each in turn, whatever their priorities and lengths.

    As start-time fair queueing (Goyal, Vin and Cheng, "Start-time Fair Queueing", 1996) with equal
    weights and steps counted as one. The turn of a run that comes is in the next round, not in the
    present one: else runs that never cease to come would keep it from ending.
    """

    looks_ahead = False
    starves = False

    def __init__(self) -> None:
        self._round = 0
        self._last: dict[int, int] = {}
        self._crowded = 1000

    def key(self, waiting: Waiting) -> Any:
        """Return the round in which it is the run's turn."""
        if len(self._last) >= self._crowded:
            self._forget()
        turn = max(self._round, self._last.get(waiting.run, 0)) + 1
        self._last[waiting.run] = turn
        return turn

    def _forget(self) -> None:
        """Forget the runs whose turns are over: they are as runs that come."""
        self._last = {run: turn for run, turn in self._last.items() if turn > self._round}
        self._crowded = max(1000, 2 * len(self._last))

    def started(self, key: Any) -> None:
        """Go on to the round of the step that starts."""
        self._round = max(self._round, key)


class Shortest:
    """The shortest expected step first.

    Independent steps then end the soonest on average, on one slot (Smith, "Various optimizers for
    single-stage production", 1956) and on several (Conway, Maxwell and Miller, "Theory of
    Scheduling", 1967). A long step is passed by shorter ones until it is aged, and a run as a whole is
    not the sooner done. Without past durations it is the order in which steps became ready.
    """

    def key(self, waiting: Waiting) -> Any:
        """Return how long the step takes."""
        return waiting.expected

    def started(self, key: Any) -> None:
        """Nothing follows from a start."""


class CriticalPath:
    """The step with the longest chain behind it first.

    Known as HLFET, highest levels first with estimated times (Adam, Chandy and Dickson, "A
    comparison of list schedules for parallel processing systems", 1974); in steps, without past
    durations, these are the levels of Hu ("Parallel sequencing and assembly line problems", 1961),
    best there is for equal steps that all lead to one. As every order that leaves no slot idle it
    takes at most 2 - 1/slots times the least (Graham, "Bounds on multiprocessing timing
    anomalies", 1969). For the same reason a single graph may do better in another order: finer
    ties, such as the work behind a step, were tried on recorded graphs and change nothing.
    """

    def key(self, waiting: Waiting) -> Any:
        """Return the length of the longest chain, negative."""
        return -waiting.remaining

    def started(self, key: Any) -> None:
        """Nothing follows from a start."""


POLICIES: Mapping[str, Callable[[], Policy]] = {
    "priority": Priority,
    "fifo": Fifo,
    "fair": Fair,
    "shortest": Shortest,
    "critical-path": CriticalPath,
}
