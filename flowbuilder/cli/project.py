"""Project: the root folder and the settings of ``[tool.flowbuilder]`` in its ``pyproject.toml``.

Every option of ``run`` may be set there by its long name (``max-concurrency = 4``), those of
plugins too, and besides:

- ``paths``: files and folders to look into where the command line names none,
- ``plugins``: names as for ``-p``,
- ``params``: a table of values of inputs; a name that no selected workflow takes is ignored,
- ``resources``: a table of how much there is of each resource,
- ``params-files``: files as for ``--params``.

The command line goes over all of it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from flowbuilder.cli.options import AtOnce
from flowbuilder.declare.validate import MOST_OF_A_RESOURCE, RESOURCE_NAME
from flowbuilder.errors import SettingsError, did_you_mean, listed, shown, shown_value

FILE = "pyproject.toml"
KEY_PATH = "tool.flowbuilder"
# A key is an option's long name, but for these; -P and --resource are tables, with values of TOML's own types.
KEYS = {"paths": "paths", "plugins": "plugins", "params_files": "params-files", "param": "", "resources": ""}
TABLES = ("params", "resources")
TOML_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A root folder, its file if there is one, and the table ``[tool.flowbuilder]``."""

    root: Path
    file: Path | None = None
    text: str = ""
    table: Mapping[str, Any]

    def error(self, key: str, what: str, **facts: str) -> SettingsError:
        """Return an error about one key, naming its line where it can be found."""
        return SettingsError(f"{KEY_PATH}.{shown(key)} {what}", where=self._place(key), **facts)

    def _place(self, key: str) -> str:
        section, _, last = f"{KEY_PATH}.{key}".rpartition(".")
        current = ""
        for number, line in enumerate(self.text.splitlines(), 1):
            if header := re.match(r"\s*\[\s*([^\[\]]+?)\s*\]", line):
                current = header[1].replace('"', "")
            elif current == section and re.match(rf"\s*[\"']?{re.escape(last)}[\"']?\s*[=.]", line):
                return f"{self.file}:{number}"
        table, dot, _ = key.rpartition(".")
        return self._place(table) if dot else str(self.file)

    @property
    def plugins(self) -> tuple[str, ...]:
        """The plugins to load, named as for ``-p``."""
        return self._words("plugins")

    @property
    def params(self) -> Mapping[str, Any]:
        """The values of inputs."""
        return self._table("params")

    @property
    def resources(self) -> Mapping[str, int]:
        """How much there is of each resource."""
        table = self._table("resources")
        for name, amount in table.items():
            if not RESOURCE_NAME.fullmatch(name):
                raise self.error(f"resources.{name}", "cannot be a name", allowed="letters, digits, _ . and -")
            if type(amount) is not int or not 1 <= amount <= MOST_OF_A_RESOURCE:
                raise self.error(
                    f"resources.{name}",
                    "takes a whole number",
                    got=shown_value(amount),
                    allowed=f"1 to {MOST_OF_A_RESOURCE}",
                )
        return table

    def _table(self, key: str) -> Mapping[str, Any]:
        table = self.table.get(key, {})
        if not isinstance(table, dict):
            raise self.error(key, "takes a table", got=shown_value(table), allowed=f"[{KEY_PATH}.{key}]")
        return table

    def _words(self, key: str) -> tuple[str, ...]:
        words = self.table.get(key, [])
        if not isinstance(words, list) or not all(isinstance(word, str) and word for word in words):
            raise self.error(key, "takes a list of words", got=shown_value(words), allowed='["one", "two"]')
        return tuple(words)

    def defaults(self, params: Iterable[click.Parameter], context: click.Context) -> dict[str, Any]:
        """Return the value of each key by its parameter's name, checked as the command line would be.

        Raises:
            SettingsError: for an unknown key, or a value of the wrong type or out of range.
        """
        known = {key: param for param in params if (key := key_of(param))}
        found: dict[str, Any] = {}
        for key, value in self.table.items():
            if key in TABLES:
                continue
            if key not in known:
                keys = sorted([*known, *TABLES])
                raise self.error(key, "is no setting", allowed=listed(keys, 40), hint=did_you_mean(key, keys))
            found[str(known[key].name)] = self._value(key, value, known[key], context)
        return found

    def _value(self, key: str, value: Any, param: click.Parameter, context: click.Context) -> Any:
        if param.multiple or param.nargs == -1:
            return self._words(key)
        kinds, words = _kinds_of(param)
        if type(value) not in kinds or value == "":
            raise self.error(key, f"takes {words}", got=shown_value(value))
        try:
            return param.type(value, param, context)
        except click.BadParameter as error:
            raise self.error(key, "cannot be used", got=shown(error.message)) from None


def _kinds_of(param: click.Parameter) -> tuple[tuple[type, ...], str]:
    """Return the TOML types that a parameter takes, and words for them."""
    if isinstance(param.type, AtOnce):
        return (int, str), 'a whole number, or "auto"'
    if getattr(param, "count", False) or isinstance(param.type, click.types.IntParamType):
        return (int,), "a whole number"
    if getattr(param, "is_flag", False):
        return (bool,), "true or false"
    if isinstance(param.type, click.types.FloatParamType):
        return (int, float), "a number"
    return (str,), "text"


def key_of(param: click.Parameter) -> str:
    """Return the key an option is set by in pyproject.toml, or nothing where it cannot be."""
    if param.name in KEYS:
        return KEYS[param.name]
    return next((opt.removeprefix("--") for opt in param.opts if opt.startswith("--")), "")


def find_project(paths: Iterable[Path]) -> Project:
    """Return the project of the folder that holds all of ``paths``, or of the current folder.

    The root is the folder of the nearest ``pyproject.toml``; where there is none, the current
    folder if everything is below it.

    Raises:
        SettingsError: when the file cannot be read.
    """
    here = _current_folder()
    start = Path(
        os.path.commonpath([path.absolute() if path.is_dir() else path.absolute().parent for path in paths] or [here])
    )
    for folder in (start, *start.parents):
        if (folder / FILE).is_file():
            return read_project(folder / FILE)
    return Project(root=here if start.is_relative_to(here) else start, table={})


def _current_folder() -> Path:
    try:
        return Path.cwd()
    except OSError as error:
        raise SettingsError("the current folder does not exist any more", hint="cd to another folder") from error


def read_project(file: Path) -> Project:
    """Return the project of a ``pyproject.toml``."""
    text = _text(file)
    table = _toml(file, text).get("tool", {})
    table = table.get("flowbuilder", {}) if isinstance(table, dict) else {}
    if not isinstance(table, dict):
        raise SettingsError(f"{KEY_PATH} is no table", where=str(file), got=shown_value(table))
    return Project(root=file.parent, file=file, text=text, table=table)


def _text(file: Path) -> str:
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise SettingsError(f"{FILE} cannot be read: {error.strerror}", where=str(file)) from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise SettingsError(f"{FILE} is not valid UTF-8", where=f"{file}:{line}", hint="save it as UTF-8") from error


def _toml(file: Path, text: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        found = TOML_PLACE.search(str(error))
        line = int(found[1]) if found and found[1] else text.count("\n") + 1
        place = f"{file}:{line}" + (f":{found[2]}" if found and found[2] else "")
        lines = text.splitlines()
        got = shown(lines[line - 1].strip()) if 0 < line <= len(lines) else ""
        raise SettingsError(f"broken TOML: {shown(TOML_PLACE.sub('', str(error)))}", where=place, got=got) from error
