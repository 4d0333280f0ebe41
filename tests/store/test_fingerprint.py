"""What a function does as marks: a change of it, or of what it refers to, is seen, and nothing else is."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import textwrap
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flowbuilder.store.fingerprint import Fingerprint

Load = Callable[..., types.ModuleType]


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    """Return a function that makes a module of a text, anew each time."""
    before = set(sys.modules)

    def make(text: str, name: str = "flow", folder: str = "project") -> types.ModuleType:
        file = tmp_path / folder / f"{name}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(textwrap.dedent(text))
        module = types.ModuleType(name)
        module.__file__ = str(file)
        sys.modules[name] = module
        exec(compile(file.read_text(), str(file), "exec"), vars(module))
        return module

    yield make
    for name in set(sys.modules) - before:
        del sys.modules[name]


def changed(before: types.ModuleType, after: types.ModuleType) -> list[str]:
    """Return the names of what changed between two versions of ``f``."""
    one, other = Fingerprint(before.f), Fingerprint(after.f)
    assert (one.mark == other.mark) is (one.marks == other.marks)
    return [name for name, mark in other.marks.items() if one.marks.get(name) != mark]


BASE = """
    def f(x):
        '''Says this.'''
        return [g(one) for one in x]

    def g(x):
        return x + 1
"""


def test_lines_comments_docstrings_and_the_place_of_the_file_do_not_count(load: Load) -> None:
    moved = """
    # A comment.

    def g(x):

        return x + 1  # another one


    def f(x: list[int]) -> list[int]:
        '''Says that.'''
        return [
            g(one)
            for one in x
        ]
    """
    assert changed(load(BASE), load(moved, name="other", folder="elsewhere")) == []


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("x + 1", "x + 2", ["g"]),
        ("x + 1", "x - 1", ["g"]),
        ("x + 1", "x + 1.0", ["g"]),
        ("g(one)", "g(one) or None", ["f"]),
        ("def g(x)", "def g(x, y=1)", ["g"]),
        ("for one in x]", "for one in x if one]", ["f"]),
    ],
)
def test_a_change_of_a_function_or_of_one_it_calls_is_seen_by_name(
    load: Load, old: str, new: str, names: list[str]
) -> None:
    assert changed(load(BASE), load(BASE.replace(old, new))) == names


REFERENCES = {
    "a constant": "LIMIT = {0}\ndef f(): return LIMIT",
    "data": "TABLE = {{'a': [{0}]}}\ndef f(): return TABLE['a']",
    "a default": "def f(x={0}): return x",
    "a keyword default": "def f(*, x={0}): return x",
    "a closure": "def make(n):\n    def f(): return n\n    return f\nf = make({0})",
    "a method": "class C:\n    def m(self): return {0}\ndef f(): return C().m()",
    "a property": "class C:\n    @property\n    def m(self): return {0}\ndef f(): return C().m",
    "a class attribute": "class C:\n    m = {0}\ndef f(): return C.m",
    "a base class": "class B:\n    def m(self): return {0}\nclass C(B): ...\ndef f(): return C().m()",
    "an object's class": "class C:\n    def m(self): return {0}\nc = C()\ndef f(): return c.m()",
    "a function in data": "def g(): return {0}\nTABLE = {{'g': g}}\ndef f(): return TABLE['g']()",
    "a partial": "from functools import partial\ndef g(x): return x\np = partial(g, {0})\ndef f(): return p()",
    "what a partial calls": "from functools import partial\ndef g(): return {0}\np = partial(g)\ndef f(): return p()",
    "what is cached": "from functools import lru_cache\n@lru_cache\ndef g(): return {0}\ndef f(): return g()",
    "what is decorated": (
        "from functools import wraps\ndef d(fn):\n    @wraps(fn)\n    def w(): return fn()\n    return w\n"
        "@d\ndef g(): return {0}\ndef f(): return g()"
    ),
    "a decorator": (
        "from functools import wraps\ndef d(fn):\n    @wraps(fn)\n    def w(): return fn() + {0}\n    return w\n"
        "@d\ndef f(): return 1"
    ),
    "an inner function": "def f():\n    def g(): return {0}\n    return g()",
    "a lambda": "f = lambda: {0}",
    "a bound method": "class C:\n    def f(self): return {0}\nf = C().f",
    "a far one": "def h(): return {0}\ndef g(): return h()\ndef f(): return g()",
    "a circle": "def g(n): return f(n) + {0}\ndef f(n): return g(n - 1) if n else 0",
    "an enum": "from enum import Enum\nclass E(Enum):\n    A = {0}\ndef f(): return E.A",
    "a dataclass": "from dataclasses import dataclass\n@dataclass\nclass D:\n    x: int = {0}\ndef f(): return D()",
    "an exception caught": "def f():\n    try: return g()\n    except {1}Error: return 0\ndef g(): return 1",
}


@pytest.mark.parametrize("text", REFERENCES.values(), ids=REFERENCES)
def test_a_change_of_what_is_referred_to_is_seen(load: Load, text: str) -> None:
    before, same = load(text.format(1, "Key")), load("\n\n" + text.format(1, "Key"))
    assert changed(before, same) == []
    assert changed(before, load(text.format(2, "Value"))) != []


def test_what_is_not_referred_to_does_not_count(load: Load) -> None:
    unrelated = "def f(): return 1\ndef h(): return {0}\nclass C:\n    m = {0}"
    assert changed(load(unrelated.format(1)), load(unrelated.format(2))) == []


def test_of_a_module_of_the_project_counts_what_is_named(load: Load) -> None:
    helper = "def clean(x): return x\ndef other(x): return 1"
    text = "import helper\ndef f(x): return helper.clean(x)"

    def version(helper_text: str) -> types.ModuleType:
        load(helper_text, name="helper")
        return load(text)

    before = version(helper)
    kept = Fingerprint(before.f).marks
    assert Fingerprint(version(helper.replace("return 1", "return 2")).f).marks == kept
    assert Fingerprint(version(helper.replace("return x", "return -x")).f).marks != kept


def test_modules_that_name_one_another_are_no_endless_circle(load: Load) -> None:
    one, other = load("x = 1", name="one"), load("y = 2", name="other")
    one.other, other.one = other, one  # type: ignore[attr-defined]  # as an import of one another does
    before = Fingerprint(load("import one\ndef f(): return one.other.one.x, one.other.y").f).mark
    other.y = 3  # type: ignore[attr-defined]  # as above
    assert Fingerprint(load("import one\ndef f(): return one.other.one.x, one.other.y").f).mark != before


def test_a_module_that_is_imported_by_the_function_counts_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, load: Load
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    module = load("def f(x):\n    import json\n    from late_helper import clean\n    return clean(x)")
    marks = []
    for text in ("def clean(x): return x", "def clean(x): return -x"):
        (tmp_path / "late_helper.py").write_text(text)
        marks.append(Fingerprint(module.f).mark)
    assert marks[0] != marks[1]
    assert "late_helper" not in sys.modules


def test_objects_that_are_no_data_count_by_their_class(load: Load) -> None:
    text = "import logging, threading\nlog = logging.getLogger('{0}')\nlock = threading.Lock()\ndef f():\n"
    text += "    with lock: log.info('x')"
    assert changed(load(text.format(1)), load(text.format(2))) == []


def test_functions_of_one_name_are_told_apart(load: Load) -> None:
    text = "def make(n):\n    def g(): return n\n    return g\na, b = make(1), make({0})\ndef f(): return a() + b()"
    before, after = load(text.format(2)), load(text.format(3))
    assert changed(before, after) == ["make.<locals>.g (2)"]


def test_python_and_what_is_installed_count_by_name(load: Load) -> None:
    module = load("import json, pytest\nfrom pathlib import Path\ndef f(x): return json.dumps(Path(x)), pytest.raises")
    assert list(Fingerprint(module.f).marks) == ["f"]


def test_a_partial_has_a_fingerprint_of_its_own(load: Load) -> None:
    module = load("def f(x): return x")
    marks = [Fingerprint(functools.partial(module.f, x)).mark for x in (1, 2, 1)]
    assert marks[0] == marks[2] != marks[1]


SEEDED = """
from flowbuilder.store.fingerprint import Fingerprint

def kind(x):
    return x in {"a", "b", "c", 1, None}, x in {"d", "e", "f"}, KNOWN & x, TABLE

KNOWN = frozenset("ghijk")
TABLE = {name: kind for name in KNOWN}
print(Fingerprint(kind).marks)
"""


def test_a_fingerprint_is_the_same_in_a_process_of_another_hash_seed(tmp_path: Path) -> None:
    (tmp_path / "flow.py").write_text(SEEDED)
    out = {
        subprocess.run(
            [sys.executable, "flow.py"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(out) == 1


def test_anything_that_can_be_called_has_a_fingerprint() -> None:
    class Called:
        def __call__(self) -> int:
            return 1

    functions: list[Any] = [len, print, Called(), Called, functools.partial(len), [].append]
    assert len({Fingerprint(fn).mark for fn in functions}) == len(functions)
