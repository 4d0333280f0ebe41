"""Until: how often, and how long apart, a step is repeated until something holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flowbuilder.declare.validate import checked_number, checked_rounds
from flowbuilder.errors import DefinitionError, shown_value


@dataclass(frozen=True, slots=True)
class Until:
    """Repeats a step until a predicate holds; between two rounds it holds no slot, no resource and no thread.

    Attributes:
        predicate: a function that is asked after each round, and ends the rounds when what it returns is true. It
            takes what it names, as a step does, and ``result``, what the round returned.
        every: seconds between the end of a round and the start of the next.
        limit: the most rounds, 1 to 1,000,000; a step whose predicate does not hold after so many has failed.
    """

    predicate: Callable[..., Any]
    every: float = 1.0
    limit: int = 100

    def __post_init__(self) -> None:
        given: Any = self.predicate
        if not callable(given) or isinstance(given, type):
            raise DefinitionError(
                "Until(predicate) takes a function", got=shown_value(given), allowed="def or lambda that returns a bool"
            )
        checked_number("Until(every=…)", self.every)
        checked_rounds("Until(limit=…)", self.limit)
