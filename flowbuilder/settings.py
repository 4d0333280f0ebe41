"""Settings: what a command was asked for, from the command line and pyproject.toml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pluggy

from flowbuilder.terminal import Terminal


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Settings:
    """What plugins see of the configuration.

    ``root`` is the folder of ``pyproject.toml``; ``command`` is what runs: "run", which
    ``flowbuilder resume`` is too, "list", "plan" or "graph". ``options`` has every option of ``run`` by
    its parameter's name, those of plugins included: the command line's value over that of
    ``[tool.flowbuilder]`` over the default.
    ``terminal`` is where reports are printed.
    """

    root: Path
    command: str
    options: Mapping[str, Any]
    plugins: pluggy.PluginManager
    terminal: Terminal
