"""Rest: what is left of a coroutine after its first wait, awaited with context variables of its own."""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from contextvars import Context
from functools import partial
from typing import Any


class Rest:
    """Awaits a coroutine from its first wait on.

    What it sets of its context variables stays with it, so the loop task that awaits it can await another one
    after it. A body that catches its own cancellation and goes on would hold that loop task for ever: once
    ``is_left`` is set, whatever the event loop delivers next ends the waiting without it.

    Args:
        body: the coroutine.
        first: what its first ``send`` gave.
        variables: its context variables.
    """

    __slots__ = ("_body", "_first", "_variables", "is_left")

    def __init__(self, body: Coroutine[Any, Any, Any], first: Any, variables: Context) -> None:
        self._body = body
        self._first = first
        self._variables = variables
        self.is_left = False

    def __await__(self) -> Generator[Any, Any, None]:
        wanted = self._first
        while True:
            try:
                # trio sends even a cancellation; asyncio throws it.
                resume = partial(self._body.send, (yield wanted))
            except BaseException as error:  # whatever the event loop throws in is for the body
                resume = partial(self._body.throw, error)
            if self.is_left:
                _keep(self._body)
                return
            try:
                wanted = self._variables.run(resume)
            except StopIteration:
                return


def _keep(body: object) -> None:
    """Never let a coroutine be closed: one that swallows its cancellation goes on when it is closed, too."""
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(body))
