"""Measuring one Python file: lines, functions, classes and McCabe complexity, by its syntax tree."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

BRANCHES = (ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler)
UNPARSABLE = (SyntaxError, ValueError, RecursionError, MemoryError)


class Function(NamedTuple):
    """One function: its name with the classes and functions around it, and its size."""

    name: str
    line: int
    lines: int
    complexity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What one file holds.

    ``complexity`` is the sum over its functions plus the branches at module level; ``comments`` are
    lines with nothing but a comment. ``error`` says why a file could not be read or parsed: then
    only its lines are counted.
    """

    path: Path
    lines: int = 0
    blank: int = 0
    comments: int = 0
    classes: int = 0
    complexity: int = 0
    functions: tuple[Function, ...] = ()
    error: str = ""

    @property
    def longest(self) -> Function | None:
        """The function with the most lines."""
        return max(self.functions, key=lambda one: one.lines, default=None)


def measured(path: Path) -> Measure:
    """Measure one file; one that cannot be read or parsed gives a measure with ``error``."""
    try:
        source = path.read_bytes()
    except OSError as error:
        return Measure(path=path, error=error.strerror or str(error))
    rows = [row.strip() for row in source.splitlines()]
    blank = rows.count(b"")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old string escapes are the file's own business
            tree = ast.parse(source)
    except UNPARSABLE as error:
        comments = sum(row.startswith(b"#") for row in rows)
        return Measure(path=path, lines=len(rows), blank=blank, comments=comments, error=_told(error))
    nodes = list(ast.walk(tree))
    inside = _inside_strings(nodes)
    functions, at_module_level = _functions(tree)
    return Measure(
        path=path,
        lines=len(rows),
        blank=blank,
        comments=sum(row.startswith(b"#") and at not in inside for at, row in enumerate(rows, 1)),
        classes=sum(isinstance(node, ast.ClassDef) for node in nodes),
        complexity=at_module_level + sum(one.complexity for one in functions),
        functions=tuple(functions),
    )


def _told(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}: {error.msg}" if error.lineno else error.msg
    return str(error) or type(error).__name__


def _inside_strings(nodes: list[ast.AST]) -> set[int]:
    """Return the lines that only go on with a string, where a # starts no comment."""
    found: set[int] = set()
    for node in nodes:
        if isinstance(node, ast.Constant | ast.JoinedStr):
            found.update(range(node.lineno + 1, (node.end_lineno or node.lineno) + 1))
    return found


def _functions(tree: ast.Module) -> tuple[list[Function], int]:
    """Return the functions of a module in the order they are written, and the branches outside them."""
    places: list[tuple[str, int, int]] = [("", 0, 0)]
    branches = [0]
    stack: list[tuple[ast.AST, str, int]] = [(tree, "", 0)]
    while stack:
        node, prefix, owner = stack.pop()
        branches[owner] += _branches(node)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            owner = len(places)
            places.append((prefix + node.name, node.lineno, (node.end_lineno or node.lineno) - node.lineno + 1))
            branches.append(1)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            prefix = f"{prefix}{node.name}."
        stack += [(child, prefix, owner) for child in ast.iter_child_nodes(node)]
    return sorted(_rows(places, branches), key=lambda one: one.line), branches[0]


def _rows(places: list[tuple[str, int, int]], branches: list[int]) -> Iterator[Function]:
    for (name, line, lines), complexity in list(zip(places, branches, strict=True))[1:]:
        yield Function(name, line, lines, complexity)


def _branches(node: ast.AST) -> int:
    """Return how many ways more there are through the code because of one node."""
    if isinstance(node, BRANCHES):
        return 1
    if isinstance(node, ast.BoolOp):
        return len(node.values) - 1
    if isinstance(node, ast.comprehension):
        return 1 + len(node.ifs)
    if isinstance(node, ast.match_case):
        always = isinstance(node.pattern, ast.MatchAs) and node.pattern.pattern is None and node.guard is None
        return 0 if always else 1
    return 0
