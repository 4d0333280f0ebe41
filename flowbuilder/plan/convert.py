"""Conversion: makes the value given for an input into what its annotation asks for, or says why not."""

from __future__ import annotations

import typing
from collections.abc import Callable
from pathlib import PurePath
from typing import Any

from flowbuilder.errors import InputError, Where, error_line, shown, shown_value
from flowbuilder.plan.annotations import (
    ARRAYS,
    TABLES,
    bare,
    expected,
    is_nested,
    is_open,
    item_types,
    members,
    origin_of,
    secret_type,
    type_name,
)
from flowbuilder.plan.fits import NUMERIC, fits
from flowbuilder.plan.given import Given, Text, holds_secret, shown_given
from flowbuilder.plan.scalars import NOTHING, Unfit, is_scalar, refuse_surrogates, scalar
from flowbuilder.plan.strictjson import JsonError, strict_json, too_large
from flowbuilder.plan.structured import is_pydantic, model_of_data, model_of_text, record_of
from flowbuilder.secret import Secret


def converted(name: str, value: object, annotation: object, where: Where | None) -> object:
    """Return the value of the input ``name`` as its annotation asks for it.

    ``Text`` and ``Given`` are converted. Any other value comes from code: it is returned as it is
    when it fits, with ``str`` standing for a path too. What cannot be judged passes.

    Raises:
        InputError: when the value cannot be converted or is of another type.
    """
    try:
        if isinstance(value, Text):
            return from_text(value.text, annotation)
        if isinstance(value, Given):
            return from_data(value.value, annotation)
        return _checked(value, annotation)
    except Unfit as error:
        raise _refusal(name, value, annotation, where, error) from (None if holds_secret(name, annotation) else error)
    except Exception as error:  # classes of the user's run here: an enum's _missing_, __post_init__, validators
        secret = holds_secret(name, annotation)
        unfit = Unfit("" if secret else shown(error_line(error)))
        raise _refusal(name, value, annotation, where, unfit) from (None if secret else error)


def _refusal(name: str, value: object, note: object, where: Where | None, unfit: Unfit) -> InputError:
    outside = isinstance(value, Text | Given)
    source = value.origin if isinstance(value, Text | Given) else type_name(type(value))
    verb = "cannot be read as" if outside else "must be"
    return InputError(
        f"the input {shown_value(name)} {verb} {type_name(note)}"
        + (f": {unfit.problem}" if unfit.problem and not holds_secret(name, note) else ""),
        where=where,
        got=f"{shown_given(name, value, note)} ({shown(source)})",
        allowed=expected(note) if outside else "",
        hint="" if holds_secret(name, note) else unfit.hint,  # which may say how to write what was given
    )


def from_text(text: str, note: Any) -> Any:
    """Return what ``text`` stands for under an annotation.

    Raises:
        Unfit: when it stands for nothing of that type.
    """
    note = bare(note)
    kind = origin_of(note)
    if too_large(text):
        raise Unfit("more than 1 MiB of text", hint="give the path of a file instead")
    if is_open(note):
        return refuse_surrogates(text)
    if kind is Secret:
        return Secret(from_text(text, secret_type(note)))
    if options := members(note):
        return _option_of_text(text, options)
    if is_pydantic(kind):
        return _parsed(lambda: model_of_text(text, kind))
    if kind in ARRAYS:
        return _array_of_text(text, note)
    return from_data(_parsed(lambda: strict_json(text)), note) if is_nested(note) else scalar(text, note)


def _parsed(parse: Callable[[], Any]) -> Any:
    try:
        return parse()
    except JsonError as error:
        raise Unfit(shown(error)) from error


def _option_of_text(text: str, options: tuple[Any, ...]) -> Any:
    """Return what a text stands for in a union: nothing, else the narrowest type that takes it."""
    if type(None) in options and text.strip().lower() in NOTHING:
        return None
    some = sorted((option for option in options if option is not type(None)), key=_breadth)
    is_json = text.lstrip().startswith(("[", "{"))
    if len(some) > 1 and not is_json:
        some = [option for option in some if not is_nested(option)]
    return _first(some, lambda option: from_text(text, option))


def _first(options: list[Any], convert: Callable[[Any], Any]) -> Any:
    """Return what the first option that fits makes; else say what stood against the only one."""
    problems: list[Unfit] = []
    for option in options:
        try:
            return convert(option)
        except Unfit as error:
            problems.append(error)
    raise problems[0] if len(problems) == 1 else Unfit(next((p.problem for p in problems if p.problem), ""))


def _breadth(note: Any) -> int:
    """Return how much text a type takes: 2 for all of it, 1 where a whole number or switch is taken too."""
    note = bare(note)
    if is_open(note):
        return 2
    if not is_scalar(note) or not isinstance(note, type) or hasattr(note, "__members__"):
        return 0
    if issubclass(note, str | bytes | PurePath):
        return 2
    return 1 if note is bool or issubclass(note, float | complex) or note.__name__ == "Decimal" else 0


