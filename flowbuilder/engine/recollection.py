"""Recollection: what is known of the calls of a body before they are made; the seam of resume inside bodies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from flowbuilder.plan.inner import InnerStep


class Known(NamedTuple):
    """What is known of one call: the ``mark`` by which to keep it, and with ``is_kept`` the ``value`` it had."""

    mark: Any = None
    is_kept: bool = False
    value: Any = None


UNKNOWN = Known()
Look = Callable[[Mapping[str, Any]], Known]  # takes the arguments of a call


def look_nowhere(given: Mapping[str, Any]) -> Known:
    """Return that nothing is known of a call."""
    return UNKNOWN


class Recollection(Protocol):
    """What is known of the calls of one body.

    Arguments are looked into, which may run code of the user's: no lock is held.
    """

    def of(self, planned: InnerStep, fixed: Mapping[str, Any]) -> Look:
        """Return what tells of the calls of a function, each by its arguments; those ``fixed`` are the same for all."""

    def inside(self, attempt: Any) -> Recollection:
        """Return what is known of the calls that the body of such a call makes."""
