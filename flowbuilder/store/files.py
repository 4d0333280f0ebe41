"""Files: large values, each in a file named by what is in it, beside the database."""

from __future__ import annotations

import os
from pathlib import Path

from flowbuilder.store.rows import Encoded

LARGE = 1024 * 1024
MARK = "@file"


class ValueFiles:
    """Keeps values over 1 MiB in ``folder``, written and synced before anything refers to them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, encoded: Encoded) -> Encoded:
        """Return what to keep of a value: itself, or for a large one the name of its file."""
        if len(encoded.data) <= LARGE:
            return encoded
        import hashlib  # only a large value needs it, and it is slow to load

        name = hashlib.sha256(encoded.data).hexdigest()
        path = self._folder / name[:2] / name
        if not path.exists():
            self._write(path, encoded.data)
        return Encoded(encoded.format + MARK, name.encode("ascii"))

    def get(self, kept: Encoded) -> Encoded:
        """Return a value whole."""
        if not is_file(kept):
            return kept
        name = kept.data.decode("ascii")
        return Encoded(kept.format.removesuffix(MARK), (self._folder / name[:2] / name).read_bytes())

    def has(self, name: str) -> bool:
        """Return whether the file of a value is there."""
        return (self._folder / name[:2] / name).is_file()

    def _write(self, path: Path, data: bytes) -> None:
        import tempfile

        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        number, made = tempfile.mkstemp(dir=path.parent, prefix=".new-")
        try:
            with os.fdopen(number, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(made).replace(path)
        except BaseException:
            Path(made).unlink(missing_ok=True)
            raise
        for folder in (path.parent, self._folder):
            sync_folder(folder)

    def drop(self, wanted: set[str]) -> None:
        """Delete every file that is not among ``wanted`` names."""
        for path in self._folder.glob("??/*"):
            if path.name not in wanted:
                path.unlink(missing_ok=True)


def is_file(kept: Encoded) -> bool:
    """Return whether a value as it is kept is the name of its file."""
    return kept.format.endswith(MARK)


def sync_folder(folder: Path) -> None:
    """Let the names in a folder survive a loss of power."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
