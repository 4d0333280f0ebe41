"""Folder: where a run store is kept, for its owner's eyes only."""

from __future__ import annotations

import os
from pathlib import Path

from flowbuilder.errors import StoreError


def make_file(path: Path) -> None:
    """Make the file of a store and its folder, readable by their owner only, before SQLite opens it.

    Raises:
        StoreError: where the file is empty beside a log that has its contents.
    """
    folder = path.parent
    if not folder.exists():
        folder.mkdir(mode=0o700, parents=True)
        # What is kept here belongs to nobody's repository.
        (folder / ".gitignore").write_text("*\n", encoding="utf-8")
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        if path.stat().st_size == 0 and path.with_name(path.name + "-wal").exists():
            raise StoreError("the run store was emptied while its log is still there", where=str(path)) from None


def refuse_foreign(path: Path) -> None:
    """Refuse a store of another user, whose pickles would run as this one's code.

    Raises:
        StoreError: naming who owns it.
    """
    for one in (path, path.parent):
        owner = one.stat().st_uid
        if owner not in (os.geteuid(), 0):
            raise StoreError(
                "the run store belongs to another user", where=str(one), got=f"user {owner}", hint="use one of your own"
            )
