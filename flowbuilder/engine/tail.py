"""Tail: the end of a text that may be very long, in bounded memory."""

from __future__ import annotations

LIMIT = 64 * 1024
PARTS = 1024


class Tail:
    """Keeps the last 64 KiB of what is written to it; writing costs the same however much came before.

    Threads may write at once; at worst a part is lost.
    """

    __slots__ = ("_dropped", "_parts", "_size")

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._size = 0
        self._dropped = 0

    def write(self, text: str) -> None:
        """Add text to the end."""
        self._parts.append(text)
        self._size += len(text)
        if self._size > 2 * LIMIT or len(self._parts) > PARTS:
            self._shorten()

    def _shorten(self) -> str:
        parts, self._parts = self._parts, []
        whole = "".join(parts)
        kept = whole[-LIMIT:]
        self._dropped += len(whole) - len(kept)
        self._parts.insert(0, kept)
        self._size = len(kept)
        return kept

    @property
    def text(self) -> str:
        """What was kept; its first line says how much was not."""
        kept = self._shorten()
        note = f"[the first {self._dropped:,} characters were dropped]\n" if self._dropped else ""
        return note + kept
