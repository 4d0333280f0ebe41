"""TraceFile: a trace on disk, written entry by entry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, Any

from flowbuilder.errors import error_line, shown


class TraceFile:
    """A JSON array, written entry by entry; one that was cut off can still be opened by the viewers.

    The file is opened for the first entry; one that comes after ``complete`` goes on where it ended.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.failure = ""
        self._file: IO[bytes] | None = None
        self._end = 0

    def write(self, entry: dict[str, Any]) -> None:
        """Write one entry."""
        line = json.dumps(entry, separators=(",", ":")).encode()
        if not self.failure:
            try:
                self._opened().write((b",\n" if self._end else b"[\n") + line)
                self._end = 1
            except (OSError, ValueError) as error:  # the latter for a name no file can have
                self._fail(error)

    def complete(self) -> None:
        """Close the array and the file."""
        if self._file is None or self.failure:
            return
        try:
            with self._file as file:
                self._end = file.tell()
                file.write(b"\n]\n")
        except OSError as error:
            self._fail(error)
        self._file = None

    def _opened(self) -> IO[bytes]:
        if self._file is None:
            self._file = self.path.open("r+b" if self._end else "wb")
            self._file.seek(self._end)
        return self._file

    def _fail(self, error: Exception) -> None:
        self.failure = f"{shown(self.path)} cannot be written: {shown(error_line(error))}"
