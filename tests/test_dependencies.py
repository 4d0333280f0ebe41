"""What the package imports is what it declares, so that it runs in an environment of its own."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
# Imported only where they are already: the pytest plugin by pytest, trio on a trio loop.
BROUGHT_BY_THE_USER = {"pytest", "trio"}


def imported(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


def test_every_package_that_is_imported_is_a_dependency_and_the_other_way_round() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {re.split(r"[<>=~!\[; ]", line)[0] for line in project["dependencies"]}
    found = {name for file in (ROOT / "flowbuilder").rglob("*.py") for name in imported(file)}

    assert found - set(sys.stdlib_module_names) - {"flowbuilder"} - BROUGHT_BY_THE_USER == declared
