"""Pulling: the items of a ``ctx.map``, taken as there is room for them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from itertools import islice
from typing import Any, Protocol

from flowbuilder.engine.recollection import Known, Look
from flowbuilder.errors import InnerStepError, shown_value

TURN = 0.002  # seconds that it may take to look at what is kept
Fed = tuple[Mapping[str, Any], Known]  # the arguments of a call, and what is known of it


class Feed(Protocol):
    """Takes calls that are to be made, or are kept."""

    def __call__(self, calls: Sequence[Fed], *, is_last: bool) -> None:
        """Take them; ``is_last`` says that no more come."""


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

    def fill(self, room: int, look: Look, feed: Feed) -> bool:
        """Feed calls for the next items, until there is no more ``room``; return whether that came to its end.

        Those that are kept take no room. There may be a million of them, and the loop has others to see to.
        """
        until = time.monotonic() + TURN
        while room > 0 and not self.is_over:
            if time.monotonic() > until:
                return False
            calls = [(given, look(given)) for given in self.pulled(room)]
            feed(calls, is_last=self.is_over)
            room -= sum(not known.is_kept for _, known in calls)
        return True

    def pulled(self, room: int) -> list[Mapping[str, Any]]:
        """Return the arguments for the next items, at most ``room`` of them."""
        found: list[Mapping[str, Any]] = []
        try:
            found += ({self._parameter: item, **self._fixed} for item in islice(self._items, room))
        except BaseException as error:  # a generator of the user's; raised when what runs has ended
            self.error = error
        self.is_over = len(found) < room or self.error is not None
        return found
