"""Installed: the plugins that distributions offer by an entry point."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "flowbuilder"


def installed_plugins() -> dict[str, EntryPoint]:
    """Return the entry points of plugins by their names, sorted."""
    if not may_be_installed():
        return {}
    from importlib.metadata import entry_points

    return {point.name: point for point in sorted(entry_points(group=GROUP), key=lambda point: point.name)}


def may_be_installed() -> bool:
    """Return whether a distribution may offer plugins: a glance, since importlib.metadata loads and reads slowly."""
    others = any(hasattr(finder, "find_distributions") for finder in sys.meta_path if finder is not PathFinder)
    return others or any(_may_offer_plugins(folder) for folder in sys.path)


def _may_offer_plugins(folder: str) -> bool:
    try:
        with os.scandir(folder or ".") as entries:
            infos = [one.path for one in entries if one.name.lower().endswith((".dist-info", "egg-info"))]
    except NotADirectoryError:  # an archive, into which a glance does not go
        return True
    except OSError:
        return False
    return any(map(_offers_plugins, infos))


def _offers_plugins(info: str) -> bool:
    with suppress(OSError):
        return b"[flowbuilder]" in Path(info, "entry_points.txt").read_bytes()
    return False
