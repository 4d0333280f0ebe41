"""Memory: what the bodies of one run keep for each other while it runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any


class Memory(Mapping[str, Any]):
    """A mapping that all threads of a run may use at once; it does not outlive the process.

    ``update`` is for what depends on the value that is there: nobody else changes it meanwhile.
    """

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}
        # A function given to ``update`` may read other keys.
        self._lock = threading.RLock()

    def __getitem__(self, key: str) -> Any:
        with self._lock:
            return self._values[key]

    def __setitem__(self, key: str, value: Any) -> None:
        with self._lock:
            self._values[key] = value

    def __delitem__(self, key: str) -> None:
        with self._lock:
            del self._values[key]

    def __iter__(self) -> Iterator[str]:
        with self._lock:
            return iter(list(self._values))

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        with self._lock:
            return repr(self._values)

    def update(self, key: str, fn: Callable[[Any], Any]) -> Any:
        """Replace the value of ``key`` by what ``fn`` makes of it, None where there is none, and return that."""
        with self._lock:
            value = self._values[key] = fn(self._values.get(key))
            return value
