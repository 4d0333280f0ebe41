"""Retry: how often, and how long apart, a failed attempt is made again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flowbuilder.declare.validate import checked_number, checked_retries
from flowbuilder.errors import DefinitionError, shown_value

if TYPE_CHECKING:
    from random import Random


@dataclass(frozen=True, slots=True)
class Retry:
    """Extra attempts of a step that failed or timed out.

    Attributes:
        n: attempts after the first, 0 to 10,000.
        delay: seconds before the first extra attempt.
        backoff: each further delay is this many times the one before, at least 1.
        max_delay: seconds no delay goes beyond.
        jitter: up to this many seconds, evenly drawn, are added to each delay.
        on: the exception types worth another attempt; a time-out is a ``TimeoutError``.
    """

    n: int
    delay: float = 0.0
    backoff: float = 1.0
    max_delay: float = 3600.0
    jitter: float = 0.0
    on: tuple[type[BaseException], ...] = (Exception,)

    def __post_init__(self) -> None:
        checked_retries("Retry(n=…)", self.n)
        checked_number("Retry(delay=…)", self.delay)
        checked_number("Retry(backoff=…)", self.backoff, least=1.0)
        checked_number("Retry(max_delay=…)", self.max_delay)
        checked_number("Retry(jitter=…)", self.jitter)
        given: Any = self.on
        kinds = given if isinstance(given, tuple) else (given,)
        if not kinds or not all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in kinds):
            raise DefinitionError(
                "Retry(on=…) takes exception types", got=shown_value(self.on), allowed="a tuple such as (OSError,)"
            )
        object.__setattr__(self, "on", kinds)

    def wants(self, error: BaseException, attempt: int) -> bool:
        """Return whether another attempt follows after ``attempt`` (counted from 1) ended with ``error``."""
        return attempt <= self.n and isinstance(error, self.on)

    def seconds_before(self, attempt: int, random: Random) -> float:
        """Return the delay in seconds before ``attempt`` (2 for the first extra one)."""
        grown = self.delay
        if grown:
            # Growth stops at max_delay, so a large attempt number cannot overflow.
            for _ in range(attempt - 2):
                grown *= self.backoff
                if grown >= self.max_delay:
                    break
        extra = random.uniform(0.0, self.jitter) if self.jitter else 0.0
        return min(grown, self.max_delay) + extra


NO_RETRY = Retry(0)
