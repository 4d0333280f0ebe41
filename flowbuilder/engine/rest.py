"""Rest: what is left of a coroutine after its first wait, awaited so that it can be left behind."""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from functools import partial
from typing import Any

from flowbuilder.errors import StepCancelledError


class Rest:
    """Awaits a coroutine from its first wait on.

    A body that catches its own cancellation and goes on would hold its worker for ever. Once
    ``is_left`` is set, whatever the event loop delivers next ends the waiting without it.

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
                # trio sends even a cancellation; asyncio throws it.
                resume = partial(self._body.send, (yield wanted))
            except BaseException as error:  # whatever the event loop throws in is for the body
                resume = partial(self._body.throw, error)
            if self.is_left:
                _keep(self._body)
                raise StepCancelledError("the body was left behind")
            try:
                wanted = resume()
            except StopIteration as stop:
                return stop.value


def _keep(body: object) -> None:
    """Never let a coroutine be closed: one that swallows its cancellation goes on when it is closed, too."""
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(body))
