"""ReportFile: a file that a report is written to when all has ended, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from flowbuilder.errors import SettingsError, error_line, shown

NO_OTHERS: Mapping[str, str | None] = {}


class ReportFile:
    """Where ``option`` asked a report to be written; ``others`` are the files of other options.

    Raises:
        SettingsError: at once, before anything runs, when the file cannot be written, or is another one's too.
    """

    def __init__(self, option: str, path: str, others: Mapping[str, str | None] = NO_OTHERS) -> None:
        self._option = option
        self.path = Path(path)
        if path == "-":
            raise self._error("cannot be stdout", hint="name a file")
        try:
            self._check()
            self._refuse_shared(others)
        except OSError as error:  # a name that is too long, a folder that is out of reach
            raise self._error(f"cannot be written: {shown(error_line(error))}") from error

    def _check(self) -> None:
        folder = self.path.parent
        if self.path.is_dir():
            raise self._error("is a folder", hint="name a file in it")
        if not folder.is_dir():
            raise self._error("is in a folder that does not exist", hint=f"mkdir -p {shown(folder)}")
        target = self.path if self._is_special else folder
        if not os.access(target, os.W_OK):
            raise self._error("cannot be written: permission denied")

    def _refuse_shared(self, others: Mapping[str, str | None]) -> None:
        for option, path in others.items():
            if path and not self._is_special and Path(path).resolve() == self.path.resolve():
                raise self._error(f"is that of {option} too", hint="give each a file of its own")

    @property
    def _is_special(self) -> bool:
        """Whether the path is a device or a pipe, which must be written to and never replaced."""
        return self.path.exists() and not self.path.is_file()

    def write(self, text: str) -> None:
        """Write the report; a reader sees the old file or the new one.

        Raises:
            SettingsError: when it cannot be written.
        """
        try:
            if self._is_special:
                self.path.write_text(text, encoding="utf-8")
            else:
                self._replace(text)
        except OSError as error:
            raise self._error(f"cannot be written: {shown(error_line(error))}") from error

    def _replace(self, text: str) -> None:
        target = self.path.resolve()
        # Cut, since a character takes up to four of the 255 bytes that a name may have.
        beside = target.with_name(f".{target.name[:50]}.{os.getpid()}.part")
        try:
            beside.write_text(text, encoding="utf-8")
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)

    def _error(self, what: str, hint: str = "") -> SettingsError:
        return SettingsError(f"the file of {self._option} {what}", got=shown(self.path), hint=hint)
