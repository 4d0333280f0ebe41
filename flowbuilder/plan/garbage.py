"""Garbage: none is looked for while much is made that stays."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_garbage_sought() -> Iterator[None]:
    """Keep Python from looking for garbage: of a plan nothing is, and to look through its parts takes as long as it.

    Where several threads plan, the first to end lets Python look again, which costs the others only time.
    """
    was_sought = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_sought:
            gc.enable()
