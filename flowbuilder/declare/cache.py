"""Cache: when the result of an earlier run stands for that of a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flowbuilder.declare.validate import checked_timeout
from flowbuilder.errors import DefinitionError, shown_value


@dataclass(frozen=True, slots=True)
class Cache:
    """Reuses the stored result of an earlier run for the same code and inputs.

    Attributes:
        key: a function of some of the step's parameters; what it returns counts in place of all inputs.
        version: a text or whole number that counts too: change it where nothing else would show a change.
        expires: seconds or a ``timedelta``; a result that is older is not used any more.
    """

    key: Callable[..., Any] | None = None
    version: str | int | None = None
    expires: float | timedelta | None = None

    def __post_init__(self) -> None:
        given: Any = self.key
        if given is not None and (not callable(given) or isinstance(given, type)):
            raise DefinitionError("Cache(key=…) takes a function", got=shown_value(given), allowed="def or lambda")
        version: Any = self.version
        if isinstance(version, bool) or not isinstance(version, str | int | None):
            raise DefinitionError(
                "Cache(version=…) takes a text or a whole number", got=shown_value(version), allowed='"2", 2'
            )
        checked_timeout(self.expires, word="Cache(expires=…)")

    @property
    def seconds(self) -> float | None:
        """How old a result may be; None for any age."""
        return checked_timeout(self.expires)
