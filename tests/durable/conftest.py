"""What tests of durable runs share: stores that are closed after the test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Protocol, TypeVar

import pytest

from flowbuilder.store.memory import MemoryStore

S = TypeVar("S", bound=MemoryStore)


class Kept(Protocol):
    """Returns a store that is closed after the test."""

    def __call__(self, store: S) -> S: ...


@pytest.fixture
def kept() -> Iterator[Kept]:
    with ExitStack() as stack:

        def keep(store: S) -> S:
            stack.callback(store.close)
            return store

        yield keep


@pytest.fixture
def store(kept: Kept) -> MemoryStore:
    return kept(MemoryStore())
