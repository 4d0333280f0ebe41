"""Wait until a folder has come to rest, such as one that is being uploaded to, and only then sum up what is in it.

flowbuilder run examples/flow_poll.py -P inbox=incoming
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from flowbuilder import Until, step, workflow

DATA = Path(__file__).parent / "data"
Look = dict[Path, tuple[int, int]]


def is_at_rest(result: Look, previous: Look | None) -> bool:
    """Return whether there is something, and nothing of it has changed since the look before."""
    return bool(result) and result == previous


@step(until=Until(is_at_rest, every=0.5, limit=7200), retries=3)
def look(inbox: Path = DATA) -> Look:
    """Note the size of each file, and when it was last written to; looks again where one vanished meanwhile."""
    found = {file: file.stat() for file in inbox.rglob("*") if file.is_file()}
    return {file: (facts.st_size, facts.st_mtime_ns) for file, facts in found.items()}


@step
def files(look: Look) -> list[Path]:
    """List the files by name."""
    return sorted(look)


@step(each={"file": "files"}, retries=2)
def checksum(file: Path) -> str:
    """Return the checksum of a whole file, as ``sha256sum`` does."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@workflow
def manifest(files: list[Path], checksum: list[str], inbox: Path = DATA) -> str:
    """List what has arrived, in a form that ``sha256sum --check`` reads."""
    return "\n".join(f"{digest}  {file.relative_to(inbox)}" for digest, file in zip(checksum, files, strict=True))
