"""Settings: what a command was asked for, from the command line and pyproject.toml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pluggy


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Settings:
    """What plugins see of the configuration."""

    root: Path
    options: Mapping[str, Any]
    plugins: pluggy.PluginManager
