"""A thousand generated command lines, values, settings and names: a message and a code for each, never a traceback."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from flowbuilder import registry
from flowbuilder.cli import main

from .conftest import REPORT

MESSAGE = 2000
CODES = {0, 1, 2, 4, 5}
NASTY = [
    "\x1b[31m",
    "\u202e",
    "\udc80",
    "\n",
    "\r",
    "\0",
    "%s",
    "{0}",
    "'",
    '"',
    "\\",
    "::",
    "=",
    "..",
    "-",
    "@",
    "٣",
    "𝔸",
]
OPTIONS = [
    "-k", "-m", "-P", "--params", "-p", "--all", "-n", "--step-timeout", "-x", "--maxfail", "--schedule",
    "--batch-size", "--executor", "--backend", "--strict-plugins", "-q", "-v", "-s", "--durations", "--format",
    "--help", "--version", "--", "-",
]  # fmt: skip
KEYS = [
    "paths",
    "plugins",
    "params",
    "params-files",
    "keyword",
    "tags",
    "max-concurrency",
    "fail-fast",
    "verbose",
    "backend",
]

pieces = st.one_of(
    st.sampled_from(NASTY), st.text(max_size=8), st.sampled_from(["report", "count", "1", "nan", "no:", "a and ("])
)
texts = st.lists(pieces, max_size=4).map("".join) | st.integers(1, 5000).map("x".__mul__)
words = st.one_of(
    st.sampled_from(["flow_report.py", "flow_report.py::report", "count=3", "flow_bad.py", *OPTIONS]), texts
)
commands = st.sampled_from(["run", "run", "list", "plan", "graph", "plugins"]) | texts
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
quick = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "flow_report.py").write_text(REPORT.replace("\n    ", "\n"))
    (tmp_path / "flow_bad.py").write_text("raise ValueError('bad')\n")
    return tmp_path


def check(*arguments: str) -> int:
    """Run a command and check what it printed and how it ended."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = main(arguments)
    said = err.getvalue()
    assert code in CODES, said
    assert "internal error" not in said
    assert len(said) <= MESSAGE, said
    assert (code in (0, 1)) or said.startswith(("error: ", "Usage: "))
    assert all(char.isprintable() or char == "\n" for char in said + out.getvalue())
    return code


def leads_out(word: str) -> bool:
    """Return whether a word names a folder elsewhere, in which a test must not look for flow files."""
    try:
        return Path(word.partition("::")[0]).is_dir() and word not in ("", ".")
    except (OSError, ValueError):
        return False


@pytest.mark.timeout(300)
@settings(quick, max_examples=350)
@given(command=commands, rest=st.lists(words, max_size=5))
def test_any_command_line(command: str, rest: list[str]) -> None:
    if not any(map(leads_out, rest)):
        check(command, *rest)


@settings(quick, max_examples=150)
@given(option=st.sampled_from(OPTIONS), value=texts)
def test_any_value_of_an_option(option: str, value: str) -> None:
    if not leads_out(value):
        check("run", "flow_report.py", option, value)


@settings(quick, max_examples=150)
@given(name=texts | st.just("count"), value=texts)
def test_any_value_of_an_input(name: str, value: str) -> None:
    check("plan", "flow_report.py", "-P", f"{name}={value}")


def toml(value: object) -> str:
    """Return a value as TOML, where it can be: any text as a basic string."""
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{toml(str(key))} = {toml(one)}' for key, one in value.items())}}}"
    if isinstance(value, str):
        return json.dumps(value.encode("utf-8", "replace").decode())
    return json.dumps(value).replace("NaN", "nan").replace("Infinity", "inf").replace("null", '"null"')


@settings(quick, max_examples=150)
@given(key=st.sampled_from(KEYS) | texts, value=json_values)
def test_any_setting(folder: Path, key: str, value: object) -> None:
    text = f"[tool.flowbuilder]\n{toml(key)} = {toml(value)}\n"
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    check("plan", "flow_report.py")


@settings(quick, max_examples=100)
@given(
    content=st.binary(max_size=60) | texts.map(lambda text: text.encode("utf-8", "replace")),
    name=st.sampled_from(["pyproject.toml", "p.json", "p.toml"]),
)
def test_any_document(folder: Path, content: bytes, name: str) -> None:
    (folder / "pyproject.toml").write_text("")
    (folder / name).write_bytes(content)
    check("plan", "flow_report.py", *(["--params", name] if name != "pyproject.toml" else []))


@settings(quick, max_examples=100)
@given(name=texts, tag=texts)
def test_any_name_and_tag_of_a_step(folder: Path, name: str, tag: str) -> None:
    text = f"from flowbuilder import step\n@step(name={name!a}, tags=({tag!a},))\ndef one(): pass\n"
    (folder / "flow_named.py").write_text(text)
    sys.modules.pop("flow_named", None)
    registry.forget("flow_named")
    check("list", "flow_named.py")
