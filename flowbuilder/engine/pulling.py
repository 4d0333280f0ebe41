"""Pulling: the items of a ``ctx.map``, taken as there is room for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized
from itertools import islice
from typing import Any

from flowbuilder.errors import InnerStepError, shown_value


class Pulling:
    """Takes items from any iterable, in the body's own thread, as there is room for them.

    ``is_over`` says that there are no more, ``error`` what the iterable raised, ``total`` how many there are
    where that is known.
    """

    def __init__(self, items: Iterable[Any], parameter: str, fixed: Mapping[str, Any]) -> None:
        try:
            self._items: Iterator[Any] = iter(items)
        except TypeError:
            raise InnerStepError("ctx.map takes items one can loop over", got=shown_value(items)) from None
        self.total = len(items) if isinstance(items, Sized) else None
        self.is_over = False
        self.error: BaseException | None = None
        self._parameter = parameter
        self._fixed = fixed

    def pulled(self, room: int) -> list[Mapping[str, Any]]:
        """Return the arguments for the next items, at most ``room`` of them."""
        found: list[Mapping[str, Any]] = []
        try:
            found += ({self._parameter: item, **self._fixed} for item in islice(self._items, room))
        except BaseException as error:  # a generator of the user's; raised when what runs has ended
            self.error = error
        self.is_over = len(found) < room or self.error is not None
        return found
