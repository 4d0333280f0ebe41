"""Writes the pages and diagrams that are made from code; with ``--check`` only says whether they are up to date.

python -m docs.generate [--check]
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Callable
from pathlib import Path

from docs.api_page import api_page
from docs.cli_page import cli_page, settings_page
from docs.diagrams import hook_order, threads
from docs.hook_page import hook_page

DOCS = Path(__file__).parent
FILES: dict[str, Callable[[], str]] = {
    "reference/api.md": api_page,
    "reference/cli.md": cli_page,
    "reference/hooks.md": hook_page,
    "reference/settings.md": settings_page,
    "assets/hook-order.svg": hook_order,
    "assets/threads.svg": threads,
}


def outdated() -> list[str]:
    """Return the differences between the files and what they should be, as lines."""
    found: list[str] = []
    for name, make in FILES.items():
        file = DOCS / name
        before = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        found += difflib.unified_diff(before, make().splitlines(), f"{name} as it is", f"{name} as made", lineterm="")
    return found


def main(arguments: list[str]) -> int:
    """Write the files, or check them; return the exit code."""
    os.environ["FLOWBUILDER_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    if arguments == ["--check"]:
        lines = outdated()
        print("\n".join([*lines, "run: python -m docs.generate"]) if lines else "generated files are up to date")
        return 1 if lines else 0
    for name, make in FILES.items():
        (DOCS / name).write_text(make(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
