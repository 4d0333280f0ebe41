"""Params: values for inputs, read from files."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flowbuilder.errors import InputError, did_you_mean, shown, shown_value
from flowbuilder.plan.given import given
from flowbuilder.plan.strictjson import MOST_BYTES, MOST_DEPTH, JsonError, strict_json

SUFFIXES = (".json", ".toml")
FORMATS = "a .json or .toml file"
TOML_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def read_params_file(path: Path) -> dict[str, object]:
    """Return the values of a ``--params`` file by input name.

    Strings come as ``Text``, so that dates and paths are read from them; all else as ``Given``.

    Raises:
        InputError: for a file that cannot be read or is not strict JSON or TOML, naming the place.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(
            f"a params file of the kind {shown_value(suffix or path.name)} cannot be read",
            where=shown(path),
            allowed=FORMATS,
            hint="write it as JSON or TOML" if suffix in (".yaml", ".yml") else "",
        )
    text = _text(path)
    data = _json(path, text) if suffix == ".json" else _toml(path, text)
    if not isinstance(data, dict):
        raise _refused(path, "the file holds no table of names and values", hint='write {"name": value}')
    origin = f"--params {path.name}"
    return {name: given(value, origin) for name, value in data.items()}


def _refused(path: Path, what: str, place: tuple[int, int] | None = None, hint: str = "") -> InputError:
    where = shown(path, 1000) + (f":{place[0]}:{place[1]}" if place else "")
    return InputError(shown(what), where=where, hint=hint)


def _what_was_meant(path: Path) -> str:
    try:
        names = [one.name for one in path.parent.iterdir() if one.suffix.lower() in SUFFIXES]
    except OSError:
        names = []
    usual = "a path is taken from the current folder, one of pyproject.toml from its folder"
    return did_you_mean(path.name, names) or usual


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        hint = _what_was_meant(path) if isinstance(error, FileNotFoundError) else ""
        reason = getattr(error, "strerror", None) or error
        raise _refused(path, f"the params file cannot be read: {reason}", hint=hint) from error
    if len(raw) > MOST_BYTES:
        raise _refused(path, "the params file is larger than 1 MiB", hint="give the path of a data file as an input")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
        place = (before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise _refused(path, "the params file is not valid UTF-8", place, hint="save it as UTF-8") from error


def _json(path: Path, text: str) -> Any:
    try:
        return strict_json(text)
    except JsonError as error:
        raise _refused(path, error.problem, error.position) from error


def _toml(path: Path, text: str) -> Any:
    import tomllib

    try:
        data = tomllib.loads(text)
    except ValueError as error:
        found = TOML_PLACE.search(str(error))
        place = (int(found[1]), int(found[2])) if found and found[1] else None
        raise _refused(path, f"broken TOML: {TOML_PLACE.sub('', str(error))}", place) from error
    except RecursionError as error:
        raise _refused(path, f"more than {MOST_DEPTH} levels") from error
    for name, value, depth in _values(data):
        if depth > MOST_DEPTH:
            raise _refused(path, f"more than {MOST_DEPTH} levels")
        if isinstance(value, float) and not math.isfinite(value):
            raise _refused(path, f"{value} in {json.dumps(name)} is no finite number")
    return data


def _values(data: dict[str, Any]) -> Iterator[tuple[str, Any, int]]:
    """Yield every value of a document with the top-level name it is under and its depth."""
    waiting = [(name, value, 2) for name, value in data.items()]
    while waiting:
        name, value, depth = waiting.pop()
        yield name, value, depth - (0 if isinstance(value, dict | list) else 1)
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        waiting.extend((name, one, depth + 1) for one in inner)
