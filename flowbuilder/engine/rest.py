"""Rest: what is left of a coroutine after its first wait, awaited so that it can be left behind."""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from functools import partial
from typing import Any


class Rest:
    """Awaits a coroutine from its first wait on.

    A body that catches its own cancellation and goes on would hold its worker for ever. Once
    ``is_left`` is set, the cancellation that is delivered next ends the waiting without it.

    Args:
        body: the coroutine.
        first: what its first ``send`` gave.
    """

    __slots__ = ("_body", "_first", "is_left")

    def __init__(self, body: Coroutine[Any, Any, Any], first: Any) -> None:
        self._body = body
        self._first = first
        self.is_left = False

    def __await__(self) -> Generator[Any, Any, Any]:
        wanted = self._first
        while True:
            try:
                sent = yield wanted
                resume = partial(self._body.send, sent)
            except BaseException as error:  # whatever the event loop throws in is for the body
                if self.is_left:
                    raise
                resume = partial(self._body.throw, error)
            try:
                wanted = resume()
            except StopIteration as stop:
                return stop.value
