"""The public names: each is there, comes late, and is the same to a type checker."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import flowbuilder

HEAVY = ("networkx", "rich", "sqlite3", "multiprocessing", "msgspec", "trio", "asyncio", "click")


def test_every_public_name_is_there() -> None:
    assert flowbuilder.__all__ == sorted(flowbuilder.__all__, key=lambda name: (name.islower(), name))
    for name in flowbuilder.__all__:
        assert getattr(flowbuilder, name) is not None
        assert name in dir(flowbuilder)


def test_a_type_checker_sees_the_same_names_from_the_same_modules() -> None:
    tree = ast.parse(Path(flowbuilder.__file__).read_text(encoding="utf-8"))
    (checked,) = [node for node in tree.body if isinstance(node, ast.If)]
    imports = [node for node in checked.body if isinstance(node, ast.ImportFrom)]
    seen = {alias.name: node.module for node in imports for alias in node.names}

    assert seen == flowbuilder._HOMES
    assert {*seen, "step", "workflow", "provider"} == set(flowbuilder.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'flowbuilder' has no attribute 'job'"):
        flowbuilder.job  # noqa: B018  # looking is the test


@pytest.mark.usefixtures("unmeasured")
def test_importing_and_declaring_load_nothing_heavy() -> None:
    program = f"import sys; from flowbuilder import step; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
