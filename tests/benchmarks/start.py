"""Start: a whole process, from the command to its end: a flow of three steps, or a help."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module
from pathlib import Path

PROGRAMS = Path(__file__).parent / "three"
Contender = Callable[["Text"], Callable[[], Iterable[str]]]


class Text:
    """What a process has to print: the result of the three steps, or anything where it is ""."""

    def __init__(self, size: int) -> None:
        self.steps = size
        self.expected = "45" if size else ""

    def __len__(self) -> int:
        return self.steps

    def is_right(self, words: Iterable[str]) -> bool:
        """Return whether the result is among the words that were printed."""
        return not self.expected or self.expected in words


def command(*words: str, needs: str = "click") -> Contender:
    """Return a contender that runs Python with ``words`` where the programs are, and ``needs`` a package."""
    return partial(_prepared, words=words, needs=needs)


def _prepared(text: Text, *, words: tuple[str, ...], needs: str) -> Callable[[], Iterable[str]]:
    import_module(needs)
    environment = {**os.environ, "NO_COLOR": "1", "HAMILTON_TELEMETRY_ENABLED": "false"}

    def run() -> list[str]:
        # A folder of its own, since some keep what they know of earlier runs.
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(PROGRAMS, folder, dirs_exist_ok=True)
            command = [sys.executable, *words]
            done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=True)
        return done.stdout.decode().split()

    return run


bare = command("bare.py")
anyio = command("three_anyio.py")
asyncio = command("three_asyncio.py")
flowbuilder = command("-m", "flowbuilder", "run", "flow_three.py")
dask = command("three_dask.py", needs="dask")
doit = command("-m", "doit", needs="doit")
hamilton = command("three_hamilton.py", needs="hamilton")
pipefunc = command("three_pipefunc.py", needs="pipefunc")
taskiq = command("three_taskiq.py", needs="taskiq")

flowbuilder_help = command("-m", "flowbuilder", "--help")
bare_imports = command("-c", "import click, pluggy, anyio")
doit_help = command("-m", "doit", "help", needs="doit")
