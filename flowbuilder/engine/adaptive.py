"""Adaptive: finds how many steps at once serve best, by how long they take; pure.

What is best has the greatest *power*: throughput, to the power of ``WEIGHT``, over latency (L. Kleinrock, "Power and
deterministic rules of thumb for probabilistic problems in computer communications", ICC 1979). Its maximum is searched
for as by J. Kiefer and J. Wolfowitz ("Stochastic estimation of the maximum of a regression function", Annals of
Mathematical Statistics 23, 1952): latency is measured by turns at two levels around the present one, and the middle
moves along the slope between them. What disturbs both levels alike, such as steps that all become slower, cancels out,
and noise averages out over many small moves. Before that the level is doubled while that pays, as in TCP's slow start.

Latency and throughput are one measurement: with n steps at work throughput is n over latency (Little's law).
"""

from __future__ import annotations

from math import exp, log

LEAST, MOST = 1, 64
# More at once pays while latency grows, in logarithms, by less than 3/4 of it: four fifths of what can be had at all
# where latency creeps up, and just up to the knee where there is one.
WEIGHT = 3.0
SPREAD = 0.2
GAIN = 0.08
LONGEST_MOVE = 0.35
ROUNDS, FEWEST = 4, 16  # ends that are measured at a level: so many for each step at once, and at least so many
SHORTEST = 1e-9


class Adaptive:
    """Gives ``limit``, how many steps may run at once, and is told of each step that ended.

    Args:
        start: the first limit.
        most: what the limit never goes above; it never goes below ``LEAST``.
    """

    def __init__(self, start: int, most: int = MOST) -> None:
        self.most = most
        self.limit = min(max(start, LEAST), most)
        self._middle = log(self.limit)
        self._levels = (self.limit, self.limit)
        self._doubles = True
        # The logarithms of a level and of the latency there, of the levels that are compared.
        self._seen: list[tuple[float, float]] = []
        self._since = -1.0
        self._count = 0
        self._seconds = 0.0

    def ended(self, started: float, ended: float, in_flight: int) -> None:
        """Hear of a step that ran from ``started`` to ``ended``, in seconds of one clock, with ``in_flight`` at work.

        One that started at another limit, or ended while fewer ran than may, says nothing of this one.
        """
        if started < self._since or in_flight < self.limit:
            return
        self._count += 1
        self._seconds += ended - started
        if self._count >= max(FEWEST, ROUNDS * self.limit):
            self._seen.append((log(self.limit), log(max(self._seconds / self._count, SHORTEST))))
            self._go_on()
            self._since, self._count, self._seconds = ended, 0, 0.0

    def _go_on(self) -> None:
        """Measure at the other level, or draw the conclusion from both."""
        if self._doubles:
            self._double()
        elif len(self._seen) == 1:
            low, high = self._levels
            self.limit = low if self.limit == high else high
        else:
            self._move(GAIN * self._slope())

    def _double(self) -> None:
        """Double the level for as long as that pays."""
        pays = len(self._seen) == 1 or self._slope() > 0
        if pays and self.limit < self.most:
            self._seen = self._seen[-1:]
            self.limit = min(self.limit * 2, self.most)
            return
        self._doubles = False
        self._middle = self._seen[-1 if pays else 0][0]
        self._move(0.0)

    def _slope(self) -> float:
        """Return how much the logarithm of the power grows with that of the level."""
        (level, latency), (other, other_latency) = self._seen[-2:]
        return WEIGHT - (WEIGHT + 1) * (other_latency - latency) / (other - level)

    def _move(self, distance: float) -> None:
        """Move the middle, and begin with the next pair of levels around it."""
        moved = self._middle + max(-LONGEST_MOVE, min(LONGEST_MOVE, distance))
        self._middle = max(log(LEAST), min(log(self.most), moved))
        low = max(LEAST, min(self.most - 1, round(exp(self._middle - SPREAD))))
        high = min(self.most, max(low + 1, round(exp(self._middle + SPREAD))))
        self.limit = high if self.limit > low else low
        self._levels, self._seen = (low, high), []