def _array_of_text(text: str, note: Any) -> Any:
    """Read a JSON array, or simple items separated by commas."""
    stripped = text.strip()
    if stripped.startswith("[") or any(is_nested(item) for item in typing.get_args(note) if item is not Ellipsis):
        return from_data(_parsed(lambda: strict_json(text)), note)
    items = [item.strip() for item in stripped.split(",")] if stripped else []
    return _array(items, note, from_text)


def _array(items: list[Any], note: Any, convert: Callable[[Any, Any], Any]) -> Any:
    types = item_types(note, len(items))
    if types is None:
        raise Unfit(f"{len(typing.get_args(note))} items are needed, not {len(items)}")
    made = [_inside(f"item {i}", convert, *pair) for i, pair in enumerate(zip(items, types, strict=True), start=1)]
    try:
        return ARRAYS[origin_of(note)](made)
    except TypeError as error:  # an item that is not hashable, in a set
        raise Unfit(shown(error)) from error


def _inside(place: str, convert: Callable[[Any, Any], Any], value: Any, note: Any) -> Any:
    """Convert a part, naming its place in what goes wrong."""
    try:
        return convert(value, note)
    except Unfit as error:
        problem = error.problem or f"{shown_value(value, 40)} is not {type_name(note)}"
        raise Unfit(f"{place}: {problem}", error.hint) from error


def from_data(data: Any, note: Any) -> Any:
    """Return JSON-shaped data as an annotation asks for it.

    Raises:
        Unfit: when it is not of that shape.
    """
    note = bare(note)
    kind = origin_of(note)
    if is_open(note):
        return data
    if kind is Secret:
        return Secret(from_data(data, secret_type(note)))
    if options := members(note):
        return _option_of_data(data, options)
    if is_pydantic(kind):
        return model_of_data(data, kind)
    if kind in ARRAYS:
        return _array(_shaped(data, list, "a JSON array"), note, from_data)
    if kind in TABLES:
        return _table(_shaped(data, dict, "a JSON object"), note)
    return record_of(data, note, from_data) if is_nested(note) else _plain(data, note)


def _shaped(data: Any, kind: type, name: str) -> Any:
    if not isinstance(data, kind):
        raise Unfit(f"{name} is needed, not {type_name(type(data))}")
    return data


def _option_of_data(data: Any, options: tuple[Any, ...]) -> Any:
    if any(type(data) is bare(option) for option in options if not is_nested(option)):
        return data
    return _first(sorted(options, key=_breadth), lambda option: from_data(data, option))


def _table(data: dict[str, Any], note: Any) -> dict[Any, Any]:
    key_type, value_type = typing.get_args(note) or (Any, Any)
    made = {}
    for key, value in data.items():
        name = _inside(f"the name {shown_value(key, 40)}", _plain_key, key, key_type)
        if name in made:
            raise Unfit(f"the name {shown_value(key, 40)} is given twice")
        made[name] = _inside(shown(key, 40), from_data, value, value_type)
    return made


def _plain_key(key: str, note: Any) -> Any:
    return from_text(key, note)


def _plain(data: Any, kind: Any) -> Any:
    """Return a JSON string, number or null as a simple type."""
    if not isinstance(kind, type):
        return scalar(data, kind) if isinstance(data, str) else _exactly(data, kind)
    if hasattr(kind, "__members__") and not isinstance(data, str):
        return _member(data, kind)
    is_number = isinstance(data, int | float) and not isinstance(data, bool)
    if type(data) is not kind and is_number and _is_number(kind):
        return scalar(str(data), kind)
    if isinstance(data, str) and kind is not type(None) and is_scalar(kind):
        return scalar(data, kind)
    return _exactly(data, kind)


def _member(data: Any, kind: Any) -> Any:
    try:
        return kind(data)
    except ValueError as error:
        raise Unfit from error


def _is_number(kind: type) -> bool:
    return kind is not bool and (issubclass(kind, int | float | complex) or kind.__name__ == "Decimal")


def _exactly(data: Any, kind: Any) -> Any:
    if (isinstance(data, bool) and kind in NUMERIC) or not fits(data, kind):
        raise Unfit(hint="put it in quotes" if kind is str and isinstance(data, int | float) else "")
    return data


def _checked(value: object, note: object) -> object:
    """Return a value given from code; a ``str`` becomes the path, and anything the secret, that it is given for."""
    if fits(value, note):
        return value
    for option in members(bare(note)) or (bare(note),):
        if origin_of(option) is Secret and not isinstance(value, Secret):
            return Secret(_checked(value, secret_type(option)))
        if isinstance(value, str) and isinstance(option, type) and issubclass(option, PurePath):
            return scalar(value, option)
    raise Unfit
