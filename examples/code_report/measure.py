"""Measuring one Python file: lines, functions, classes and McCabe complexity, by its syntax tree."""

from __future__ import annotations

import ast
import tokenize
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

BRANCHES = (ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
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

    ``complexity`` is the sum over its functions plus the branches outside of them; ``comments``
    are lines with nothing but a comment. ``error`` says why a file could not be read or parsed:
    then only its lines are counted.
    """

    path: Path
    lines: int = 0
    blank: int = 0
    comments: int = 0
    classes: int = 0
    complexity: int = 0
    functions: tuple[Function, ...] = ()
    error: str = ""


def measured(path: Path) -> Measure:
    """Measure one file; one that cannot be read or parsed gives a measure with ``error``."""
    try:
        source = path.read_bytes()
    except OSError as error:
        return Measure(path=path, error=error.strerror or str(error))
    rows = source.splitlines()
    blank = sum(not row.strip() for row in rows)
    try:
        tree = _parsed(source)
    except UNPARSABLE as error:
        return Measure(path=path, lines=len(rows), blank=blank, error=_told(error))
    survey = _Survey()
    survey.walk(tree)
    functions = survey.functions()
    return Measure(
        path=path,
        lines=len(rows),
        blank=blank,
        comments=_comments(rows, survey.inside_strings),
        classes=survey.classes,
        complexity=sum(survey.ways),
        functions=tuple(functions),
    )


def _parsed(source: bytes) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old string escapes are the file's own business
        return ast.parse(source)


def _told(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}: {error.msg}" if error.lineno else error.msg
    return str(error) or type(error).__name__


def _comments(rows: Sequence[bytes], inside_strings: set[int]) -> int:
    """Count the lines with nothing but a comment."""
    hashed = {number for number, row in enumerate(rows, 1) if row.lstrip().startswith(b"#")}
    if hashed.isdisjoint(inside_strings):
        return len(hashed)
    # A # on a line within a string may begin a comment between two parts of it: only the slow tokenizer knows.
    tokens = tokenize.tokenize((row + b"\n" for row in rows).__next__)
    return len(hashed & {token.start[0] for token in tokens if token.type == tokenize.COMMENT})


@dataclass(slots=True)
class _Survey:
    """What one walk over a syntax tree finds; place 0 is the module, the others are its functions."""

    places: list[tuple[str, int, int]] = field(default_factory=lambda: [("", 0, 0)])
    ways: list[int] = field(default_factory=lambda: [0])
    classes: int = 0
    inside_strings: set[int] = field(default_factory=set)

    def walk(self, tree: ast.Module) -> None:
        """Look at every node, without recursion: generated code nests deeply."""
        stack: list[tuple[ast.AST, str, int]] = [(tree, "", 0)]
        while stack:
            node, prefix, place = stack.pop()
            self.ways[place] += _more_ways(node)
            if isinstance(node, FUNCTIONS):
                place = self._enter(node, prefix)
                prefix = f"{prefix}{node.name}."
            elif isinstance(node, ast.ClassDef):
                self.classes += 1
                prefix = f"{prefix}{node.name}."
            elif isinstance(node, ast.Constant | ast.JoinedStr):
                self.inside_strings.update(range(node.lineno + 1, (node.end_lineno or node.lineno) + 1))
            stack += [(child, prefix, place) for child in ast.iter_child_nodes(node)]

    def _enter(self, node: ast.FunctionDef | ast.AsyncFunctionDef, prefix: str) -> int:
        self.places.append((prefix + node.name, node.lineno, (node.end_lineno or node.lineno) - node.lineno + 1))
        self.ways.append(1)
        return len(self.places) - 1

    def functions(self) -> list[Function]:
        """Return the functions in the order they are written."""
        found = [Function(*place, ways) for place, ways in zip(self.places, self.ways, strict=True)]
        return sorted(found[1:], key=lambda function: function.line)


def _more_ways(node: ast.AST) -> int:
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
