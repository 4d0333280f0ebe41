"""Examples and plugins show that the public API is enough: they import nothing else of the package."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import flowbuilder

ROOT = Path(__file__).parents[2]
PUBLIC = {"flowbuilder", "flowbuilder.errors", "flowbuilder.hookspecs", "flowbuilder.testing"}
FILES = sorted(
    [*ROOT.glob("examples/**/*.py"), *ROOT.glob("plugins/*/src/**/*.py"), *ROOT.glob("plugins/*/tests/*.py")]
)


def of_the_package(file: Path) -> dict[str, set[str]]:
    """Return what a file imports of the package: names by module."""
    found: dict[str, set[str]] = {}
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update({one.name: set() for one in node.names if one.name.partition(".")[0] == "flowbuilder"})
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "flowbuilder":
            found.setdefault(node.module or "", set()).update(one.name for one in node.names)
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_only_the_public_api_is_imported(file: Path) -> None:
    imports = of_the_package(file)

    assert set(imports) <= PUBLIC
    assert imports.get("flowbuilder", set()) <= set(flowbuilder.__all__)


def test_the_package_imports_no_plugin() -> None:
    names = {path.name for path in ROOT.glob("plugins/*/src/*")}

    assert names
    for file in (ROOT / "flowbuilder").rglob("*.py"):
        assert not any(name in file.read_text(encoding="utf-8") for name in names)
